"""What people and programs look at. Lists read light columns only; nothing is counted in full."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, literal, select, text, true
from sqlalchemy.orm import aliased
from sqlalchemy.sql import ColumnElement

from app.jobs import models
from app.jobs.errors import JobNotFound, TaskNotFound
from app.jobs.states import JOB_ACTIVE, AttemptStatus, TaskStatus
from app.jobs.values import decode, mask_secrets
from app.jobs.views import Attempt, JobDetail, JobRow, LogLine, Person, TaskDetail, TaskRow
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


_TASK = (
    models.Task.id,
    models.Task.idx.label("index"),
    models.Task.status,
    models.Task.attempt,
    models.Task.crashes,
    models.Task.version,
    models.Task.started_at,
    models.Task.finished_at,
    models.Task.error,
    models.Task.state,
    models.Task.result,
)


def _task_values(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    values = dict(row._mapping)
    values["state"] = decode(values["state"])
    values["result"] = decode(values["result"])
    return values


def tasks(  # noqa: PLR0913 - each names one way to look at the same list
    connection: Connection,
    job_id: int,
    *,
    limit: int,
    status: str | None = None,
    but_status: str | None = None,
    first: int = 0,
    before: int | None = None,
    newer_than: int = -1,
) -> list[TaskRow]:
    """Return tasks of a job by index: from `first` on, or the last ones below `before`.

    `newer_than`: only those that changed after that version of the job.
    """
    wanted = select(*_TASK).where(models.Task.job_id == job_id, models.Task.idx >= first)
    if status:
        wanted = wanted.where(models.Task.status == text(f"'{TaskStatus(status)}'"))
    if but_status:
        wanted = wanted.where(models.Task.status != but_status)
    if newer_than >= 0:
        wanted = wanted.where(models.Task.version > newer_than)
    if before is not None:
        wanted = wanted.where(models.Task.idx < before).order_by(models.Task.idx.desc())
    else:
        wanted = wanted.order_by(models.Task.idx)
    rows = [TaskRow(**_task_values(row)) for row in connection.execute(wanted.limit(limit))]
    return rows[::-1] if before is not None else rows


def tasks_failed_first(
    connection: Connection,
    job_id: int,
    *,
    limit: int,
    after: tuple[bool, int] | None = None,
    before: tuple[bool, int] | None = None,
) -> list[TaskRow]:
    """Return tasks of a job, failed ones first, then the others, each by index.

    `after` and `before` are places in that order: (whether it is a failed one, its index).
    """
    failed: list[TaskRow] = []
    others: list[TaskRow] = []
    if before is not None:
        if not before[0]:
            others = tasks(connection, job_id, limit=limit, but_status="FAILED", before=before[1])
        if left := limit - len(others):
            end = before[1] if before[0] else NO_INDEX
            failed = tasks(connection, job_id, limit=left, status="FAILED", before=end)
        return failed + others
    if after is None or after[0]:
        first = after[1] + 1 if after else 0
        failed = tasks(connection, job_id, limit=limit, status="FAILED", first=first)
    if left := limit - len(failed):
        first = after[1] + 1 if after and not after[0] else 0
        others = tasks(connection, job_id, limit=left, but_status="FAILED", first=first)
    return failed + others


#: More than any task's index.
NO_INDEX = 2**31 - 1


TASK_FIELDS = {column.name: column for column in _TASK} | {"attempts": models.Task.attempt}


def task_fields(
    connection: Connection, job_id: int, names: Sequence[str], *, limit: int, offset: int
) -> list[dict[str, Any]]:
    """Return these fields of tasks from index `offset` on; no other column is read."""
    columns = [TASK_FIELDS[name].label(name) for name in names if name in TASK_FIELDS]
    wanted = (
        select(*columns)
        .where(models.Task.job_id == job_id, models.Task.idx >= offset)
        .order_by(models.Task.idx)
        .limit(limit)
    )
    found = [dict(row._mapping) for row in connection.execute(wanted)] if columns else []
    for each in found:
        for name in ("state", "result"):
            if name in each:
                each[name] = decode(each[name])
    return found


def tasks_by_offset(
    connection: Connection, job_id: int, *, status: str, offset: int, limit: int
) -> list[TaskRow]:
    """Return tasks of one status from the `offset`th on; for programs that ask so."""
    wanted = (
        select(*_TASK)
        .where(models.Task.job_id == job_id)
        .where(models.Task.status == text(f"'{TaskStatus(status)}'"))
        .order_by(models.Task.idx)
        .offset(offset)
        .limit(limit)
    )
    return [TaskRow(**_task_values(row)) for row in connection.execute(wanted)]


def task(connection: Connection, job_id: int, index: int) -> TaskDetail:
    """Return one task with its attempts and the end of its log; raise TaskNotFound."""
    wanted = select(*_TASK, models.Task.worker_id).where(
        models.Task.job_id == job_id, models.Task.idx == index
    )
    row = connection.execute(wanted).first()
    if row is None:
        raise TaskNotFound(job_id, index)
    values = _task_values(row)
    worker_id = values.pop("worker_id")
    attempts = _attempts(connection, values["id"])
    if values["attempt"] and all(each.number != values["attempt"] for each in attempts):
        attempts.insert(0, _current(connection, values, worker_id))
    lines = log(connection, job_id, task_id=values["id"], limit=200)
    return TaskDetail(**values, attempts=attempts, log=lines)


def _attempts(connection: Connection, task_id: int) -> list[Attempt]:
    wanted = (
        select(
            models.Attempt.number,
            models.Attempt.status,
            (models.Worker.host + ":" + models.Worker.pid.cast(models.Worker.host.type)).label(
                "worker"
            ),
            models.Attempt.started_at,
            models.Attempt.finished_at,
            models.Attempt.error,
            models.Attempt.traceback,
        )
        .outerjoin(models.Worker, models.Worker.id == models.Attempt.worker_id)
        .where(models.Attempt.task_id == task_id)
        .order_by(models.Attempt.number.desc())
        .limit(100)
    )
    return [Attempt(**row._mapping) for row in connection.execute(wanted)]


def _current(connection: Connection, values: dict[str, Any], worker_id: int | None) -> Attempt:
    """The attempt that the task's own row tells of: it runs, or it ended well."""
    ended_well = values["status"] not in (TaskStatus.IN_PROGRESS, TaskStatus.SCHEDULED)
    return Attempt(
        number=values["attempt"],
        status=AttemptStatus.DONE if ended_well else AttemptStatus.IN_PROGRESS,
        worker=worker_name(connection, worker_id),
        started_at=values["started_at"],
        finished_at=values["finished_at"],
        error=values["error"],
        traceback=None,
    )


def worker_name(connection: Connection, worker_id: int | None) -> str | None:
    """Return host:pid of a worker."""
    found = select(models.Worker.host, models.Worker.pid).where(models.Worker.id == worker_id)
    row = connection.execute(found).first()
    return f"{row.host}:{row.pid}" if row else None


def log(
    connection: Connection, job_id: int, *, limit: int, task_id: int | None = None
) -> list[LogLine]:
    """Return the last lines that were said in a job, or in one task of it, oldest first."""
    of_task = models.LogLine.task_id == task_id if task_id is not None else true()
    wanted = (
        select(
            models.LogLine.id,
            models.Task.idx.label("task_index"),
            models.LogLine.attempt,
            models.LogLine.at,
            models.LogLine.level,
            models.LogLine.message,
        )
        .join(models.Task, models.Task.id == models.LogLine.task_id)
        .where(and_(models.LogLine.job_id == job_id, of_task))
        .order_by(models.LogLine.id.desc())
        .limit(limit)
    )
    return [LogLine(**row._mapping) for row in connection.execute(wanted)][::-1]


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
