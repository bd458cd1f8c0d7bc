"""The time zone of an account: told by a browser, or chosen by its person."""

from __future__ import annotations

from sqlalchemy import or_, update

from app.db import Database
from app.timezones import is_zone
from app.users.errors import BadAccount
from app.users.models import User


def tell_browser_zone(database: Database, user_id: int, name: str) -> bool:
    """Keep the zone of a person's browser, unless they have chosen one; whether that is new.

    A name that is no zone here is passed over: nobody has typed it.
    """
    if not is_zone(name):
        return False
    is_another = or_(User.time_zone.is_(None), User.time_zone != name)
    free = (User.id == user_id) & User.has_chosen_zone.is_(False) & is_another
    with database.writing() as connection:
        return bool(connection.execute(update(User).where(free).values(time_zone=name)).rowcount)


def choose_zone(database: Database, user_id: int, name: str) -> None:
    """Keep the zone that a person has chosen; raise BadAccount when there is none of this name."""
    if not is_zone(name):
        raise BadAccount({"time_zone": f"No time zone is called {name[:64]!r}. Choose one."})
    _write(database, user_id, {"time_zone": name, "has_chosen_zone": True})


def follow_browser(database: Database, user_id: int, name: str) -> None:
    """Take the zone of the browser from now on; where it tells none, the last one stays."""
    told = {"time_zone": name} if is_zone(name) else {}
    _write(database, user_id, told | {"has_chosen_zone": False})


def _write(database: Database, user_id: int, values: dict[str, object]) -> None:
    with database.writing() as connection:
        connection.execute(update(User).where(User.id == user_id).values(values))
