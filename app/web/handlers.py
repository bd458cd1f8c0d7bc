"""The page of the handlers: how they stand, and where they are paused and limited (B11)."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.extensions import the_engine
from app.jobs.errors import InvalidParams
from app.web import steering
from app.web.access import may
from app.web.htmx import asked_by_script
from app.web.session import here

bp = Blueprint("handlers", __name__, url_prefix="/handlers")


@bp.get("")
@may("view")
def index() -> ResponseReturnValue:
    """Every handler, with its limits, its jobs and its workers."""
    return _page()


@bp.get("/<name>/pause")
@may("control")
def ask_to_pause(name: str) -> ResponseReturnValue:
    """Ask why, and for how long."""
    return _ask(steering.pause_question(the_engine(), name))


@bp.post("/<name>/pause")
@may("control")
def pause(name: str) -> ResponseReturnValue:
    """Let nothing of a handler, or of any, begin for a while."""
    reason, length = request.form.get("reason", ""), request.form.get("length", "")
    try:
        the_engine().pause(name, reason, until=steering.end_of(length), by=here())
    except InvalidParams as error:
        given = request.form.to_dict()
        return _ask(steering.pause_question(the_engine(), name, given, error.fields), 422)
    return _done(f"Paused {steering.title_of(the_engine(), name)}.")


@bp.post("/<name>/resume")
@may("control")
def resume(name: str) -> ResponseReturnValue:
    """Let it go on."""
    the_engine().resume(name)
    return _done(f"Resumed {steering.title_of(the_engine(), name)}.")


@bp.get("/<name>/limits")
@may("control")
def ask_for_limits(name: str) -> ResponseReturnValue:
    """The dialog with the limits that are set."""
    return _ask(steering.limits_question(the_engine(), name))


@bp.post("/<name>/limits")
@may("control")
def set_limits(name: str) -> ResponseReturnValue:
    """Set limits over the declared ones, or take them back."""
    names = ("parallel_limit", "concurrency_limit")
    limits = {each: steering.limit_of(request.form.get(each, "")) for each in names}
    try:
        the_engine().set_limits(name, limits, by=here())
    except InvalidParams as error:
        given = request.form.to_dict()
        return _ask(steering.limits_question(the_engine(), name, given, error.fields), 422)
    return _done(f"The limits of {steering.title_of(the_engine(), name)} are changed.")


def _page(question: steering.Question | None = None, status: int = 200) -> ResponseReturnValue:
    page = steering.handlers_page(the_engine(), here())
    return render_template("handlers/index.html", page=page, question=question), status


def _ask(question: steering.Question, status: int = 200) -> ResponseReturnValue:
    if asked_by_script():
        return render_template(question.template, question=question), status
    return _page(question, status)


def _done(said: str) -> ResponseReturnValue:
    flash(said, "success")
    return redirect(url_for("handlers.index"), 303)
