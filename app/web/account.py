"""The page on which people look after their own account: password and sign-ins (P11, P13)."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.db import now
from app.extensions import the_database
from app.timezones import abbreviations, places, zone_of
from app.users import sign_ins, zones
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


@bp.post("/time-zone")
@may("view")
def change_time_zone() -> ResponseReturnValue:
    """Choose the zone of all times and days, or leave it to the browser."""
    chosen, told = request.form.get("time_zone", ""), request.form.get("browser_zone", "")
    if not chosen:
        zones.follow_browser(the_database(), here().id, told)
        return _done("Times are shown in the zone of your browser.")
    try:
        zones.choose_zone(the_database(), here().id, chosen)
    except BadAccount as error:
        return _page(error.fields), 422
    return _done(f"Times are shown in the zone {chosen}.")


@bp.post("/browser-zone")
@may("view")
def tell_browser_zone() -> ResponseReturnValue:
    """Hear from a page's script in which zone its browser is; answer with the zone that counts."""
    person = here()
    told = request.form.get("browser_zone", "")
    if zones.tell_browser_zone(the_database(), person.id, told):
        return {"zone": told, "abbreviations": abbreviations(zone_of(told), now())}
    zone = zone_of(person.time_zone)
    return {"zone": zone.key, "abbreviations": abbreviations(zone, now())}


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
        places=places(),
        errors=errors,
    )


def _done(said: str) -> ResponseReturnValue:
    flash(said, "success")
    return redirect(url_for("account.index"), 303)
