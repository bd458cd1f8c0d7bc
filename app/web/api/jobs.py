"""Jobs: start, look at, rename and delete them, and change what they keep in their state."""

from __future__ import annotations

from typing import Any, Final, cast

from flask import jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import Field, StrictStr

from app.admin.asked import text_of
from app.extensions import the_engine
from app.jobs import JobFilter, JobStatus
from app.jobs.amending import Changes
from app.jobs.options import StartOptions
from app.web.access import may
from app.web.api.answers import job_answer, job_row
from app.web.api.asking import Body, body, json_object, status_arg, whole_arg
from app.web.api.blueprint import MOST, bp
from app.web.pages import hidden_handlers, job_for, startable
from app.web.session import here

#: A job may have more: its handler's generator makes as many as there are.
MOST_TASKS = 100_000
#: The options of a start that a program may give.
OPTIONS: Final = frozenset({"priority", "due", "delay", "retries", "timeout", "parallel_limit"})


class NewTask(Body):
    """A task to be: its state, and whether it shall not run."""

    state: dict[str, Any] = Field(default_factory=dict)
    skip: bool = False


class NewJob(Body):
    """A job to be. With `tasks` the handler's own generator is not called.

    The options come last: what they may be is known where jobs are started.
    """

    handler: StrictStr
    name: StrictStr | None = Field(None, max_length=500)
    params: dict[str, Any] = Field(default_factory=dict)
    tasks: list[NewTask] | None = Field(None, max_length=MOST_TASKS)
    priority: Any = None
    due: Any = None
    delay: Any = None
    retries: Any = None
    timeout: Any = None
    parallel_limit: Any = None

    @property
    def options(self) -> StartOptions:
        """Those of the options that are given: null is something else than nothing."""
        given = {name: getattr(self, name) for name in OPTIONS & self.model_fields_set}
        return cast(StartOptions, given)


class Change(Body):
    """What may be changed in a job: its limit is a number, null for none, or "declared".

    The priority by those who manage it while it waits, the rest by superadmins.
    """

    name: StrictStr | None = None
    parallel_limit: int | StrictStr | None = None
    priority: Any = None

    @property
    def changes(self) -> Changes:
        """What is asked for; with nothing it is a name that lacks."""
        asked = self.model_fields_set or {"name"}
        given = {name: getattr(self, name) for name in asked}
        return cast(Changes, given | ({"name": self.name or ""} if "name" in asked else {}))


@bp.post("/create-job/")
@bp.post("/v1/jobs")
@may("start")
def create() -> ResponseReturnValue:
    """Start a job (A16)."""
    asked = body(NewJob)
    engine = the_engine()
    handler = startable(engine, here(), asked.handler)
    job_id = engine.start(
        handler.name,
        asked.params,
        name=asked.name,
        started_by=here(),
        tasks=None if asked.tasks is None else [task.model_dump() for task in asked.tasks],
        **asked.options,
    )
    return {"ok": True, "id": job_id, "jobId": job_id}, 201


@bp.get("/v1/jobs")
@may("view")
def index() -> ResponseReturnValue:
    """Jobs, newest first; `next` is what `after` must be for the following page."""
    which = JobFilter(
        status=status_arg(JobStatus),
        handler=text_of(request.args, "handler") or None,
        hidden=hidden_handlers(the_engine(), here()),
    )
    limit = whole_arg("limit", 50, most=MOST, least=1)
    rows = the_engine().jobs(which, limit=limit + 1, after=whole_arg("after", None))
    following = rows[limit - 1].id if len(rows) > limit else None
    return {"jobs": [job_row(row) for row in rows[:limit]], "next": following}


@bp.get("/v1/jobs/<int:job_id>")
@may("view")
def show(job_id: int) -> ResponseReturnValue:
    """One job, with its state and params."""
    return jsonify(job_answer(job_for(the_engine(), here(), job_id)))


@bp.patch("/v1/jobs/<int:job_id>")
@may("manage")
def change(job_id: int) -> ResponseReturnValue:
    """Give a job another name (A17), limit (B11), or while it waits another priority (B1).

    All that is asked for, or nothing.
    """
    job_for(the_engine(), here(), job_id, "manage")
    asked = body(Change)
    if asked.model_fields_set != {"priority"}:
        job_for(the_engine(), here(), job_id, "edit")
    return jsonify(job_answer(the_engine().amend_job(job_id, **asked.changes)))


@bp.delete("/v1/jobs/<int:job_id>")
@may("delete")
def delete(job_id: int) -> ResponseReturnValue:
    """Delete a job that has ended, with all that belongs to it (A17)."""
    job_for(the_engine(), here(), job_id, "delete")
    the_engine().delete_job(job_id)
    return "", 204


@bp.patch("/v1/jobs/<int:job_id>/state")
@may("edit")
def change_state(job_id: int) -> ResponseReturnValue:
    """Set fields of a job's state to these values; its others stay as they are (A9)."""
    job_for(the_engine(), here(), job_id, "edit")
    fields = json_object()
    the_engine().update_job_fields_atomically(job_id, lambda state: state.update(fields))
    return jsonify(job_answer(the_engine().job(job_id)))
