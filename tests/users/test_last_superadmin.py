"""There always is a superadmin who can sign in, whatever is asked for and however fast (P11)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from app import schema
from app.db import Database
from app.users.changing import delete_user, update_user
from app.users.errors import LastSuperadmin, NotAllowed
from app.users.people import Person, add_user, create_user, user, users
from app.users.permissions import Role

PASSWORD = "correct horse battery"

Removal = Callable[[Database, int, Person | None], None]


def demote(database: Database, user_id: int, by: Person | None) -> None:
    update_user(database, user_id, by=by, role="operator")


def disable(database: Database, user_id: int, by: Person | None) -> None:
    update_user(database, user_id, by=by, disabled=True)


def delete(database: Database, user_id: int, by: Person | None) -> None:
    delete_user(database, user_id, by)


each_removal = pytest.mark.parametrize("remove", [demote, disable, delete])


def superadmin(database: Database, name: str) -> Person:
    return add_user(database, f"{name}@example.com", Role.SUPERADMIN, PASSWORD)


@each_removal
def test_the_last_one_stays(database: Database, remove: Removal) -> None:
    alice = superadmin(database, "alice")
    add_user(database, "oscar@example.com", Role.OPERATOR, PASSWORD)
    before = user(database, alice.id)
    for by in (alice, None):
        with pytest.raises(LastSuperadmin, match="Nobody else could sign in as a superadmin"):
            remove(database, alice.id, by)
    assert user(database, alice.id) == before


@each_removal
def test_one_of_two_may_go_also_by_the_own_hand(database: Database, remove: Removal) -> None:
    alice, ann = superadmin(database, "alice"), superadmin(database, "ann")
    remove(database, alice.id, alice)
    with pytest.raises(LastSuperadmin):
        remove(database, ann.id, ann)


@each_removal
def test_one_who_is_disabled_or_has_no_password_does_not_count(
    database: Database, remove: Removal
) -> None:
    alice, ann = superadmin(database, "alice"), superadmin(database, "ann")
    new = create_user(database, email="new@example.com", role="superadmin")
    disable(database, ann.id, alice)
    with pytest.raises(LastSuperadmin):
        remove(database, alice.id, alice)
    remove(database, ann.id, alice)
    remove(database, new.id, alice)


def test_the_last_one_may_change_the_rest(database: Database) -> None:
    alice = superadmin(database, "alice")
    changed = update_user(
        database,
        alice.id,
        by=alice,
        email="al@example.com",
        role="superadmin",
        disabled=False,
        password="another " * 3,
    )
    assert (changed.email, changed.role) == ("al@example.com", Role.SUPERADMIN)


@each_removal
def test_of_requests_that_come_at_once_the_last_one_fails(
    empty_database: Database, remove: Removal
) -> None:
    schema.upgrade(empty_database)
    people = [superadmin(empty_database, f"s{number}") for number in range(4)]
    at_once = Barrier(4)

    def go(place: int) -> bool:
        at_once.wait(10)
        # Each removes the next one, so that all are gone if each only looks and then acts.
        try:
            remove(empty_database, people[(place + 1) % 4].id, people[place])
        except (LastSuperadmin, NotAllowed):
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        gone = sum(pool.map(go, range(4)))
    assert gone < 4
    assert len(left(empty_database)) == 4 - gone >= 1


@each_removal
def test_of_two_that_leave_at_once_one_stays(empty_database: Database, remove: Removal) -> None:
    schema.upgrade(empty_database)
    for number in range(5):
        both = [superadmin(empty_database, f"s{number}-{each}") for each in range(2)]
        keep_only(empty_database, both)
        at_once = Barrier(2)

        def leave(person: Person, at_once: Barrier = at_once) -> bool:
            at_once.wait(10)
            try:
                remove(empty_database, person.id, person)
            except LastSuperadmin:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(leave, both)) == [False, True]


def left(database: Database) -> list[int]:
    return [
        each.id
        for each in users(database)
        if each.role == Role.SUPERADMIN and not each.disabled and each.has_password
    ]


def keep_only(database: Database, people: list[Person]) -> None:
    for user_id in set(left(database)) - {each.id for each in people}:
        delete_user(database, user_id, None)
