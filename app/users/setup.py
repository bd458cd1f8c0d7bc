"""The first superadmin (A18): from the environment, for the demo, or by a one-time link."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from app.config import Settings
from app.db import Database, now
from app.users import people
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
    account = people.checked(email, password)
    with database.writing() as connection:
        spent = delete(OneTimeLink).where(_is_good(token)).returning(OneTimeLink.id)
        if connection.scalar(spent) is None or not people.nobody_yet(connection):
            raise LinkNotGood
        return people.insert_user(connection, account, Role.SUPERADMIN)


def _make_named(database: Database, email: str, password: str) -> None:
    try:
        _make(database, email, password)
    except BadAccount as error:
        names = "JOBDECK_ADMIN_EMAIL and JOBDECK_ADMIN_PASSWORD"
        raise UsersError(f"{names} cannot make an account: {error}") from error


def _make(database: Database, email: str, password: str) -> None:
    account = people.checked(email, password)
    # Of several servers that start at once, one makes it; the others find it made.
    with suppress(BadAccount), database.writing() as connection:
        if people.nobody_yet(connection):
            people.insert_user(connection, account, Role.SUPERADMIN)


def _new_link(database: Database) -> str:
    token, at = secrets.token_urlsafe(32), now()
    row = {"token_hash": _hash(token), "created_at": at, "expires_at": at + LINK_LIFETIME}
    with database.writing() as connection:
        _end_setup_links(connection)
        connection.execute(insert(OneTimeLink).values(row))
    return token


def _end_setup_links(connection: Connection) -> None:
    connection.execute(delete(OneTimeLink).where(OneTimeLink.user_id.is_(None)))


def _is_good(token: str) -> ColumnElement[bool]:
    return (
        (OneTimeLink.token_hash == _hash(token))
        & OneTimeLink.user_id.is_(None)
        & (OneTimeLink.expires_at > now())
    )


def _hash(token: str) -> str:
    # A token has 256 random bits: a plain hash is enough, nothing can be guessed from it.
    return hashlib.sha256(token.encode()).hexdigest()
