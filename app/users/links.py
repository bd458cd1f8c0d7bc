"""One-time links: who opens one may set the password of an account, once, within three days."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, delete, insert, select, update

from app.db import Database, now
from app.users import passwords, people, sign_ins
from app.users.errors import AccountDisabled, LinkNotGood
from app.users.models import OneTimeLink, User
from app.users.people import Person
from app.users.permissions import Role

LIFETIME: Final = timedelta(days=3)

_NOT_GOOD: Final = (
    "This link has been used already, or it is too old. Ask a superadmin for a new one."
)


def one_time_link(database: Database, user_id: int) -> str:
    """Make a link for this account, good for three days, and return its token (P11).

    The link is `/set-password/<token>`; the one before it ends. Raise UserNotFound, or
    AccountDisabled.
    """
    with database.writing() as connection:
        return new_link(connection, user_id)


def new_link(connection: Connection, user_id: int) -> str:
    """Do as one_time_link(), in a transaction."""
    if people.found_user(connection, user_id, lock=True).disabled:
        raise AccountDisabled
    return replace(connection, user_id, LIFETIME)


def person_of(database: Database, token: str) -> Person:
    """Whose password this token can set now; raise LinkNotGood when it can set nobody's."""
    with database.reading() as connection:
        return _person(connection, _open(token))


def set_password(database: Database, token: str, password: str) -> Person:
    """Set the password; raise LinkNotGood, or BadAccount. Of two with one token, one wins.

    Every sign-in of the person ends: who needs a link may have lost the password to somebody.
    """
    people.refuse(password=password)
    kept = passwords.hashed(password)
    with database.writing() as connection:
        # The account before the link, as all do who lock both.
        person = _person(connection, _open(token).with_for_update(of=User, key_share=True))
        if (
            connection.scalar(delete(OneTimeLink).where(is_good(token)).returning(OneTimeLink.id))
            is None
        ):
            raise LinkNotGood(_NOT_GOOD)
        connection.execute(update(User).where(User.id == person.id).values(password_hash=kept))
        end_of(connection, person.id)
        sign_ins.end_of(connection, person.id)
    return person


def replace(connection: Connection, user_id: int | None, lifetime: timedelta) -> str:
    """End the links of this account, or those of nobody's, and return the token of a new one."""
    end_of(connection, user_id)
    token, at = secrets.token_urlsafe(32), now()
    row = {"token_hash": _hash(token), "user_id": user_id}
    times = {"created_at": at, "expires_at": at + lifetime}
    connection.execute(insert(OneTimeLink).values(row | times))
    return token


def end_of(connection: Connection, user_id: int | None) -> None:
    """End every link of this account; without one, those that make the first superadmin."""
    connection.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user_id))


def is_good(token: str) -> ColumnElement[bool]:
    """The condition that a link is this token's, and not too old."""
    return (OneTimeLink.token_hash == _hash(token)) & (OneTimeLink.expires_at > now())


def _open(token: str) -> Select[int, str, str]:
    return (
        select(User.id, User.email, User.role)
        .join(OneTimeLink, OneTimeLink.user_id == User.id)
        .where(is_good(token), User.disabled.is_(False))
    )


def _person(connection: Connection, query: Select[int, str, str]) -> Person:
    row = connection.execute(query).first()
    if row is None:
        raise LinkNotGood(_NOT_GOOD)
    return Person(id=row.id, email=row.email, role=Role(row.role))


def _hash(token: str) -> str:
    # A token has 256 random bits: a plain hash is enough, nothing can be guessed from it.
    return hashlib.sha256(token.encode()).hexdigest()
