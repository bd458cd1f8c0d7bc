"""What went wrong, as an answer: one table from errors to status codes, three ways to say it.

The API gets JSON, a script of the page and a socket that is refused get a sentence, everyone else
gets a page.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

from flask import Flask, g, jsonify, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import BadRequest, HTTPException
from wsproto.utilities import ProtocolError

from app.admin import RowNotFound
from app.extensions import login_manager
from app.jobs import errors as jobs
from app.users import errors as users
from app.web import resubmit
from app.web.access import SAFE
from app.web.hearing import BROKEN_OFF
from app.web.htmx import asked_by_script

log = logging.getLogger(__name__)

STATUS: Final[dict[type[Exception], tuple[int, str]]] = {
    CSRFError: (400, "csrf"),
    ProtocolError: (400, "bad_handshake"),
    RowNotFound: (404, "not_found"),
    users.NotSignedIn: (401, "not_signed_in"),
    users.WrongSignIn: (401, "wrong_sign_in"),
    users.NotAllowed: (403, "not_allowed"),
    users.UserNotFound: (404, "user_not_found"),
    users.LastSuperadmin: (409, "last_superadmin"),
    users.AccountDisabled: (409, "account_disabled"),
    users.LinkNotGood: (410, "link_not_good"),
    users.BadAccount: (422, "invalid"),
    users.TooManySignIns: (429, "too_many_requests"),
    jobs.JobNotFound: (404, "job_not_found"),
    jobs.TaskNotFound: (404, "task_not_found"),
    jobs.JobFileNotFound: (404, "file_not_found"),
    jobs.FileTooLarge: (413, "file_too_large"),
    jobs.TooManyUploads: (429, "too_many_uploads"),
    jobs.UploadTaken: (422, "upload_taken"),
    jobs.JobBegun: (409, "job_begun"),
    jobs.JobEnded: (409, "job_ended"),
    jobs.JobNotEnded: (409, "job_not_ended"),
    jobs.NothingToRetry: (409, "nothing_to_retry"),
    jobs.TaskBegun: (409, "task_begun"),
    jobs.BrokenHandler: (422, "broken_handler"),
    jobs.UnknownHandler: (422, "unknown_handler"),
    jobs.InvalidParams: (422, "invalid"),
    jobs.TasksNotMade: (422, "tasks_not_made"),
    jobs.ValueNotStorable: (422, "value_not_storable"),
    jobs.CreationInterrupted: (503, "creation_interrupted"),
    jobs.EngineStopped: (503, "engine_stopped"),
}

TITLES: Final = {
    400: "This request cannot be understood",
    401: "Sign in first",
    403: "This is not yours to do",
    404: "There is nothing here",
    405: "This cannot be done here",
    409: "This is not possible now",
    410: "This link has been used",
    413: "This is too large",
    415: "This kind of content is not understood",
    422: "This does not fit",
    429: "Too many attempts",
    500: "Something went wrong",
    503: "Not just now",
}

# Sentences for what the web framework raises; the domain's errors bring their own.
SENTENCES: Final = {
    400: "The request is not written as it should be.",
    404: "Nothing has this address. It may have been deleted.",
    405: "This address does not know this method.",
    413: "What was sent is larger than this server accepts.",
    415: "Send JSON, with the header Content-Type: application/json.",
    500: "Something went wrong here, and it has been written to the server's log.",
}

DATABASE_AWAY: Final = "The database does not answer just now. Try again in a moment."


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What to tell the client."""

    status: int
    code: str
    message: str
    fields: dict[str, str] = field(default_factory=dict)


def init_app(app: Flask) -> None:
    """Answer every error, the expected and the unexpected, in the form the client reads."""
    app.register_error_handler(Exception, answer)


def answer(error: Exception) -> ResponseReturnValue:
    """The response for an error."""
    response = make_response(_said(problem_of(error), error))
    if isinstance(error, HTTPException):
        # What the framework adds for machines: which methods there are, when to come again.
        kept = (pair for pair in error.get_headers() if pair[0] in ("Allow", "Retry-After"))
        response.headers.extend(kept)
    return response


def _said(problem: Problem, error: Exception) -> ResponseReturnValue:
    # The rule and not the address: an address may hold a secret.
    if problem.status == 500:
        log.error("%s %s failed", request.method, request.url_rule, exc_info=error)
    elif problem.status > 500:
        reason = getattr(error, "orig", problem.message)
        log.warning("%s %s cannot be done now: %s", request.method, request.url_rule, reason)
    if request.path.startswith("/api/"):
        return jsonify(error=as_json(problem)), problem.status
    if request.url_rule is not None and request.url_rule.websocket:
        return problem.message, problem.status, {"Content-Type": "text/plain; charset=utf-8"}
    if asked_by_script():
        # A redirect would be followed by the script, and the sign-in page put into the popup.
        return problem.message, problem.status, {"Content-Type": "text/plain; charset=utf-8"}
    if problem.status == 401 and request.method in SAFE:
        return redirect(url_for("auth.login", next=request.full_path.rstrip("?")))
    if problem.code in resubmit.CODES and (page := resubmit.resubmission(problem.status)):
        return page, problem.status
    return _page(problem)


def problem_of(error: Exception) -> Problem:
    """Look the error up; what nobody expected is a 500 that tells the client nothing."""
    if isinstance(error, BROKEN_OFF):
        error = BadRequest()
    if jobs.is_outage(error):
        return Problem(status=503, code="database_unavailable", message=DATABASE_AWAY)
    for kind, (status, code) in STATUS.items():
        if isinstance(error, kind):
            return Problem(
                status=status, code=code, message=_sentence(error), fields=_fields_of(error)
            )
    if isinstance(error, HTTPException) and error.code:
        code = error.name.lower().replace(" ", "_")
        message = SENTENCES.get(error.code) or error.description or error.name
        return Problem(status=error.code, code=code, message=message)
    return Problem(status=500, code="internal", message=SENTENCES[500])


def as_json(problem: Problem) -> dict[str, object]:
    """The error as the API tells it."""
    said: dict[str, object] = {"code": problem.code, "message": problem.message}
    return said | {"fields": problem.fields} if problem.fields else said


def _sentence(error: Exception) -> str:
    if isinstance(error, CSRFError):
        return "This page is too old, or the request came from elsewhere. Reload and try again."
    return str(error)


def _fields_of(error: Exception) -> dict[str, str]:
    fields: dict[str, str | list[str]] = getattr(error, "fields", {})
    return {
        name: said if isinstance(said, str) else " ".join(said) for name, said in fields.items()
    }


def _page(problem: Problem) -> ResponseReturnValue:
    if problem.status >= 500 and not hasattr(g, "_login_user"):
        # Who asks is in the database too, and that may be what does not answer.
        g._login_user = login_manager.anonymous_user()
    title = TITLES.get(problem.status, "This did not work")
    page = render_template(
        "errors/page.html", code=problem.status, title=title, message=problem.message
    )
    return page, problem.status
