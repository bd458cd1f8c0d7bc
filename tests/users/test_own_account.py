"""People change their own password, and end their own sign-ins (P13)."""

from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy import update

from app.db import Database, now
from app.users import changing, links, passwords, sign_ins
from app.users.changing import change_own_password, update_user
from app.users.errors import BadAccount, LinkNotGood, WrongPassword, WrongSignIn
from app.users.models import SignIn
from app.users.people import Person, add_user
from app.users.permissions import Role

PASSWORD = "correct horse battery"
NEW = "another horse battery"


@pytest.fixture
def vera(database: Database) -> Person:
    """Vera, as she is in a request: with the key of her sign-in."""
    return come_in(database, add_user(database, "vera@example.com", Role.VIEWER, PASSWORD))


def come_in(database: Database, person: Person, *, remember: bool = False) -> Person:
    key = sign_ins.sign_in(database, person.email, PASSWORD, remember=remember)
    return dataclasses.replace(person, key=key)


def is_in(database: Database, person: Person) -> bool:
    return person.key is not None and sign_ins.who(database, person.key) is not None


def test_a_new_password_ends_every_sign_in_but_this(database: Database, vera: Person) -> None:
    elsewhere, token = come_in(database, vera), links.one_time_link(database, vera.id)
    change_own_password(database, vera, PASSWORD, NEW)
    assert is_in(database, vera)
    assert not is_in(database, elsewhere)
    with pytest.raises(LinkNotGood):
        links.person_of(database, token)
    with pytest.raises(WrongSignIn):
        sign_ins.sign_in(database, vera.email, PASSWORD)
    assert sign_ins.sign_in(database, vera.email, NEW)


def test_who_does_not_know_the_password_changes_nothing(database: Database, vera: Person) -> None:
    elsewhere = come_in(database, vera)
    with pytest.raises(WrongPassword, match="This is not your password"):
        change_own_password(database, vera, "wrong", NEW)
    assert is_in(database, elsewhere)
    assert sign_ins.sign_in(database, vera.email, PASSWORD)


def test_a_new_one_that_will_not_do_is_refused_before_the_current_one_is_looked_at(
    database: Database, vera: Person
) -> None:
    with pytest.raises(BadAccount, match="at least 10 characters"):
        change_own_password(database, vera, "wrong", "short")


def test_a_password_that_was_changed_meanwhile_is_not_changed_back(
    database: Database, vera: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = passwords.hashed

    def hashed_slowly(password: str) -> str:
        monkeypatch.setattr(passwords, "hashed", hashed)
        update_user(database, vera.id, by=None, password="of a superadmin")
        return hashed(password)

    monkeypatch.setattr(passwords, "hashed", hashed_slowly)
    with pytest.raises(WrongPassword):
        change_own_password(database, vera, PASSWORD, NEW)
    assert sign_ins.sign_in(database, vera.email, "of a superadmin")


@pytest.mark.parametrize("change", [{"password": NEW}, {"disabled": True}])
def test_nobody_comes_in_by_what_was_right_a_moment_ago(
    database: Database, vera: Person, monkeypatch: pytest.MonkeyPatch, change: changing.Changes
) -> None:
    is_right = passwords.is_right

    def looked_at_slowly(password: str, kept: str | None) -> bool:
        monkeypatch.setattr(passwords, "is_right", is_right)
        found = is_right(password, kept)
        update_user(database, vera.id, by=None, **change)
        return found

    monkeypatch.setattr(passwords, "is_right", looked_at_slowly)
    with pytest.raises(WrongSignIn):
        sign_ins.sign_in(database, vera.email, PASSWORD)


def test_the_own_sign_ins_are_listed_this_one_first(database: Database, vera: Person) -> None:
    kept = come_in(database, vera, remember=True)
    come_in(database, add_user(database, "bob@example.com", Role.VIEWER, PASSWORD))
    first, second = sign_ins.of_person(database, vera)
    assert (first.is_this, first.is_remembered) == (True, False)
    assert (second.is_this, second.is_remembered) == (False, True)
    assert second.since > first.since
    assert vera.key not in (first.id, second.id)
    assert [each.is_this for each in sign_ins.of_person(database, kept)] == [True, False]


def test_a_long_list_has_this_one_and_the_newest(database: Database, vera: Person) -> None:
    newer = [come_in(database, vera) for _ in range(3)]
    shown = sign_ins.of_person(database, vera, limit=3)
    newest = sign_ins.of_person(database, newer[-1], limit=2)
    assert shown[0].is_this
    assert newest[0].id == shown[1].id
    assert len(shown) == 3


def test_what_has_ended_is_not_listed(database: Database, vera: Person) -> None:
    with database.writing() as connection:
        connection.execute(update(SignIn).values(expires_at=now()))
    assert sign_ins.of_person(database, vera) == []


def test_one_of_the_own_is_ended_by_its_id(database: Database, vera: Person) -> None:
    elsewhere, further = come_in(database, vera), come_in(database, vera)
    id_ = sign_ins.of_person(database, elsewhere)[0].id
    for _ in range(2):
        sign_ins.end_one(database, vera, id_)
    assert [is_in(database, each) for each in (vera, elsewhere, further)] == [True, False, True]


def test_nobody_ends_the_sign_ins_of_another(database: Database, vera: Person) -> None:
    bob = come_in(database, add_user(database, "bob@example.com", Role.VIEWER, PASSWORD))
    for sign_in in sign_ins.of_person(database, vera):
        sign_ins.end_one(database, bob, sign_in.id)
    sign_ins.end_others(database, bob)
    assert is_in(database, vera)
    assert is_in(database, bob)


def test_all_others_are_ended_at_once(database: Database, vera: Person) -> None:
    others = [come_in(database, vera) for _ in range(2)]
    sign_ins.end_others(database, vera)
    assert is_in(database, vera)
    assert not any(is_in(database, each) for each in others)
