"""Which jobs a list shows, in which order, and how many: along an index, whatever is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    SQLColumnExpression,
    case,
    func,
    null,
    select,
    union_all,
)
from sqlalchemy.orm import aliased
from sqlalchemy.sql import and_, or_, true

from app import textsearch
from app.jobs import models
from app.jobs.states import JobStatus
from app.keyset import Order

#: A count stops here: nobody compares 1,000 with 1,001, and counting millions is slow.
COUNT_CAP: Final = 1_000
#: Where no index knows the answer, a count looks at so many rows and no more.
LOOKED_AT: Final = 5_000
Condition = ColumnElement[bool]


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which jobs a list shows; None is any. `hidden`: handlers whose jobs the asker may not see."""

    status: str | None = None
    handler: str | None = None
    started_by: int | None = None
    created_from: datetime | None = None  # and later
    created_to: datetime | None = None  # and not any more
    search: str = ""
    hidden: frozenset[str] = frozenset()

    def conditions(self, job: Any = models.Job, *, walking: bool = False) -> list[Condition]:
        """The filter as SQL conditions; `walking` leaves the index to the order of the list."""
        own = func.coalesce if walking else lambda column, _: column
        equal = {"status": self.status, "handler": self.handler, "started_by": self.started_by}
        found: list[Condition] = [
            own(getattr(job, name), null()) == value
            for name, value in equal.items()
            if value is not None and value != ""
        ]
        if self.created_from is not None:
            found.append(job.created_at >= self.created_from)
        if self.created_to is not None:
            found.append(job.created_at < self.created_to)
        if self.hidden:
            found.append(job.handler.not_in(self.hidden))
        if self.search:
            found.append(_matches(job, self.search))
        return found


def _matches(job: Any, search: str) -> Condition:
    number = search.lstrip("#")
    is_id = number.isdecimal() and len(search) < 19
    handlers = select(models.Handler.name).where(textsearch.contains(models.Handler.name, search))
    # Of handlers there are few: their names are compared once, and not at each job.
    other = job.id == int(number) if is_id else job.handler.in_(handlers)
    return or_(textsearch.contains(job.name, search), other)


#: What a list can be ordered by; with a `-` in front, the greatest comes first.
SORTS: Final = ("created", "name", "finished")


def order_of(which: JobFilter, sort: str) -> Order:
    """Ids grow with the times of creation, and most filters have an index that ends with them."""
    by: dict[str, SQLColumnExpression[Any]] = {
        "created": models.Job.created_at if _is_dated(which) else models.Job.id,
        "name": models.Job.name,
        "finished": models.Job.finished_at,
    }
    return Order(by=by[sort.removeprefix("-")], id=models.Job.id, descending=sort.startswith("-"))


def has_many(connection: Connection, which: JobFilter) -> bool:
    """Whether walking along the order finds a page sooner than sorting all that match."""
    if _is_dated(which):
        return True
    counts = tally(connection, replace(which, status=None))
    return any(
        count > COUNT_CAP or more
        for status, (count, more) in counts.items()
        if which.status in (None, status)
    )


def tally(connection: Connection, which: JobFilter) -> dict[str, tuple[int, bool]]:
    """Count the jobs of each status, and say whether there may be more: few rows are looked at.

    They are the newest ones of what an index knows: of a person, of some days, of a handler; else
    of each status.
    """
    some, limit = _newest(which)
    found = connection.execute(union_all(*(_tallied(each, limit, which) for each in some))).all()
    if len(some) > 1:
        more = {row.status: row.looked_at >= limit for row in found}
    else:
        more = dict.fromkeys(JobStatus, sum(row.looked_at for row in found) >= limit)
    matching = {row.status: row.matching for row in found}
    return {str(status): (matching.get(status, 0), more.get(status, False)) for status in JobStatus}


def _newest(which: JobFilter) -> tuple[list[Select[*tuple[Any, ...]]], int]:
    """Jobs to look at, as statements along one index each, and how many by each of them."""
    job = models.Job
    some = select(job.id, job.name, job.handler, job.status, job.started_by, job.created_at)
    some = some.where(job.preparing_until.is_(None))
    if which.started_by is not None:
        return [some.where(job.started_by == which.started_by).order_by(job.id.desc())], LOOKED_AT
    if _is_dated(which):
        dated = JobFilter(created_from=which.created_from, created_to=which.created_to)
        return [some.where(*dated.conditions()).order_by(job.created_at.desc())], LOOKED_AT
    if which.handler is not None:
        return [some.where(job.handler == which.handler).order_by(job.id.desc())], LOOKED_AT
    # Without any other condition more than the cap need not be looked at.
    limit = LOOKED_AT if which.hidden or which.search else COUNT_CAP + 1
    return [some.where(job.status == each).order_by(job.id.desc()) for each in JobStatus], limit


def _tallied(
    some: Select[*tuple[Any, ...]], limit: int, which: JobFilter
) -> Select[*tuple[Any, ...]]:
    looked_at = some.limit(limit).subquery("looked_at")
    job = aliased(models.Job, looked_at)
    matches = case((and_(true(), *which.conditions(job)), 1), else_=0)
    return select(
        job.status, func.count().label("looked_at"), func.sum(matches).label("matching")
    ).group_by(job.status)


def _is_dated(which: JobFilter) -> bool:
    return which.created_from is not None or which.created_to is not None
