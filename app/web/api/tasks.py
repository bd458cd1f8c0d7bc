"""The tasks of a job, by pages, and what they have logged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from app.db import iso
from app.extensions import the_engine
from app.jobs import TaskRow, TaskStatus
from app.web.access import may
from app.web.api.answers import task_row
from app.web.api.asking import status_arg, whole_arg
from app.web.api.blueprint import MOST, bp
from app.web.pages import job_for
from app.web.session import here


@bp.get("/v1/jobs/<int:job_id>/tasks")
@may("view")
def tasks(job_id: int) -> ResponseReturnValue:
    """Tasks of a job by index; `next` is what `after` must be for the following page."""
    job = job_for(the_engine(), here(), job_id)
    status = status_arg(TaskStatus)
    limit = whole_arg("limit", 50, most=MOST, least=1)
    rows = _rows(job_id, status, limit + 1)
    fields = [name for name in request.args.get("fields", "").split(",") if name]
    return {
        "tasks": [_only(task_row(row), fields) for row in rows[:limit]],
        "total": job.counts[status.lower()] if status else job.total,
        "next": rows[limit - 1].index if len(rows) > limit else None,
    }


@bp.get("/v1/jobs/<int:job_id>/log")
@may("view")
def log(job_id: int) -> ResponseReturnValue:
    """The last lines of a job's log, oldest first."""
    job_for(the_engine(), here(), job_id)
    lines = the_engine().log(job_id, whole_arg("limit", 100, most=MOST, least=1))
    return {"lines": [{**asdict(each), "at": iso(each.at)} for each in lines]}


def _rows(job_id: int, status: str | None, limit: int) -> Sequence[TaskRow]:
    after, offset = whole_arg("after", None), whole_arg("offset", 0)
    if after is not None:
        return the_engine().tasks(job_id, status=status, first=after + 1, limit=limit)
    return the_engine().tasks_by_offset(job_id, status=status, offset=offset, limit=limit)


def _only(row: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not fields or name in fields}
