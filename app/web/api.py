"""The API for programs: JSON in, JSON out, the same rights as the pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint, Request, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from app.db import iso
from app.extensions import the_engine
from app.jobs import JobDetail, JobFilter, JobRow, JobStatus, TaskRow, TaskStatus
from app.jobs.errors import InvalidParams
from app.jobs.registry import sentences
from app.web.access import may
from app.web.pages import hidden_handlers, job_for, startable, text_of, whole
from app.web.session import here

bp = Blueprint("api", __name__, url_prefix="/api")

MOST = 1_000


class NewTask(BaseModel):
    """A task to be: its state, and whether it shall not run."""

    model_config = ConfigDict(extra="forbid", strict=True)
    state: dict[str, Any] = Field(default_factory=dict)
    skip: bool = False


class NewJob(BaseModel):
    """A job to be. With `tasks` the handler's own generator is not called."""

    model_config = ConfigDict(extra="forbid", strict=True)
    handler: StrictStr
    name: StrictStr | None = Field(None, max_length=500)
    params: dict[str, Any] = Field(default_factory=dict)
    tasks: list[NewTask] | None = None


@bp.post("/create-job/")
@bp.post("/v1/jobs")
@may("start")
def create() -> ResponseReturnValue:
    """Start a job (A16)."""
    asked = _body(request)
    engine = the_engine()
    handler = startable(engine, here(), asked.handler)
    job_id = engine.start(
        handler.name,
        asked.params,
        name=asked.name,
        started_by=here(),
        tasks=None if asked.tasks is None else [task.model_dump() for task in asked.tasks],
    )
    return {"ok": True, "id": job_id, "jobId": job_id}, 201


@bp.get("/v1/jobs")
@may("view")
def index() -> ResponseReturnValue:
    """Jobs, newest first; `next` is what `after` must be for the following page."""
    which = JobFilter(
        status=_one_of(JobStatus, "status"),
        handler=text_of(request.args, "handler") or None,
        hidden=hidden_handlers(the_engine(), here()),
    )
    limit = _whole("limit", 50, most=MOST, least=1)
    rows = the_engine().jobs(which, limit=limit + 1, after=_whole("after", None))
    following = rows[limit - 1].id if len(rows) > limit else None
    return {"jobs": [job_row(row) for row in rows[:limit]], "next": following}


@bp.get("/v1/jobs/<int:job_id>")
@may("view")
def show(job_id: int) -> ResponseReturnValue:
    """One job, with its state and params."""
    return jsonify(job_detail(_job(job_id)))


@bp.get("/v1/jobs/<int:job_id>/tasks")
@may("view")
def tasks(job_id: int) -> ResponseReturnValue:
    """Tasks of a job by index; `next` is what `after` must be for the following page."""
    job = _job(job_id)
    status = _one_of(TaskStatus, "status")
    limit = _whole("limit", 50, most=MOST, least=1)
    rows = _tasks(job_id, status, limit + 1)
    fields = [name for name in request.args.get("fields", "").split(",") if name]
    total = job.counts[status.lower()] if status else job.total
    return {
        "tasks": [_only(task_row(row), fields) for row in rows[:limit]],
        "total": total,
        "next": rows[limit - 1].index if len(rows) > limit else None,
    }


def _tasks(job_id: int, status: str | None, limit: int) -> Sequence[TaskRow]:
    after, offset = _whole("after", None), _whole("offset", 0)
    if after is not None:
        return the_engine().tasks(job_id, status=status, first=after + 1, limit=limit)
    if status and offset:
        return the_engine().tasks_by_offset(job_id, status=status, offset=offset, limit=limit)
    # Indexes have no gaps: without a filter, an offset is an index.
    return the_engine().tasks(job_id, status=status, first=offset, limit=limit)


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
        "started_at": _time(row.started_at),
        "finished_at": _time(row.finished_at),
    }


def _job(job_id: int) -> JobDetail:
    return job_for(the_engine(), here(), job_id)


def _body(asked: Request) -> NewJob:
    if not asked.is_json:
        raise UnsupportedMediaType
    try:
        given = asked.get_json()
    except RecursionError:
        raise BadRequest from None
    if not isinstance(given, dict):
        raise BadRequest
    try:
        return NewJob.model_validate(given)
    except ValidationError as error:
        raise InvalidParams(sentences(error)) from None


def _whole(name: str, default: int | None, *, most: int = 2**62, least: int = 0) -> Any:
    if not request.args.get(name):
        return default
    number = whole(request.args[name])
    if number is None or not least <= number:
        raise InvalidParams({name: [f"Write a whole number from {least} up."]})
    return min(number, most)


def _one_of(statuses: type[JobStatus] | type[TaskStatus], name: str) -> str | None:
    value = request.args.get(name)
    if not value:
        return None
    if value not in set(statuses):
        raise InvalidParams({name: [f"Write one of {', '.join(statuses)}."]})
    return value


def _only(row: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not fields or name in fields}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


def _person(person: Any) -> dict[str, Any] | None:
    return None if person is None else {"id": person.id, "email": person.email}
