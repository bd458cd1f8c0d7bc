"""Cancelling jobs and trying them again."""

from __future__ import annotations

from typing import Annotated, Any, Final

from flask import jsonify
from flask.typing import ResponseReturnValue
from pydantic import BeforeValidator

from app.extensions import the_engine
from app.jobs import RETRY_CHOICES
from app.web.access import may
from app.web.api.answers import job_answer
from app.web.api.asking import Body, body
from app.web.api.blueprint import bp
from app.web.pages import job_for
from app.web.session import here

#: No job has a task with a larger index.
LARGEST_INDEX: Final = 2**31 - 1


def which_tasks(value: Any) -> Any:
    """The tasks of a retry: a word for them, or a list of their indexes."""
    if isinstance(value, str) and value in RETRY_CHOICES:
        return value
    if isinstance(value, list) and all(_is_index(each) for each in value):
        return value
    raise ValueError('Write "failed", "unfinished", "all", or a list of the indexes of tasks')


class Nothing(Body):
    """Nothing is to be said."""


class Retry(Body):
    """Which tasks are to run again."""

    tasks: Annotated[Any, BeforeValidator(which_tasks)] = "failed"


@bp.post("/v1/jobs/<int:job_id>/cancellation")
@may("manage")
def cancel(job_id: int) -> ResponseReturnValue:
    """Cancel a job (A8). It may take until its running tasks have ended; asking again is fine."""
    job_for(the_engine(), here(), job_id, "manage")
    body(Nothing, optional=True)
    return jsonify(job_answer(the_engine().cancel(job_id, by=here()))), 202


@bp.post("/v1/jobs/<int:job_id>/start")
@may("manage")
def start_now(job_id: int) -> ResponseReturnValue:
    """Let a job start that is not due yet (B2)."""
    job_for(the_engine(), here(), job_id, "manage")
    body(Nothing, optional=True)
    return jsonify(job_answer(the_engine().start_now(job_id))), 202


@bp.post("/v1/jobs/<int:job_id>/retry")
@may("manage")
def retry(job_id: int) -> ResponseReturnValue:
    """Run tasks of a job that has ended once more (P7)."""
    job_for(the_engine(), here(), job_id, "manage")
    asked = body(Retry, optional=True)
    return jsonify(job_answer(the_engine().retry(job_id, asked.tasks, by=here()))), 202


def _is_index(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_INDEX
