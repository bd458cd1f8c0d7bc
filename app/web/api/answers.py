"""How the API tells of jobs, tasks and handlers; the command line tells the same."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from app.db import iso
from app.extensions import the_engine
from app.jobs import HandlerRow, JobDetail, JobRow, Pause, PendingReason, TaskRow
from app.web.pages import hidden_handlers
from app.web.session import here

#: What of a job is told only where it is told alone.
OWN: Final = ("retries", "timeout", "parallel_limit", "rescheduled_from_job", "started_by_job")


def job_row(row: JobRow) -> dict[str, Any]:
    """A job as the API tells it in a list."""
    return {
        "id": row.id,
        "name": row.name,
        "handler": row.handler,
        "status": row.status,
        "progress": row.progress,
        "counts": row.counts,
        "priority": row.priority,
        "due_at": _time(row.due_at),
        "created_at": _time(row.created_at),
        "started_at": _time(row.started_at),
        "finished_at": _time(row.finished_at),
        "started_by": _person(row.started_by),
        "cancel_requested_at": _time(row.cancel_requested_at),
        "cancel_requested_by": _person(row.cancel_requested_by),
    }


def job_detail(job: JobDetail) -> dict[str, Any]:
    """A job as the API tells it alone. `retries` and `timeout` are its own, if it has some."""
    own = {name: getattr(job, name) for name in OWN}
    told = {name: getattr(job, name) for name in ("state", "params", "input", "error")}
    return job_row(job) | told | own


def job_answer(job: JobDetail) -> dict[str, Any]:
    """A job as the API tells it alone, and why it does not run, to the person who asks."""
    engine = the_engine()
    reason = engine.pending_reason(job.id, hidden_handlers(engine, here()))
    return job_detail(job) | {"waiting_for": waiting_for(reason)}


def waiting_for(reason: PendingReason | None) -> dict[str, Any] | None:
    """Why a job does not run, as the API tells it, null when it does."""
    if reason is None:
        return None
    return {
        "code": reason.code,
        "message": reason.message,
        "job_id": reason.job_id,
        "until": _time(reason.until),
    }


def task_row(row: TaskRow) -> dict[str, Any]:
    """A task as the API tells it."""
    return {
        "index": row.index,
        "status": row.status,
        "state": row.state,
        "result": row.result,
        "error": row.error,
        "attempts": row.attempt,
        "run_after": _time(row.run_after),
        "started_at": _time(row.started_at),
        "finished_at": _time(row.finished_at),
    }


def handler_row(row: HandlerRow, *, broken: bool) -> dict[str, Any]:
    """A handler as the API tells it; a limit that is null is none. Broken code cannot be loaded."""
    limits = {"parallel_limit": row.parallel_limit, "concurrency_limit": row.concurrency_limit}
    return {
        "name": row.name,
        **{name: limit.now for name, limit in limits.items()},
        "declared": {name: limit.declared for name, limit in limits.items()},
        "limits_set_at": _time(row.limits_set_at),
        "limits_set_by": _person(row.limits_set_by),
        "running": row.running,
        "queued": row.queued,
        "workers": row.workers,
        "broken": broken,
        "pause": pause_row(row.pause),
    }


def pause_row(pause: Pause | None) -> dict[str, Any] | None:
    """A pause as the API tells it, null when there is none."""
    if pause is None:
        return None
    return {
        "reason": pause.reason,
        "paused_at": _time(pause.paused_at),
        "paused_by": _person(pause.paused_by),
        "until": _time(pause.until),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


def _person(person: Any) -> dict[str, Any] | None:
    return None if person is None else {"id": person.id, "email": person.email}
