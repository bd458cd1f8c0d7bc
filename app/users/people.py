"""Accounts: making them and finding them. `changing` changes and deletes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, exists, insert, select
from sqlalchemy.exc import IntegrityError

from app.db import Database, now
from app.users import addresses, passwords
from app.users.addresses import same_form
from app.users.errors import BadAccount, UserNotFound
from app.users.models import User
from app.users.permissions import Role

#: No database keeps a larger id; asking for one is no error, there is just nobody.
_LARGEST_ID: Final = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person as the rest of the program sees them; never with the password."""

    id: int
    email: str
    role: Role
    #: The key of the sign-in by which they are here: what they do to themselves spares that one.
    key: str | None = field(default=None, repr=False)
    #: The name of the zone in which they read times, as far as it is known.
    time_zone: str | None = None
    has_chosen_zone: bool = False


@dataclass(frozen=True, kw_only=True)
class UserDetail:
    """An account as superadmins see it. Without a password, only a one-time link can open it."""

    id: int
    email: str
    role: Role
    disabled: bool
    created_at: datetime
    last_sign_in_at: datetime | None
    has_password: bool


def create_user(
    database: Database, *, email: str, role: str, password: str | None = None
) -> Person:
    """Make an account; without a password, a one-time link (`links.one_time_link`) opens it (P11).

    Raise BadAccount, with a sentence for each field, when that cannot be.
    """
    account = checked(email, role, password)
    with database.writing() as connection:
        return insert_user(connection, account)


def create_user_if_new(database: Database, email: str, role: str) -> Person | None:
    """Make an account without a password; None, and nothing changed, when there is one already.

    Of two that come at once, one makes it. Raise BadAccount for an address or a role that cannot
    be, also when there is an account already.
    """
    account = checked(email, role, None)
    if find_by_email(database, account.email):
        return None
    try:
        with database.writing() as connection:
            return insert_user(connection, account)
    except BadAccount:  # somebody was faster, for the fields are in order
        return None


def add_user(database: Database, email: str, role: Role, password: str) -> Person:
    """Make an account whose person can sign in at once; raise BadAccount as `create_user` does."""
    return create_user(database, email=email, role=role, password=password)


def user(database: Database, user_id: int) -> UserDetail:
    """The account with this id; raise UserNotFound when there is none."""
    with database.reading() as connection:
        return found_user(connection, user_id)


def users(database: Database) -> list[UserDetail]:
    """All accounts, in the order of their addresses."""
    with database.reading() as connection:
        return [_detail(row) for row in connection.execute(select(User).order_by(User.email))]


def find_by_email(database: Database, email: str) -> Person | None:
    """The person with this address, in whatever letters it is written."""
    email = same_form(email)
    if addresses.complaint(email):  # and some of these no database would take
        return None
    query = select(User.id, User.email, User.role).where(User.email == email)
    with database.reading() as connection:
        row = connection.execute(query).first()
    return row and Person(id=row.id, email=row.email, role=Role(row.role))


def nobody_yet(connection: Connection) -> bool:
    """Whether there is no account at all, so that the first superadmin is still to be made."""
    return not connection.scalar(select(exists().select_from(User)))


def found_user(connection: Connection, user_id: int, *, lock: bool = False) -> UserDetail:
    """The account with this id, and locked if it is to be changed; raise UserNotFound."""
    query = select(User).where(User.id == user_id)
    if lock:
        query = query.with_for_update(key_share=True)
    if not 0 < user_id <= _LARGEST_ID or (row := connection.execute(query).first()) is None:
        raise UserNotFound
    return _detail(row)


@dataclass(frozen=True, kw_only=True)
class Account:
    """A new account whose fields are in order, its password already hashed."""

    email: str
    role: Role
    password_hash: str | None = field(repr=False)


def checked(email: str, role: str, password: str | None) -> Account:
    """Look at the fields and hash the password: slow, so it is done before any lock is taken."""
    email = same_form(email)
    refuse(email=email, role=role, password=password)
    kept = None if password is None else passwords.hashed(password)
    return Account(email=email, role=Role(role), password_hash=kept)


def refuse(
    *, email: str | None = None, role: str | None = None, password: str | None = None
) -> None:
    """Raise BadAccount, with a sentence for each of the given fields that will not do."""
    wrong = {
        "email": None if email is None else addresses.complaint(email),
        "role": None if role is None else _complaint_about(role),
        "password": None if password is None else passwords.complaint(password),
    }
    if fields := {name: said for name, said in wrong.items() if said}:
        raise BadAccount(fields)


def insert_user(connection: Connection, account: Account) -> Person:
    """Write the row; raise BadAccount when the address has an account already."""
    row = vars(account) | {"created_at": now()}
    try:
        made = connection.scalar(insert(User).values(row).returning(User.id))
    except IntegrityError as error:
        raise taken(account.email) from error
    assert made is not None
    return Person(id=made, email=account.email, role=account.role)


def taken(email: str) -> BadAccount:
    """The error for an address that somebody else has."""
    return BadAccount({"email": f"{email} has an account already."})


def _complaint_about(role: str) -> str | None:
    *others, highest = Role
    return None if role in set(Role) else f"A role is {', '.join(others)} or {highest}."


def _detail(row: Row[Any]) -> UserDetail:
    return UserDetail(
        id=row.id,
        email=row.email,
        role=Role(row.role),
        disabled=row.disabled,
        created_at=row.created_at,
        last_sign_in_at=row.last_sign_in_at,
        has_password=row.password_hash is not None,
    )
