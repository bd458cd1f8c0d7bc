"""The first superadmin (A18): from the environment, for the demo, or by a one-time link."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, select

from app.config import Settings
from app.db import Database
from app.users import links, people
from app.users.errors import BadAccount, LinkNotGood, UsersError
from app.users.models import OneTimeLink
from app.users.people import Person
from app.users.permissions import Role

DEMO_EMAIL: Final = "admin@example.com"
DEMO_PASSWORD: Final = "jobdeck-demo"
LINK_LIFETIME: Final = timedelta(days=1)


def prepare_first_superadmin(database: Database, settings: Settings) -> str | None:
    """Make the first superadmin if the settings name one; else return a new link's token.

    None when there is nothing left to do: somebody has an account. Each start makes a new link
    and ends the one before, so that a link in an old log is worth nothing.
    """
    with database.reading() as connection:
        if not people.nobody_yet(connection):
            return None
    if settings.admin_email and settings.admin_password:
        _make_named(database, settings.admin_email, settings.admin_password)
    elif settings.demo:
        _make(database, DEMO_EMAIL, DEMO_PASSWORD)
    else:
        return _new_link(database)
    return None


def check_link(database: Database, token: str) -> None:
    """Raise LinkNotGood unless this token can make the first superadmin now."""
    with database.reading() as connection:
        found = connection.scalar(select(OneTimeLink.id).where(_is_good(token)))
        if found is None or not people.nobody_yet(connection):
            raise LinkNotGood


def use_link(database: Database, token: str, email: str, password: str) -> Person:
    """Make the first superadmin. Of two requests with one token, one wins; the other is refused."""
    account = people.checked(email, Role.SUPERADMIN, password)
    with database.writing() as connection:
        spent = delete(OneTimeLink).where(_is_good(token)).returning(OneTimeLink.id)
        if connection.scalar(spent) is None or not people.nobody_yet(connection):
            raise LinkNotGood
        return people.insert_user(connection, account)


def _make_named(database: Database, email: str, password: str) -> None:
    try:
        _make(database, email, password)
    except BadAccount as error:
        names = "JOBDECK_ADMIN_EMAIL and JOBDECK_ADMIN_PASSWORD"
        raise UsersError(f"{names} cannot make an account: {error}") from error


def _make(database: Database, email: str, password: str) -> None:
    account = people.checked(email, Role.SUPERADMIN, password)
    # Of several servers that start at once, one makes it; the others find it made.
    with suppress(BadAccount), database.writing() as connection:
        if people.nobody_yet(connection):
            people.insert_user(connection, account)


def _new_link(database: Database) -> str:
    with database.writing() as connection:
        return links.replace(connection, None, LINK_LIFETIME)


def _is_good(token: str) -> ColumnElement[bool]:
    return links.is_good(token) & OneTimeLink.user_id.is_(None)
