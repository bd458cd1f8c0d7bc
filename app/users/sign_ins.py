"""Sign-ins: from a right password to the sign-out. Every statement on `sign_in` is here."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, insert, select, update

from app.db import Database, now
from app.users import passwords
from app.users.errors import WrongSignIn
from app.users.models import SignIn, User
from app.users.people import Person, same_form
from app.users.permissions import Role

REMEMBERED: Final = timedelta(days=30)
FOR_A_DAY: Final = timedelta(days=1)


def sign_in(database: Database, email: str, password: str, *, remember: bool = False) -> str:
    """Check the password and return the key of a new sign-in; raise WrongSignIn otherwise.

    An unknown address, a wrong password, and a disabled account look and take the same.
    """
    query = select(User.id, User.password_hash, User.disabled).where(User.email == same_form(email))
    with database.reading() as connection:
        user = connection.execute(query).first()
    right = passwords.is_right(password, user.password_hash if user else None)
    if user is None or not right or user.disabled:
        raise WrongSignIn
    if passwords.is_outdated(user.password_hash):
        _renew_hash(database, user.id, password)
    return _begin(database, user.id, REMEMBERED if remember else FOR_A_DAY)


def sign_out(database: Database, key: str) -> None:
    """End this sign-in, wherever its cookie has been copied to; the person's others go on."""
    with database.writing() as connection:
        connection.execute(delete(SignIn).where(SignIn.key == key))


def who(database: Database, key: str) -> Person | None:
    """The person behind this sign-in, as they are now; None when it ended or they are disabled."""
    query = (
        select(User.id, User.email, User.role)
        .join(SignIn, SignIn.user_id == User.id)
        .where(SignIn.key == key, SignIn.expires_at > now(), User.disabled.is_(False))
    )
    with database.reading() as connection:
        row = connection.execute(query).first()
    return row and Person(id=row.id, email=row.email, role=Role(row.role))


def _begin(database: Database, user_id: int, lifetime: timedelta) -> str:
    key, at = secrets.token_urlsafe(32), now()
    row = {"key": key, "user_id": user_id, "created_at": at, "expires_at": at + lifetime}
    with database.writing() as connection:
        connection.execute(delete(SignIn).where(SignIn.expires_at < at))
        connection.execute(insert(SignIn).values(row))
        connection.execute(update(User).where(User.id == user_id).values(last_sign_in_at=at))
    return key


def _renew_hash(database: Database, user_id: int, password: str) -> None:
    renewed = passwords.hashed(password)
    with database.writing() as connection:
        connection.execute(update(User).where(User.id == user_id).values(password_hash=renewed))
