"""Sign-ins: from a right password to the sign-out. Every statement on `sign_in` is here."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from app.db import Database, now
from app.users import addresses, passwords
from app.users.addresses import same_form
from app.users.errors import WrongSignIn
from app.users.models import SignIn, User
from app.users.people import Person
from app.users.permissions import Role

REMEMBERED: Final = timedelta(days=30)
FOR_A_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class SignInRow:
    """One sign-in as its person sees it. The id names it and, unlike its key, opens nothing."""

    id: str
    since: datetime
    until: datetime
    is_remembered: bool
    is_this: bool


def sign_in(database: Database, email: str, password: str, *, remember: bool = False) -> str:
    """Check the password and return the key of a new sign-in; raise WrongSignIn otherwise.

    An unknown address, a wrong password, and a disabled account look and take the same.
    """
    user_id, kept = _password_of(database, same_form(email))
    if not passwords.is_right(password, kept) or user_id is None or kept is None:
        raise WrongSignIn
    renewed = passwords.hashed(password) if passwords.is_outdated(kept) else kept
    key = _begin(database, (user_id, kept, renewed), REMEMBERED if remember else FOR_A_DAY)
    # The account has changed while its password was looked at: so look again.
    return key or sign_in(database, email, password, remember=remember)


def sign_out(database: Database, key: str) -> None:
    """End this sign-in, wherever its cookie has been copied to; the person's others go on."""
    with database.writing() as connection:
        connection.execute(delete(SignIn).where(SignIn.key == key))


def who(database: Database, key: str) -> Person | None:
    """The person behind this sign-in, as they are now; None when it ended or they are disabled."""
    return who_are(database, [key]).get(key)


def who_are(database: Database, keys: Collection[str]) -> dict[str, Person]:
    """The people behind these sign-ins, as they are now; who is not here any more is left out."""
    query = (
        select(SignIn.key, *_PERSON)
        .join(User, SignIn.user_id == User.id)
        .where(SignIn.key.in_(keys), SignIn.expires_at > now(), User.disabled.is_(False))
    )
    with database.reading() as connection:
        found = connection.execute(query).all()
    return {row.key: _person(row) for row in found}


def of_person(database: Database, person: Person, limit: int = 50) -> list[SignInRow]:
    """The sign-ins of a person that are good now: this one first, then the newest."""
    query = (
        select(SignIn.key, SignIn.created_at, SignIn.expires_at)
        .where(SignIn.user_id == person.id, SignIn.expires_at > now())
        .order_by((SignIn.key == person.key).desc(), SignIn.created_at.desc())
        .limit(limit)
    )
    with database.reading() as connection:
        found = connection.execute(query).all()
    return [
        SignInRow(
            id=id_of(key),
            since=since,
            until=until,
            is_remembered=until - since > FOR_A_DAY,
            is_this=key == person.key,
        )
        for key, since, until in found
    ]


def end_one(database: Database, person: Person, sign_in_id: str) -> None:
    """End the sign-in of this person that has this id; one that has ended already is no error."""
    with database.writing() as connection:
        keys = connection.scalars(select(SignIn.key).where(SignIn.user_id == person.id))
        ended = [key for key in keys if id_of(key) == sign_in_id]
        connection.execute(delete(SignIn).where(SignIn.key.in_(ended)))


def end_others(database: Database, person: Person) -> None:
    """End every sign-in of this person but the one by which they are here."""
    with database.writing() as connection:
        end_of(connection, person.id, but=person.key)


def end_of(connection: Connection, user_id: int, *, but: str | None = None) -> None:
    """End every sign-in of this account, except for the one with the key `but`."""
    ended = delete(SignIn).where(SignIn.user_id == user_id)
    connection.execute(ended if but is None else ended.where(SignIn.key != but))


def id_of(key: str) -> str:
    """The id of a sign-in: it names the key, and cannot be turned back into it."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _password_of(database: Database, email: str) -> tuple[int | None, str | None]:
    if addresses.complaint(email):  # and some of these no database would take
        return None, None
    query = select(User.id, User.password_hash).where(User.email == email, User.disabled.is_(False))
    with database.reading() as connection:
        row = connection.execute(query).first()
    return (row.id, row.password_hash) if row else (None, None)


def _begin(database: Database, account: tuple[int, str, str], lifetime: timedelta) -> str | None:
    """Write the sign-in down; None when the account is not as it was when it was looked at.

    Without this, one could begin with a password just after its change has ended all sign-ins.
    """
    user_id, kept, renewed = account
    key, at = secrets.token_urlsafe(32), now()
    row = {"key": key, "user_id": user_id, "created_at": at, "expires_at": at + lifetime}
    as_it_was = (User.id == user_id) & (User.password_hash == kept) & User.disabled.is_(False)
    seen = update(User).where(as_it_was).values(last_sign_in_at=at, password_hash=renewed)
    with database.writing() as connection:
        # The account before its sign-ins, as all do who lock both.
        if not connection.execute(seen).rowcount:
            return None
        connection.execute(delete(SignIn).where(SignIn.expires_at < at))
        connection.execute(insert(SignIn).values(row))
    return key


_PERSON: Final = (User.id, User.email, User.role, User.time_zone, User.has_chosen_zone)


def _person(row: Row[*tuple[Any, ...]]) -> Person:
    return Person(
        id=row.id,
        email=row.email,
        role=Role(row.role),
        time_zone=row.time_zone,
        has_chosen_zone=row.has_chosen_zone,
    )
