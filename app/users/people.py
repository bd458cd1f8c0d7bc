"""Accounts: making them and finding them. Every statement on `user` but the sign-in's is here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, exists, insert, select
from sqlalchemy.exc import IntegrityError

from app.db import Database, now
from app.users import passwords
from app.users.errors import BadAccount
from app.users.models import User
from app.users.permissions import Role

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person as the rest of the program sees them; never with the password."""

    id: int
    email: str
    role: Role


def add_user(database: Database, email: str, role: Role, password: str) -> Person:
    """Make an account; raise BadAccount, with a sentence for each field, when that cannot be."""
    account = checked(email, password)
    with database.writing() as connection:
        return insert_user(connection, account, role)


def find_by_email(database: Database, email: str) -> Person | None:
    """The person with this address, in whatever letters it is written."""
    query = select(User.id, User.email, User.role).where(User.email == same_form(email))
    with database.reading() as connection:
        row = connection.execute(query).first()
    return row and Person(id=row.id, email=row.email, role=Role(row.role))


def nobody_yet(connection: Connection) -> bool:
    """Whether there is no account at all, so that the first superadmin is still to be made."""
    return not connection.scalar(select(exists().select_from(User)))


@dataclass(frozen=True)
class Account:
    """A new account whose fields are in order, its password already hashed."""

    email: str
    password_hash: str


def checked(email: str, password: str) -> Account:
    """Look at the fields and hash the password: slow, so it is done before any lock is taken."""
    email = same_form(email)
    wrong = {
        "email": None if is_email(email) else "This is not an e-mail address.",
        "password": passwords.complaint(password),
    }
    if fields := {name: said for name, said in wrong.items() if said}:
        raise BadAccount(fields)
    return Account(email, passwords.hashed(password))


def insert_user(connection: Connection, account: Account, role: Role) -> Person:
    """Write the row; raise BadAccount when the address has an account already."""
    row = {"email": account.email, "password_hash": account.password_hash, "role": role}
    try:
        made = connection.scalar(insert(User).values(**row, created_at=now()).returning(User.id))
    except IntegrityError as error:
        raise BadAccount({"email": f"{account.email} has an account already."}) from error
    assert made is not None
    return Person(id=made, email=account.email, role=role)


def same_form(email: str) -> str:
    """The address in the one form in which it is kept and compared."""
    return email.strip().lower()


def is_email(text: str) -> bool:
    """Whether it could be an address; only a letter that arrives proves that it is one."""
    return len(text) <= 254 and _EMAIL.fullmatch(text) is not None
