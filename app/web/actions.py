"""What is done with a job from its popup: cancel, retry, rename, delete. GET asks, POST does."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from flask import url_for as url
from flask.typing import ResponseReturnValue

from app.admin.asked import whole
from app.extensions import the_engine
from app.jobs import RETRY_CHOICES, JobDetail
from app.jobs.errors import InvalidParams
from app.users.permissions import demand
from app.web import pages
from app.web.access import may
from app.web.filters import plural
from app.web.htmx import asked_by_script, shown_query, with_events, with_toast
from app.web.jobs import list_with
from app.web.options import number
from app.web.session import here
from app.web.steering import limit_of

bp = Blueprint("actions", __name__)


@bp.get("/jobs/<int:job_id>/cancellation")
@may("manage")
def ask_to_cancel(job_id: int) -> ResponseReturnValue:
    """Say how many tasks will not start and how many run, and ask."""
    return _ask("jobs/_ask_cancel.html", _job("manage", job_id))


@bp.post("/jobs/<int:job_id>/cancellation")
@may("manage")
def cancel(job_id: int) -> ResponseReturnValue:
    """Cancel a job (A8)."""
    _job("manage", job_id)
    job = the_engine().cancel(job_id, by=here())
    if job.is_final:
        return _done(job_id, f"Job {job_id} is cancelled.")
    running = plural(job.in_progress, "running task")
    waiting = f" Waiting for {running} to end." if job.in_progress else ""
    return _done(job_id, f"Cancelling job {job_id}.{waiting}")


@bp.get("/jobs/<int:job_id>/retry")
@may("manage")
def ask_to_retry(job_id: int) -> ResponseReturnValue:
    """Say that also tasks that ended well run again, and ask."""
    return _ask("jobs/_ask_retry.html", _job("manage", job_id))


@bp.post("/jobs/<int:job_id>/retry")
@may("manage")
def retry(job_id: int) -> ResponseReturnValue:
    """Run the failed, the unfinished, all or some tasks of a job again (P7)."""
    job = _job("manage", job_id)
    tasks = _choice(request.form.get("tasks", "failed"))
    the_engine().retry(job_id, tasks, by=here())
    count = plural(_how_many(job, tasks), "task")
    return _done(job_id, f"Trying {count} again.")


@bp.get("/jobs/<int:job_id>/edit")
@may("edit")
def ask_for_name(job_id: int) -> ResponseReturnValue:
    """The dialog with the job's name."""
    job = _job("edit", job_id)
    return _ask("jobs/_ask_name.html", job, name=job.name)


@bp.post("/jobs/<int:job_id>")
@may("edit")
def rename(job_id: int) -> ResponseReturnValue:
    """Give a job another name (A17)."""
    job, name = _job("edit", job_id), request.form.get("name", "")
    try:
        job = the_engine().rename_job(job_id, name)
    except InvalidParams as error:
        said = " ".join(error.fields["name"])
        return _ask("jobs/_ask_name.html", job, name=name, error=said)
    return _done(job_id, f"Renamed to “{job.name}”.")


@bp.post("/jobs/<int:job_id>/start")
@may("manage")
def start_now(job_id: int) -> ResponseReturnValue:
    """Let a job start that is not due yet (B2)."""
    _job("manage", job_id)
    the_engine().start_now(job_id)
    return _done(job_id, f"Job {job_id} may start now.")


@bp.get("/jobs/<int:job_id>/priority")
@may("manage")
def ask_for_priority(job_id: int) -> ResponseReturnValue:
    """The dialog with the job's priority."""
    job = _job("manage", job_id)
    return _ask("jobs/_ask_priority.html", job, name=str(job.priority))


@bp.post("/jobs/<int:job_id>/priority")
@may("manage")
def set_priority(job_id: int) -> ResponseReturnValue:
    """Give a job that waits another priority (B1)."""
    job, text = _job("manage", job_id), request.form.get("priority", "")
    try:
        job = the_engine().set_priority(job_id, number(text))
    except InvalidParams as error:
        said = " ".join(error.fields["priority"])
        return _ask("jobs/_ask_priority.html", job, name=text, error=said)
    return _done(job_id, f"Job {job_id} has priority {job.priority} now.")


