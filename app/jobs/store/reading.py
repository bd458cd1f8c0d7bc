"""Jobs as people and programs look at them. Lists read light columns; nothing is counted whole."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.orm import aliased

from app import keyset
from app.db import iso, now
from app.jobs import models
from app.jobs.errors import JobNotFound
from app.jobs.states import JOB_ACTIVE
from app.jobs.store.listing import COUNT_CAP, JobFilter, has_many, order_of
from app.jobs.store.steering import PARALLEL_LIMIT
from app.jobs.values import SECRET, decode, mask_secrets, mask_values, readable, secrets_in
from app.jobs.views import JobDetail, JobRow, Person
from app.keyset import Window
from app.sql import Expression, rows, statement
from app.users.models import User
from app.wordings import NOW_ON_MARIADB, NOW_ON_POSTGRESQL

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
    models.Job.waiting,
    models.Job.version,
    models.Job.created_at,
    models.Job.started_at,
    models.Job.finished_at,
    models.Job.cancel_requested_at,
    models.Job.end_index,
    models.Job.finish_step.is_not(None).label("finishing"),
    models.Job.priority,
    models.Job.due_at,
    models.Job.waiting_until.is_not(None).label("is_waiting"),
    _starter.id.label("starter_id"),
    _starter.email.label("starter_email"),
    _canceller.id.label("canceller_id"),
    _canceller.email.label("canceller_email"),
)
_HEAVY: tuple[Any, ...] = (
    models.Job.params,
    models.Job.input,
    models.Job.state,
    models.Job.error,
    models.Job.retries,
    models.Job.timeout,
    models.Job.rescheduled_from_job,
    models.Job.started_by_job,
    literal_column(PARALLEL_LIMIT).label("parallel_limit"),
    models.Job.parallel_limit.is_not(None).label("has_own_limit"),
)


def _jobs(*more: Any) -> Select[*tuple[Any, ...]]:
    return (
        select(*_LIGHT, *more)
        .outerjoin(_starter, _starter.id == models.Job.started_by)
        .outerjoin(_canceller, _canceller.id == models.Job.cancel_requested_by)
        .where(models.Job.preparing_until.is_(None))
    )


def _details() -> Select[*tuple[Any, ...]]:
    handler = models.Handler
    return _jobs(*_HEAVY).outerjoin(handler, handler.name == models.Job.handler)


def _light(row: Row[*tuple[Any, ...]], served: Collection[str]) -> dict[str, Any]:
    values = dict(row._mapping)
    starter = values.pop("starter_id"), values.pop("starter_email")
    canceller = values.pop("canceller_id"), values.pop("canceller_email")
    values["started_by"] = None if starter[0] is None else Person(*starter)
    values["cancel_requested_by"] = None if canceller[0] is None else Person(*canceller)
    values["no_worker"] = values["status"] in JOB_ACTIVE and values["handler"] not in served
    return values


# Made once: it is asked for so often that making it took longer than the database does.
_JOB = _details().where(models.Job.id == bindparam("job_id"))


def job(connection: Connection, job_id: int) -> JobDetail:
    """Return a job; raise JobNotFound."""
    row = connection.execute(_JOB, {"job_id": job_id}).first()
    if row is None:
        raise JobNotFound(job_id)
    return _detail(row, served_handlers(connection))


def stored_params(connection: Connection, job_id: int) -> tuple[str, str, str]:
    """Return a job's handler, its params and what was entered, as they are stored: with secrets."""
    wanted = select(models.Job.handler, models.Job.params, models.Job.input)
    row = connection.execute(wanted.where(models.Job.id == job_id)).first()
    if row is None:
        raise JobNotFound(job_id)
    return row.handler, row.params, row.input


def details(connection: Connection, job_ids: Collection[int]) -> dict[int, JobDetail]:
    """Return these jobs with all that is known of them, by id, as far as they exist."""
    served = served_handlers(connection)
    rows = connection.execute(_details().where(models.Job.id.in_(job_ids)))
    return {row.id: _detail(row, served) for row in rows}


def _detail(row: Row[*tuple[Any, ...]], served: Collection[str]) -> JobDetail:
    values = _light(row, served)
    params = decode(values["params"])
    secrets = secrets_in(params)
    values["params"] = readable(params)
    values["input"] = mask_secrets(decode(values["input"]))
    values["state"] = mask_values(decode(values["state"]), secrets)
    return JobDetail(**values)


