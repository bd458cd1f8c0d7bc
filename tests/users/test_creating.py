"""Accounts are made with a password or without, and none is made twice (P11)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from app import schema
from app.db import Database
from app.users import sign_ins
from app.users.errors import BadAccount, UserNotFound, WrongSignIn
from app.users.people import Person, create_user, create_user_if_new, find_by_email, user, users
from app.users.permissions import Role

PASSWORD = "correct horse battery"


def test_an_account_is_made_and_can_be_looked_at(database: Database) -> None:
    made = create_user(database, email=" Bob@Example.com", role="operator", password=PASSWORD)
    assert made == Person(id=made.id, email="bob@example.com", role=Role.OPERATOR)
    found = user(database, made.id)
    assert (found.email, found.role, found.has_password) == (made.email, made.role, True)
    assert (found.disabled, found.last_sign_in_at) == (False, None)
    sign_ins.sign_in(database, "bob@example.com", PASSWORD)
    assert user(database, made.id).last_sign_in_at


def test_an_account_without_a_password_cannot_be_signed_in_to(database: Database) -> None:
    made = create_user(database, email="bob@example.com", role="viewer")
    assert not user(database, made.id).has_password
    for guess in ("", PASSWORD):
        with pytest.raises(WrongSignIn):
            sign_ins.sign_in(database, "bob@example.com", guess)


def test_every_field_that_is_wrong_gets_its_sentence(database: Database) -> None:
    with pytest.raises(BadAccount) as refused:
        create_user(database, email="bob", role="king", password="short")
    assert refused.value.fields == {
        "email": "This is not an e-mail address.",
        "role": "A role is viewer, operator or superadmin.",
        "password": "A password needs at least 10 characters.",
    }
    assert users(database) == []


def test_half_a_character_in_a_password_is_refused_and_never_right(database: Database) -> None:
    with pytest.raises(BadAccount, match="whole characters"):
        create_user(database, email="bob@example.com", role="viewer", password=PASSWORD + "\ud800")
    create_user(database, email="bob@example.com", role="viewer", password=PASSWORD)
    with pytest.raises(WrongSignIn):
        sign_ins.sign_in(database, "bob@example.com", PASSWORD + "\ud800")


@pytest.mark.parametrize("user_id", [0, -1, 7, 2**63, 10**30])
def test_nobody_has_an_id_that_was_never_given(database: Database, user_id: int) -> None:
    with pytest.raises(UserNotFound):
        user(database, user_id)


@pytest.mark.parametrize("email", ["", "\0", "\ud800", "x" * 1_000_000])
def test_nobody_has_an_address_that_cannot_be(empty_database: Database, email: str) -> None:
    schema.upgrade(empty_database)
    assert find_by_email(empty_database, email) is None
    with pytest.raises(WrongSignIn):
        sign_ins.sign_in(empty_database, email, PASSWORD)


def test_accounts_are_listed_by_address(database: Database) -> None:
    for name in ("vera", "bob"):
        create_user(database, email=f"{name}@example.com", role="viewer")
    assert [each.email for each in users(database)] == ["bob@example.com", "vera@example.com"]


def test_an_account_that_is_there_already_is_left_as_it_is(database: Database) -> None:
    made = create_user_if_new(database, "bob@example.com", "viewer")
    assert made is not None
    before = user(database, made.id)
    assert create_user_if_new(database, "BOB@example.com", "superadmin") is None
    assert user(database, made.id) == before


@pytest.mark.parametrize(("email", "role"), [("bob", "viewer"), ("bob@example.com", "king")])
def test_what_cannot_be_an_account_is_refused_though_it_is_new(
    database: Database, email: str, role: str
) -> None:
    with pytest.raises(BadAccount):
        create_user_if_new(database, email, role)


def test_of_many_that_make_the_same_account_at_once_one_does(empty_database: Database) -> None:
    schema.upgrade(empty_database)

    def make(_: int) -> bool:
        return create_user_if_new(empty_database, "bob@example.com", "viewer") is not None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(make, range(24))) == 1
