"""The pages about jobs: the list, the popup over it, and the dialog that creates one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.admin.asked import whole
from app.admin.form import Form
from app.extensions import the_engine
from app.jobs import Handler, JobsError
from app.jobs.errors import InvalidName, InvalidOptions, InvalidParams, JobNotFound
from app.users.errors import NotAllowed
from app.web import again, options, pages, uploads
from app.web.access import may
from app.web.htmx import asked_by_script
from app.web.job_form import form_of
from app.web.job_list import jobs_page
from app.web.session import here
from app.web.timezones import current_zone

bp = Blueprint("jobs", __name__)

Submitted = Mapping[str, Sequence[str]]
#: What the buttons are called that add or remove a row of a form, where no script does it.
ROW_BUTTONS: Final = frozenset({"form.add", "form.remove"})


@bp.get("/")
@may("view")
def home() -> ResponseReturnValue:
    """The list is the first page."""
    return redirect(url_for("jobs.index"))


@bp.get("/jobs")
@may("view")
def index() -> ResponseReturnValue:
    """The list of jobs."""
    return list_with()


@bp.get("/jobs/<int:job_id>")
@may("view")
def show(job_id: int) -> ResponseReturnValue:
    """The popup of a job: alone for a script, else over the list."""
    popup = pages.popup(the_engine(), here(), job_id, request.args)
    if asked_by_script():
        return render_template("jobs/_popup.html", **vars(popup))
    return list_with(popup=popup)


@bp.get("/jobs/new")
@may("start")
def new() -> ResponseReturnValue:
    """The create dialog: the choice, or the form of the handler that was chosen."""
    submitted = _submitted(request.args)
    job_id = None if "handler" in submitted else whole(_first(submitted, "again"))
    return _create_dialog(_create(submitted) if job_id is None else _again(job_id))


@bp.post("/jobs")
@may("start")
def create() -> ResponseReturnValue:
    """Start a job from its form, and show its popup."""
    submitted = _submitted(request.form)
    handler = _startable(submitted)
    try:
        submitted = uploads.received(handler, submitted)
        if ROW_BUTTONS & set(submitted):
            return _create_dialog(_create(submitted, is_whole=True))
        job_id = the_engine().start(
            handler.name,
            uploads.to_start(handler, submitted),
            name=_first(submitted, "name").strip() or None,
            started_by=here(),
            **options.given(submitted, _repeated(handler, submitted)),
        )
    except JobsError as error:
        return _create_dialog(_create(submitted, error), 422)
    address = url_for("jobs.show", job_id=job_id)
    if not asked_by_script():
        return redirect(address, 303)
    popup = pages.popup(the_engine(), here(), job_id, {})
    shown = make_response(render_template("jobs/_popup.html", **vars(popup)), 201)
    shown.headers["HX-Push-Url"] = address
    return shown


@bp.post("/jobs/preview")
@may("start")
def preview() -> ResponseReturnValue:
    """Say how many tasks the form would make, without making any (P5)."""
    submitted = _submitted(request.form)
    handler = _startable(submitted)
    return render_template("jobs/_preview.html", preview=_preview(handler, submitted))


def _preview(handler: Handler, submitted: Submitted) -> pages.Preview:
    try:
        values = uploads.to_look_at(handler, submitted)
        found = the_engine().preview(handler.name, values, started_by=here())
    except InvalidParams as error:
        form = form_of(handler)
        form.fill(submitted)
        form.refuse(error.fields)
        first, *others = form.complaints
        return pages.Preview(error=f"{first} And {len(others)} more." if others else first)
    except JobsError as error:
        return pages.Preview(error=str(error))
    return pages.Preview(count=found.count, capped=found.capped)


def list_with(
    popup: pages.Popup | None = None,
    create: pages.Create | None = None,
    question: pages.Question | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    """The list, with the dialogs over it that are asked for."""
    asked = request.args if popup is None and create is None else {}
    page = jobs_page(the_engine(), here(), asked, current_zone())
    dialogs = {"popup": popup, "create": create, "question": question}
    return render_template("jobs/index.html", page=page, **dialogs), status


def _create_dialog(create: pages.Create, status: int = 200) -> ResponseReturnValue:
    if asked_by_script():
        return render_template("jobs/_create.html", **vars(create)), status
    return list_with(create=create, status=status)


def _create(
    submitted: Submitted, error: JobsError | None = None, *, is_whole: bool = False
) -> pages.Create:
    if not _first(submitted, "handler"):
        return pages.Create(handlers=pages.handler_cards(the_engine(), here()))
    handler = _startable(submitted)
    form = form_of(handler)
    form.fill(submitted, whole=is_whole or error is not None)
    form.change_rows(submitted)
    created = _dialog(handler, form, submitted)
    asked = created.options
    assert asked is not None
    if isinstance(error, InvalidOptions):
        asked.refuse(error.fields)
    elif isinstance(error, InvalidName):
        form.errors += [f"Name: {each}" for each in error.fields["name"]]
    elif isinstance(error, InvalidParams):
        form.refuse(error.fields)
    elif error is not None:
        form.errors.append(str(error))
    return created


def _dialog(handler: Handler, form: Form, submitted: Submitted) -> pages.Create:
    uploads.show_chosen(form)
    return pages.Create(
        handlers=pages.handler_cards(the_engine(), here()),
        handler=pages.handler_card(handler, here()),
        form=form,
        name=_first(submitted, "name"),
        options=options.shown(handler, submitted),
        again=_repeated(handler, submitted),
    )


def _again(job_id: int) -> pages.Create:
    """The form of a job that was, as it was filled in then (P5)."""
    job = pages.job_for(the_engine(), here(), job_id)
    handler = pages.startable(the_engine(), here(), job.handler)
    filled = {"handler": [handler.name], "name": [again.name_of(handler, job)]}
    filled |= options.of_job(handler, job) | {f"{options.PREFIX}again": [str(job_id)]}
    form = form_of(handler)
    lost = the_engine().not_enterable(job.id, started_by=here())
    again.show_params(form, job, lost)
    return _dialog(handler, form, filled)


def _repeated(handler: Handler, submitted: Submitted) -> int | None:
    """The job that is run again, if it is one of this handler that this person may see (Q5)."""
    job_id = whole(_first(submitted, f"{options.PREFIX}again"))
    try:
        job = None if job_id is None else pages.job_for(the_engine(), here(), job_id)
    except (JobNotFound, NotAllowed):
        return None
    return job.id if job and job.handler == handler.name else None


def _startable(submitted: Submitted) -> Handler:
    return pages.startable(the_engine(), here(), _first(submitted, "handler"))


def _submitted(values: Any) -> dict[str, Sequence[str]]:
    return dict(values.lists())


def _first(submitted: Submitted, name: str) -> str:
    return next(iter(submitted.get(name, ())), "")
