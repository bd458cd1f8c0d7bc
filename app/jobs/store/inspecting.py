"""One job's tasks: pages of them, one with its attempts, and what they said."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Row,
    Select,
    and_,
    desc,
    select,
    text,
    true,
    union_all,
)

from app.jobs import models
from app.jobs.errors import TaskNotFound
from app.jobs.states import AttemptStatus, TaskStatus
from app.jobs.store.reading import secrets_of
from app.jobs.values import decode, mask_values
from app.jobs.views import Attempt, LogLine, TaskDetail, TaskRow

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
    models.Task.run_after,
    models.Task.retries,
)


Secrets = Sequence[str]
_Tasks = Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]]


def _task_values(row: Row[*tuple[Any, ...]], secrets: Secrets) -> dict[str, Any]:
    values = dict(row._mapping)
    for name in _JSON & values.keys():
        values[name] = mask_values(decode(values[name]), secrets)
    return values


_JSON = {"state", "result"}

#: More than any task's index.
NO_INDEX = 2**31 - 1


def _visible(job_id: int) -> ColumnElement[bool]:
    """The tasks of a job, without those that are still being added."""
    end = select(models.Job.end_index).where(models.Job.id == job_id).scalar_subquery()
    return and_(models.Task.job_id == job_id, models.Task.idx < end)


def _rows(connection: Connection, job_id: int, wanted: _Tasks) -> list[TaskRow]:
    secrets = secrets_of(connection, job_id)
    return [TaskRow(**_task_values(row, secrets)) for row in connection.execute(wanted)]


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
    unseen_from: int = NO_INDEX,
) -> list[TaskRow]:
    """Return tasks of a job by index: from `first` on, or the last ones below `before`.

    `newer_than`: only those that changed after that version of the job, or joined it since: then
    `unseen_from` is the `end_index` that it had.
    """
    wanted = select(*_TASK).where(_visible(job_id), models.Task.idx >= first)
    if but_status:
        wanted = wanted.where(models.Task.status != but_status)
    if newer_than >= 0:
        changed = models.Task.version > newer_than
        wanted = wanted.where(changed | (models.Task.idx >= unseen_from))
    if before is not None:
        wanted = wanted.where(models.Task.idx < before)
        last = _in_order(wanted, status).order_by(desc("index"))
        return _rows(connection, job_id, last.limit(limit))[::-1]
    return _rows(connection, job_id, _in_order(wanted, status).order_by("index").limit(limit))


def _in_order(wanted: Select[*tuple[Any, ...]], status: str | None) -> _Tasks:
    """The tasks of a status, or all, as they are found by its index; to be ordered by theirs."""
    if status is None:
        return wanted
    # Written out: with bound values no database sees which index holds them.
    if status == TaskStatus.SCHEDULED:
        ready = wanted.where(text("status = 'SCHEDULED' AND run_after IS NULL"))
        return union_all(ready, wanted.where(models.Task.run_after.is_not(None)))
    return wanted.where(models.Task.status == text(f"'{TaskStatus(status)}'"))


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


TASK_FIELDS = {column.name: column for column in _TASK} | {"attempts": models.Task.attempt}


def task_fields(
    connection: Connection, job_id: int, names: Sequence[str], *, limit: int, offset: int
) -> list[dict[str, Any]]:
    """Return these fields of tasks from the `offset`th on; no other column is read."""
    columns = [TASK_FIELDS[name].label(name) for name in names if name in TASK_FIELDS]
    if not columns:
        return []
    wanted = select(*columns).where(_visible(job_id)).order_by(models.Task.idx).limit(limit)
    secrets = secrets_of(connection, job_id)
    wanted = _from_the(connection, job_id, offset, wanted)
    return [_task_values(row, secrets) for row in connection.execute(wanted)]


def tasks_by_offset(
    connection: Connection, job_id: int, *, offset: int, limit: int, status: str | None = None
) -> list[TaskRow]:
    """Return tasks, of one status or all, from the `offset`th on; for programs that ask so."""
    wanted = select(*_TASK).where(_visible(job_id))
    if status:
        some = _in_order(wanted, status).order_by("index").limit(limit).offset(offset)
    else:
        some = _from_the(connection, job_id, offset, wanted.order_by(models.Task.idx).limit(limit))
    return _rows(connection, job_id, some)


HAS_GAPS = text("SELECT 1 FROM job WHERE id = :job_id AND total <> end_index")


def _from_the(
    connection: Connection, job_id: int, offset: int, wanted: Select[*tuple[Any, ...]]
) -> Select[*tuple[Any, ...]]:
    """Skip so many tasks. Where none was deleted an offset is an index, and nothing is counted."""
    if connection.execute(HAS_GAPS, {"job_id": job_id}).first():
        return wanted.offset(offset)
    return wanted.where(models.Task.idx >= offset)


def task(connection: Connection, job_id: int, index: int) -> TaskDetail:
    """Return one task with its attempts and the end of its log; raise TaskNotFound."""
    wanted = select(*_TASK, models.Task.worker_id).where(_visible(job_id), models.Task.idx == index)
    row = connection.execute(wanted).first()
    if row is None:
        raise TaskNotFound(job_id, index)
    values = _task_values(row, secrets_of(connection, job_id))
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


@dataclass(frozen=True, slots=True)
class Fate:
    """Whose a task is, and what has become of it by now."""

    id: int
    handler: str
    index: int
    status: str
    attempt: int


def fates(connection: Connection, task_ids: Collection[int]) -> list[Fate]:
    """Return of these tasks what has become of them."""
    task = models.Task
    wanted = select(task.id, models.Job.handler, task.idx, task.status, task.attempt)
    wanted = wanted.join(models.Job, models.Job.id == task.job_id)
    return [Fate(*row) for row in connection.execute(wanted.where(task.id.in_(task_ids)))]
