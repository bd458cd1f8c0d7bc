"""The page that keeps a form whose session has ended, so that it can be sent once more.

It is for browsers without a script; with one, the page that holds the form asks before it sends.
"""

from __future__ import annotations

from typing import Final

from flask import render_template, request
from werkzeug.exceptions import HTTPException

from app.web.access import PUBLIC, entered_by
from app.web.hearing import BROKEN_OFF
from app.web.security import comes_from_elsewhere
from app.web.session import the_person

#: Codes of refusals that have nothing against the form itself.
CODES: Final = ("not_signed_in", "csrf")
#: Fields that are entered again: a password is not written into a page.
PASSWORDS: Final = {
    "current": "Current password",
    "password": "Password",
    "repeat": "Password again",
}
#: What a form of params says of its secrets: the name of one follows; see Field.about().
SECRET: Final = "form.secret."


def resubmission(status: int) -> str | None:
    """Render the fields of the request as a form to be sent again; None when it has none."""
    if request.method != "POST" or comes_from_elsewhere(request):
        return None
    try:
        fields, files = _fields(), [name for name, file in request.files.items() if file.filename]
    except (HTTPException, *BROKEN_OFF):
        return None
    passwords = _passwords()
    if not (fields or files or passwords):
        return None
    return render_template(
        "errors/resubmit.html",
        address=request.full_path.rstrip("?"),
        fields=fields,
        files=files,
        passwords=passwords,
        person=the_person(),
        must_sign_in=status == 401,
        is_public=request.endpoint is not None and entered_by(request.endpoint) == PUBLIC,
    )


def _passwords() -> dict[str, str]:
    """The labels of what is a secret, by name: those of accounts, and those that the form names."""
    named = {
        name.removeprefix(SECRET): label
        for name, label in request.form.items()
        if name.startswith(SECRET)
    }
    return {name: text for name, text in (PASSWORDS | named).items() if name in request.form}


def _fields() -> list[tuple[str, str]]:
    """The names and values, in the order of the form."""
    left_out = {"csrf_token", *_passwords()}
    return [pair for pair in request.form.items(multi=True) if pair[0] not in left_out]
