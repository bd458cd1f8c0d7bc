"""Signing in and out, and the page that makes the first superadmin."""

from __future__ import annotations

import re
from typing import Final

from flask import Blueprint, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from app.extensions import the_database, the_settings
from app.users import links, sign_ins, zones
from app.users import setup as first
from app.users.errors import BadAccount, TooManySignIns, WrongSignIn
from app.users.people import Person
from app.web import session
from app.web.access import may, public
from app.web.attempts import counted

bp = Blueprint("auth", __name__)

# A path of this site and nothing that a browser would read as another: "//host", "/\host".
_LOCAL: Final = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


@bp.route("/login", methods=["GET", "POST"])
@public
def login() -> ResponseReturnValue:
    """Show the form; sign in, and go where the person wanted to go."""
    if request.method == "POST":
        return _sign_in(request.form.get("email", ""), request.form.get("password", ""))
    return redirect(_wanted()) if session.the_person() else _login_page()


@bp.post("/logout")
@may("view")
def logout() -> ResponseReturnValue:
    """End this sign-in; the person's others go on."""
    session.end()
    return redirect(url_for("auth.login"), 303)


@bp.route("/setup/<token>", methods=["GET", "POST"])
@public
def setup(token: str) -> ResponseReturnValue:
    """Make the first superadmin, once, for whoever reads the server's console (A18)."""
    first.check_link(the_database(), token)
    if request.method == "POST":
        return _set_up(token, request.form.get("email", ""), request.form.get("password", ""))
    return render_template("auth/setup.html", errors={}, email="")


@bp.route("/set-password/<token>", methods=["GET", "POST"])
@public
def set_password(token: str) -> ResponseReturnValue:
    """Set the password of an account, once, for whoever was given its link (P11)."""
    person = links.person_of(the_database(), token)
    if request.method == "POST":
        return _set_password(token, person)
    return render_template("auth/set_password.html", errors={}, person=person)


@bp.get("/session")
@public
def session_now() -> ResponseReturnValue:
    """Tell an open page who is signed in now, and the CSRF token that its forms need then."""
    person = session.the_person()
    if person is None:
        return {"person": None}
    return {
        "person": {"id": person.id, "email": person.email},
        "sessionId": person.session_id,
        "csrfToken": generate_csrf(),
    }


@bp.get("/signed-in")
@may("view")
def signed_in() -> ResponseReturnValue:
    """Send a person back to the page beside which they have signed in."""
    return render_template("auth/signed_in.html")


@bp.get("/login/background")
@public
def background() -> ResponseReturnValue:
    """The picture behind the form, if the settings name one."""
    if not the_settings().login_background:
        raise NotFound
    return send_file(the_settings().login_background, max_age=3600)


def demand_repeated(password: str) -> None:
    """Raise BadAccount unless the form has the new password twice; nobody sees what is typed."""
    if password != request.form.get("repeat"):
        raise BadAccount({"repeat": "The two passwords are not the same."})


def _sign_in(email: str, password: str) -> ResponseReturnValue:
    remember = bool(request.form.get("remember"))
    try:
        with counted(email):
            key = sign_ins.sign_in(the_database(), email, password, remember=remember)
    except WrongSignIn as error:
        return _login_page(str(error), email), 401
    except TooManySignIns as error:
        return _login_page(str(error), email), 429
    _begin(key, remember=remember)
    return redirect(_wanted(), 303)


def _login_page(error: str | None = None, email: str = "") -> str:
    picture = url_for("auth.background") if the_settings().login_background else None
    return render_template(
        "auth/login.html",
        error=error,
        email=email,
        next=request.values.get("next", ""),
        prompt=_prompt(),
        background=picture,
    )


def _prompt() -> Markup | None:
    if prompt := the_settings().login_prompt:
        return Markup(prompt)  # the operator's own HTML
    if the_settings().demo:
        said = Markup("This is the demo: sign in as <b>{}</b> with <b>{}</b>.")
        return said.format(first.DEMO_EMAIL, first.DEMO_PASSWORD)
    return None


def _wanted() -> str:
    wanted = request.values.get("next", "")
    return wanted if _LOCAL.fullmatch(wanted) else url_for("jobs.index")


def _set_up(token: str, email: str, password: str) -> ResponseReturnValue:
    try:
        demand_repeated(password)
        first.use_link(the_database(), token, email, password)
    except BadAccount as error:
        return render_template("auth/setup.html", errors=error.fields, email=email), 422
    return _enter(email, password)


def _set_password(token: str, person: Person) -> ResponseReturnValue:
    password = request.form.get("password", "")
    try:
        demand_repeated(password)
        links.set_password(the_database(), token, password)
    except BadAccount as error:
        page = render_template("auth/set_password.html", errors=error.fields, person=person)
        return page, 422
    return _enter(person.email, password)


def _enter(email: str, password: str) -> ResponseReturnValue:
    _begin(sign_ins.sign_in(the_database(), email, password), remember=False)
    return redirect(url_for("jobs.index"), 303)


def _begin(key: str, *, remember: bool) -> None:
    session.begin(key, remember=remember)
    person, told = session.here(), request.form.get("browser_zone", "")
    # Told by the form, so that the first page is in the person's zone already.
    if told != person.time_zone and not person.has_chosen_zone:
        zones.tell_browser_zone(the_database(), person.id, told)
