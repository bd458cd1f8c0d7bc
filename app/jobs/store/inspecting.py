"""One job's tasks: pages of them, one with its attempts, and what they said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, select, text, true

from app.jobs import models
from app.jobs.errors import TaskNotFound
from app.jobs.states import AttemptStatus, TaskStatus
from app.jobs.values import decode
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
