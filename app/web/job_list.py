"""The list of jobs as values: what its address asks for (P2), its rows, and what surrounds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from app.admin import Column, query
from app.admin.asked import Asked, asked_of
from app.admin.query import COUNT_CAP
from app.jobs import Engine, JobFilter, JobRow, Pause, PendingReason
from app.keyset import cut
from app.resources.jobs import JOBS
from app.timezones import begin_of, end_of
from app.users.permissions import HasRole, may
from app.web.listing import Listing, listing_of
from app.web.pages import hidden_handlers, pauses


@dataclass(frozen=True, kw_only=True)
class JobsPage:
    """One page of the list of jobs."""

    rows: Sequence[JobRow]
    listing: Listing
    status: str | None
    counts: Mapping[str, tuple[int, bool]]
    may_start: bool
    pauses: Sequence[Pause]
    #: Why those of them do not run of which nothing does.
    pending: Mapping[int, PendingReason]


def asks_for_days(address: Mapping[str, str]) -> bool:
    """Whether an address names days, so that its jobs are others in another zone."""
    return any(address.get(name) for name in ("created_from", "created_to"))


def jobs_page(
    engine: Engine, person: HasRole, address: Mapping[str, str], zone: ZoneInfo
) -> JobsPage:
    """One page of the jobs that an address asks for; its days are those of the zone."""
    hidden = hidden_handlers(engine, person)
    asked = _asked(engine, hidden, address, zone)
    which, window = _filter(asked, hidden), asked.window
    found = cut(
        engine.jobs(
            which,
            limit=window.size + 1,
            after=window.after,
            before=window.before,
            sort=asked.sort,
        ),
        window,
    )
    counts = engine.tally_jobs(_filter(asked, hidden, status=None))
    idle = [row.id for row in found.rows if not (row.is_final or row.in_progress)]
    return JobsPage(
        rows=found.rows,
        listing=listing_of(asked, found),
        status=which.status,
        counts={
            status: (min(count, COUNT_CAP), more or count > COUNT_CAP)
            for status, (count, more) in counts.items()
        },
        may_start=may(person, "start"),
        pauses=pauses(engine, person),
        pending=engine.pending_reasons(idle, hidden) if idle else {},
    )


def _asked(
    engine: Engine, hidden: frozenset[str], address: Mapping[str, str], zone: ZoneInfo
) -> Asked:
    with engine.database.reading() as connection:
        look = partial(_starter, connection, JobFilter(hidden=hidden))
        asked = asked_of(JOBS, address, look, zone)
    (handler,) = (field for field in asked.form.fields if field.name == "handler")
    names = {each.name for each in engine.registry} - hidden
    chosen = {asked.values["handler"]} if "handler" in asked.values else set()
    handler.widget = "select"
    handler.choices = [("", "Any"), *((name, name) for name in sorted(names | chosen))]
    return asked


def _starter(
    connection: Connection, seen: JobFilter, column: Column, text: str
) -> tuple[int, str] | None:
    """Who started a job that this person may see."""
    assert column.reference is not None
    used = query.used_by(JOBS, column, seen.conditions())
    found = query.option(connection, column.reference, text, [used])
    return None if found is None else (found.id, found.text)


def _filter(asked: Asked, hidden: frozenset[str], **changes: str | None) -> JobFilter:
    values = asked.values | changes
    begin, end = values.get("created_from"), values.get("created_to")
    return JobFilter(
        status=values.get("status"),
        handler=values.get("handler"),
        started_by=values.get("started_by"),
        created_from=begin and begin_of(begin, asked.zone),
        created_to=end and end_of(end, asked.zone),
        search=asked.search,
        hidden=hidden,
    )