def jobs(
    connection: Connection, which: JobFilter, window: Window, sort: str = "-created"
) -> list[JobRow]:
    """Return a window of the jobs, newest first unless `sort` says otherwise."""
    order, served = order_of(which, sort), served_handlers(connection)
    walking = not order.is_by_id and has_many(connection, which)
    wanted = _jobs().where(*which.conditions(walking=walking))
    found = keyset.read(connection, wanted, order, window)
    return [JobRow(**_light(row, served)) for row in found]


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
            .subquery("some")
        )
        counts[status] = connection.execute(select(func.count()).select_from(some)).scalar_one()
    return counts


#: As the index of the active jobs has it; MariaDB's begins with their person and their status.
ACTIVE = Expression(models.ACTIVE, mariadb="status IN ('QUEUED', 'IN_PROGRESS')")


def count_active(connection: Connection, started_by: int, hidden: frozenset[str]) -> int:
    """Count the jobs of a person that have not ended, up to COUNT_CAP + 1.

    The condition is written out: with bound values no database sees that its index of the active
    jobs holds them all, and a person's jobs may be a million.
    """
    which = JobFilter(started_by=started_by, hidden=hidden)
    some = (
        select(literal(1))
        .select_from(models.Job)
        .where(ACTIVE, *which.conditions(), models.Job.preparing_until.is_(None))
        .limit(COUNT_CAP + 1)
        .subquery("some")
    )
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


SECRETS = statement(f"""
    SELECT params FROM job WHERE id = :job_id AND params LIKE '%"{SECRET}"%'
""")


def secrets_of(connection: Connection, job_id: int) -> tuple[str, ...]:
    """Return a job's secret params, to be hidden in whatever is shown of its tasks (X5)."""
    params = connection.execute(SECRETS, {"job_id": job_id}).scalar()
    return () if params is None else secrets_in(decode(params))


_SERVED = "SELECT handlers FROM worker WHERE alive AND expires_at >= "
SERVED = (
    statement(f"{_SERVED} :now")
    .on_postgresql(f"{_SERVED} {NOW_ON_POSTGRESQL}")
    .on_mariadb(f"{_SERVED} {NOW_ON_MARIADB}")
)


def served_handlers(connection: Connection) -> frozenset[str]:
    """Return the names of the handlers that some living worker has.

    Where only workers died, nobody has buried them yet; their lease tells.
    """
    found = connection.execute(SERVED, {"now": iso(now())}).scalars()
    return frozenset(name for names in found for name in json.loads(names))


FACTS = statement(
    """
    SELECT id, name, handler, started_by, params, retries, timeout FROM job
    WHERE id IN (SELECT value FROM json_each(:ids))
""",
    columns="id, name, handler, started_by, params, retries, timeout",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What of a job does not change while it runs; params are JSON.

    `retries` and `timeout` are its own; None: its handler's.
    """

    id: int
    name: str
    handler: str
    started_by: int | None
    params: str
    retries: int | None = None
    timeout: float | None = None


def facts(connection: Connection, job_ids: Collection[int]) -> list[Facts]:
    """Return what of these jobs does not change."""
    found = rows(connection, FACTS, {"ids": json.dumps(list(job_ids))})
    return [Facts(*row) for row in found]


VERSIONS = statement("""
    SELECT id, version FROM (
        SELECT id, version FROM job
        WHERE status IN ('QUEUED', 'IN_PROGRESS') AND preparing_until IS NULL
        ORDER BY id DESC LIMIT 1000
    ) AS unfinished
    UNION
    SELECT id, version FROM (
        SELECT id, version FROM job WHERE preparing_until IS NULL ORDER BY id DESC LIMIT 100
    ) AS newest
    UNION
    SELECT id, version FROM job
    WHERE id IN (SELECT value FROM json_each(:also)) AND preparing_until IS NULL
""")


def active_versions(connection: Connection, also: Collection[int] = ()) -> dict[int, int]:
    """Return the versions of unfinished jobs and of the newest: others' changes show here.

    The newest, for a job may come and end between two looks. `also` these, however old they are.
    """
    values = {"also": json.dumps(sorted(also))}
    return {row.id: row.version for row in connection.execute(VERSIONS, values)}