@bp.get("/jobs/<int:job_id>/limit")
@may("control")
def ask_for_limit(job_id: int) -> ResponseReturnValue:
    """The dialog with the number of the job's tasks that may run at once."""
    job = _job("control", job_id)
    limit = str(job.parallel_limit or 0) if job.has_own_limit else ""
    return _ask("jobs/_ask_limit.html", job, name=limit)


@bp.post("/jobs/<int:job_id>/limit")
@may("control")
def set_limit(job_id: int) -> ResponseReturnValue:
    """Set how many tasks of a job run at once, whatever its handler says (B11)."""
    job, limit = _job("control", job_id), request.form.get("parallel_limit", "")
    try:
        the_engine().set_parallel_limit(job_id, limit_of(limit))
    except InvalidParams as error:
        said = " ".join(error.fields["parallel_limit"])
        return _ask("jobs/_ask_limit.html", job, name=limit, error=said)
    return _done(job_id, f"The limit of job {job_id} is changed.")


@bp.get("/jobs/<int:job_id>/deletion")
@may("delete")
def ask_to_delete(job_id: int) -> ResponseReturnValue:
    """Say what goes with the job, and ask."""
    return _ask("jobs/_ask_delete.html", _job("delete", job_id))


@bp.post("/jobs/<int:job_id>/deletion")
@may("delete")
def delete(job_id: int) -> ResponseReturnValue:
    """Delete a job that has ended, with its tasks, its log and its files (A17)."""
    _job("delete", job_id)
    the_engine().delete_job(job_id)
    said = f"Job {job_id} is deleted."
    if asked_by_script():
        toast = {"message": said, "kind": "success"}
        return with_events(Response(status=204), gone={}, toast=toast)
    flash(said, "success")
    return redirect(url("jobs.index"), 303)


def _job(action: str, job_id: int) -> JobDetail:
    """A job that this person may see and do this with; raises JobNotFound, NotAllowed."""
    job = pages.job_for(the_engine(), here(), job_id)
    demand(here(), action, pages.roles_of(the_engine(), job.handler))
    return job


def _ask(
    template: str, job: JobDetail, *, name: str = "", error: str | None = None
) -> ResponseReturnValue:
    status = 422 if error else 200
    question = pages.Question(template=template, job=job, name=name, error=error)
    if not asked_by_script():
        popup = pages.popup(the_engine(), here(), job.id, {})
        return list_with(popup=popup, question=question, status=status)
    answer = make_response(render_template(template, question=question, job=job), status)
    # Also where the answer to a form is the form again, it belongs over the popup.
    answer.headers["HX-Retarget"], answer.headers["HX-Reswap"] = "#questions", "innerHTML"
    return answer


def _done(job_id: int, said: str) -> ResponseReturnValue:
    """The popup as it is now, at the same tab and task as before, and a sentence."""
    address = url("jobs.show", job_id=job_id)
    if not asked_by_script():
        flash(said, "success")
        return redirect(address, 303)
    popup = pages.popup(the_engine(), here(), job_id, shown_query(address))
    return with_toast(make_response(render_template("jobs/_popup.html", **vars(popup))), said)


def _choice(said: str) -> str | list[int]:
    if said in RETRY_CHOICES:
        return said
    numbers = [whole(each.strip()) for each in said.split(",")]
    if None in numbers:
        raise InvalidParams({"tasks": ["Say failed, unfinished or all, or the numbers of tasks."]})
    return [each for each in numbers if each is not None]


def _how_many(job: JobDetail, tasks: str | Sequence[int]) -> int:
    """How many tasks a choice means, as the job was before."""
    if not isinstance(tasks, str):
        return len(set(tasks))
    few = {"failed": job.failed, "unfinished": job.unfinished}
    return few.get(tasks, job.unfinished + job.done)
