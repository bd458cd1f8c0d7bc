"""Jobs as people and programs look at them. Lists read light columns; nothing is counted whole."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, literal, select, text
from sqlalchemy.orm import aliased
from sqlalchemy.sql import ColumnElement

from app.jobs import models
from app.jobs.errors import JobNotFound
from app.jobs.states import JOB_ACTIVE
from app.jobs.values import decode, mask_secrets
from app.jobs.views import JobDetail, JobRow, Person
from app.users.models import User

#: A count stops here: nobody compares 1,000 with 1,001, and counting millions is slow.
COUNT_CAP = 1_000


_starter, _canceller = aliased(User), aliased(User)
_LIGHT = (
    models.Job.id,
    models.Job.name,
    models.Job.handler,
    models.Job.status,
    models.Job.progress,
    models.Job.total,
    models.Job.scheduled,
    models.Job.in_progress,
    models.Job.done,
    models.Job.failed,
    models.Job.cancelled,
    models.Job.skipped,
    models.Job.version,
    models.Job.created_at,
    models.Job.started_at,
    models.Job.finished_at,
    models.Job.cancel_requested_at,
    _starter.id.label("starter_id"),
    _starter.email.label("starter_email"),
    _canceller.id.label("canceller_id"),
    _canceller.email.label("canceller_email"),
)
_HEAVY = (models.Job.params, models.Job.state, models.Job.error)


def _jobs(*more: Any) -> Select[*tuple[Any, ...]]:
    return (
        select(*_LIGHT, *more)
        .outerjoin(_starter, _starter.id == models.Job.started_by)
        .outerjoin(_canceller, _canceller.id == models.Job.cancel_requested_by)
        .where(models.Job.preparing_until.is_(None))
    )


def _light(row: Row[*tuple[Any, ...]], served: Collection[str]) -> dict[str, Any]:
    values = dict(row._mapping)
    starter = values.pop("starter_id"), values.pop("starter_email")
    canceller = values.pop("canceller_id"), values.pop("canceller_email")
    values["started_by"] = None if starter[0] is None else Person(*starter)
    values["cancel_requested_by"] = None if canceller[0] is None else Person(*canceller)
    values["no_worker"] = values["status"] in JOB_ACTIVE and values["handler"] not in served
    return values


def job(connection: Connection, job_id: int) -> JobDetail:
    """Return a job; raise JobNotFound."""
    row = connection.execute(_jobs(*_HEAVY).where(models.Job.id == job_id)).first()
    if row is None:
        raise JobNotFound(job_id)
    values = _light(row, served_handlers(connection))
    values["params"] = mask_secrets(decode(values["params"]))
    values["state"] = decode(values["state"])
    return JobDetail(**values)


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which jobs a list shows; None is any. `hidden`: handlers whose jobs the asker may not see."""

    status: str | None = None
    handler: str | None = None
    search: str = ""
    hidden: frozenset[str] = frozenset()

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as SQL conditions."""
        found: list[ColumnElement[bool]] = []
        if self.status:
            found.append(models.Job.status == self.status)
        if self.handler:
            found.append(models.Job.handler == self.handler)
        if self.hidden:
            found.append(models.Job.handler.not_in(self.hidden))
        if self.search:
            found.append(_matches(self.search))
        return found


def _matches(search: str) -> ColumnElement[bool]:
    if search.lstrip("#").isdecimal() and len(search) < 19:
        by_id = models.Job.id == int(search.lstrip("#"))
        return by_id | models.Job.name.icontains(search, autoescape=True)
    return models.Job.name.icontains(search, autoescape=True) | models.Job.handler.icontains(
        search, autoescape=True
    )


def jobs(
    connection: Connection,
    which: JobFilter,
    *,
    limit: int,
    after: int | None = None,
    before: int | None = None,
) -> list[JobRow]:
    """Return jobs, newest first: those older than id `after`, or the next newer than `before`."""
    wanted = _jobs().where(*which.conditions())
    if before is not None:
        wanted = wanted.where(models.Job.id > before).order_by(models.Job.id)
    else:
        wanted = wanted.order_by(models.Job.id.desc())
        if after is not None:
            wanted = wanted.where(models.Job.id < after)
    served = served_handlers(connection)
    rows = [JobRow(**_light(row, served)) for row in connection.execute(wanted.limit(limit))]
    return rows[::-1] if before is not None else rows


def jobs_of(connection: Connection, job_ids: Collection[int]) -> list[JobRow]:
    """Return these jobs, as far as they exist, by id."""
    wanted = _jobs().where(models.Job.id.in_(job_ids)).order_by(models.Job.id)
    served = served_handlers(connection)
    return [JobRow(**_light(row, served)) for row in connection.execute(wanted)]


def count_jobs(connection: Connection, which: JobFilter, statuses: Iterable[str]) -> dict[str, int]:
    """Count the jobs of each status, each up to COUNT_CAP + 1."""
    counts = {}
    for status in statuses:
        some = (
            select(literal(1))
            .select_from(models.Job)
            .where(
                *which.conditions(),
                models.Job.status == status,
                models.Job.preparing_until.is_(None),
            )
            .limit(COUNT_CAP + 1)
            .subquery()
        )
        counts[status] = connection.execute(select(func.count()).select_from(some)).scalar_one()
    return counts


SERVED = text("SELECT handlers FROM worker WHERE alive")


def served_handlers(connection: Connection) -> frozenset[str]:
    """Return the names of the handlers that some living worker has."""
    return frozenset(name for row in connection.execute(SERVED) for name in json.loads(row[0]))


_FACTS = select(
    models.Job.id, models.Job.name, models.Job.handler, models.Job.started_by, models.Job.params
)


def facts(connection: Connection, job_ids: Collection[int]) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return what of these jobs does not change: id, name, handler, started_by, params (JSON)."""
    return connection.execute(_FACTS.where(models.Job.id.in_(job_ids))).all()


VERSIONS = text("""
    SELECT id, version FROM (
        SELECT id, version FROM job
        WHERE status IN ('QUEUED', 'IN_PROGRESS') AND preparing_until IS NULL
        ORDER BY id DESC LIMIT 1000
    ) AS unfinished
    UNION
    SELECT id, version FROM (
        SELECT id, version FROM job WHERE preparing_until IS NULL ORDER BY id DESC LIMIT 100
    ) AS newest
""")


def active_versions(connection: Connection) -> dict[int, int]:
    """Return the versions of unfinished jobs and of the newest: others' changes show here.

    The newest, for a job may come and end between two looks.
    """
    return {row.id: row.version for row in connection.execute(VERSIONS)}
