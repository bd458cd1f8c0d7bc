"""The page on which people look after their own account: password and sign-ins (P11, P13)."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.extensions import the_database
from app.users import sign_ins
from app.users.changing import change_own_password
from app.users.errors import BadAccount, TooManySignIns, WrongPassword
from app.users.people import refuse
from app.users.permissions import duties
from app.web.access import may
from app.web.attempts import counted
from app.web.auth import demand_repeated
from app.web.session import here

bp = Blueprint("account", __name__, url_prefix="/account")


@bp.get("")
@may("view")
def index() -> ResponseReturnValue:
    """Who one is here, and where else one is signed in."""
    return _page({})


@bp.post("/password")
@may("view")
def change_password() -> ResponseReturnValue:
    """Change the password, for whoever knows the current one; other sign-ins end."""
    try:
        _change(request.form.get("current", ""), request.form.get("password", ""))
    except BadAccount as error:
        return _page(error.fields), 422
    except WrongPassword as error:
        return _page({"current": str(error)}), 422
    except TooManySignIns as error:
        return _page({"current": str(error)}), 429
    return _done("Your password is changed. You are signed out everywhere else.")


@bp.post("/sign-ins/<sign_in_id>/deletion")
@may("view")
def end_sign_in(sign_in_id: str) -> ResponseReturnValue:
    """End one of the person's own sign-ins."""
    sign_ins.end_one(the_database(), here(), sign_in_id)
    return _done("That sign-in has ended.")


@bp.post("/sign-ins/deletion")
@may("view")
def end_other_sign_ins() -> ResponseReturnValue:
    """End all of the person's own sign-ins but this one."""
    sign_ins.end_others(the_database(), here())
    return _done("All your other sign-ins have ended.")


def _change(current: str, new: str) -> None:
    # First what is wrong with the new one: only a look at the current one counts as a guess.
    demand_repeated(new)
    refuse(password=new)
    with counted(here().email):
        change_own_password(the_database(), here(), current, new)


def _page(errors: Mapping[str, str]) -> str:
    person = here()
    return render_template(
        "account/index.html",
        person=person,
        duties=duties(person.role),
        sign_ins=sign_ins.of_person(the_database(), person),
        errors=errors,
    )


def _done(said: str) -> ResponseReturnValue:
    flash(said, "success")
    return redirect(url_for("account.index"), 303)
