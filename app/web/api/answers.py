"""How the API tells of jobs and tasks; the command line tells the same."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.db import iso
from app.jobs import JobDetail, JobRow, TaskRow


def job_row(row: JobRow) -> dict[str, Any]:
    """A job as the API tells it in a list."""
    return {
        "id": row.id,
        "name": row.name,
        "handler": row.handler,
        "status": row.status,
        "progress": row.progress,
        "counts": row.counts,
        "created_at": _time(row.created_at),
        "started_at": _time(row.started_at),
        "finished_at": _time(row.finished_at),
        "started_by": _person(row.started_by),
        "cancel_requested_at": _time(row.cancel_requested_at),
        "cancel_requested_by": _person(row.cancel_requested_by),
    }


def job_detail(job: JobDetail) -> dict[str, Any]:
    """A job as the API tells it alone."""
    return job_row(job) | {"state": job.state, "params": job.params, "error": job.error}


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


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


def _person(person: Any) -> dict[str, Any] | None:
    return None if person is None else {"id": person.id, "email": person.email}
