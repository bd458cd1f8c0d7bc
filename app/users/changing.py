"""Changing and deleting accounts, so that the place never is without a superadmin (P11).

Whatever proved to be the person before ends with a change: the sign-ins and the open links.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, Unpack

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.exc import IntegrityError

from app.db import Database
from app.users import addresses, links, passwords, people, sign_ins
from app.users.errors import LastSuperadmin, NotAllowed, WrongPassword
from app.users.models import User
from app.users.people import Person, UserDetail
from app.users.permissions import Role


class Changes(TypedDict, total=False):
    """What of an account can be changed. What is missing, or None, stays as it is."""

    email: str | None
    role: str | None
    disabled: bool | None
    password: str | None


def update_user(
    database: Database, user_id: int, *, by: Person | None, **changes: Unpack[Changes]
) -> UserDetail:
    """Change an account and return it as it is then; `by` is None on the command line.

    A new password, or disabling, ends the sign-ins of the account at once, but for the one by which
    `by` is here. A new role needs no new sign-in: it is asked for at every request. Every real
    change ends the open link. Raise BadAccount, UserNotFound, LastSuperadmin, or NotAllowed when
    `by` is no superadmin any more.
    """
    wanted = checked_changes(changes)
    with database.writing() as connection:
        return write_changes(connection, user_id, wanted, by)


def write_changes(
    connection: Connection, user_id: int, wanted: Mapping[str, object], by: Person | None
) -> UserDetail:
    """Do as update_user(), with what checked_changes() has returned, in a transaction."""
    able = _superadmins(connection, by)
    before = people.found_user(connection, user_id, lock=True)
    changed = {name: new for name, new in wanted.items() if new != getattr(before, name, None)}
    if changed.get("disabled") or "role" in changed:
        _demand_another(able, user_id)
    if changed:
        _write(connection, user_id, changed)
        _end_proofs(connection, user_id, changed, by)
    return people.found_user(connection, user_id)


def delete_user(database: Database, user_id: int, by: Person | None) -> None:
    """Delete an account with its sign-ins and links; the jobs that it started stay.

    Raise UserNotFound, LastSuperadmin, or NotAllowed when `by` is no superadmin any more.
    """
    with database.writing() as connection:
        remove_user(connection, user_id, by)


def remove_user(connection: Connection, user_id: int, by: Person | None) -> None:
    """Do as delete_user(), in a transaction."""
    able = _superadmins(connection, by)
    people.found_user(connection, user_id, lock=True)
    _demand_another(able, user_id)
    connection.execute(delete(User).where(User.id == user_id))


def change_own_password(database: Database, person: Person, current: str, new: str) -> None:
    """Change a person's own password; their other sign-ins and their open link end (P13).

    Raise BadAccount when the new one will not do, WrongPassword when the current one is not right.
    """
    people.refuse(password=new)
    with database.reading() as connection:
        kept = connection.scalar(select(User.password_hash).where(User.id == person.id))
    if not passwords.is_right(current, kept):
        raise WrongPassword
    renewed = passwords.hashed(new)
    with database.writing() as connection:
        unchanged = (User.id == person.id) & (User.password_hash == kept)
        done = connection.execute(update(User).where(unchanged).values(password_hash=renewed))
        if not done.rowcount:  # changed meanwhile, perhaps against the one who does this
            raise WrongPassword
        links.end_of(connection, person.id)
        sign_ins.end_of(connection, person.id, but=person.key)


def checked_changes(changes: Changes) -> dict[str, object]:
    """The values as they are kept. Hashing is slow, so it is done before any lock is taken."""
    email, password = changes.get("email"), changes.get("password")
    email = None if email is None else addresses.same_form(email)
    people.refuse(email=email, role=changes.get("role"), password=password)
    kept = None if password is None else passwords.hashed(password)
    wanted = {
        "email": email,
        "role": changes.get("role"),
        "disabled": changes.get("disabled"),
        "password_hash": kept,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _superadmins(connection: Connection, by: Person | None) -> dict[int, bool]:
    """The enabled superadmins, locked, and whether each has a password to sign in with.

    The lock is what lets only one of two requests pass that come at once: the second one waits
    here, and then counts without whom the first one took away. SQLite has one writer anyway.
    """
    query = (
        select(User.id, User.password_hash.is_not(None))
        .where(User.role == Role.SUPERADMIN, User.disabled.is_(False))
        .order_by(User.id)
        .with_for_update(key_share=True)
    )
    found = {row[0]: bool(row[1]) for row in connection.execute(query)}
    if by is not None and by.id not in found:
        raise NotAllowed("You are no superadmin any more.")
    return found


def _demand_another(superadmins: dict[int, bool], user_id: int) -> None:
    """Raise LastSuperadmin when nobody could sign in as one without this account."""
    others = [able for each, able in superadmins.items() if each != user_id]
    if user_id in superadmins and not any(others):
        raise LastSuperadmin


def _write(connection: Connection, user_id: int, changed: dict[str, object]) -> None:
    try:
        connection.execute(update(User).where(User.id == user_id).values(changed))
    except IntegrityError as error:
        raise people.taken(str(changed["email"])) from error


def _end_proofs(
    connection: Connection, user_id: int, changed: dict[str, object], by: Person | None
) -> None:
    links.end_of(connection, user_id)
    if changed.keys() & {"password_hash", "disabled"}:
        # A disabled account keeps none: the cookie would be good again when it is enabled.
        spared = None if by is None or "disabled" in changed else by.key
        sign_ins.end_of(connection, user_id, but=spared)
