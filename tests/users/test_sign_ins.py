"""A sign-in lasts until it is ended, and not a request longer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from app.db import Database, now
from app.users import sign_ins
from app.users.errors import WrongSignIn
from app.users.models import SignIn, User
from app.users.people import Person, add_user
from app.users.permissions import Role

PASSWORD = "correct horse battery"


@pytest.fixture
def vera(database: Database) -> Person:
    return add_user(database, "vera@example.com", Role.VIEWER, PASSWORD)


def change(database: Database, **values: object) -> None:
    with database.writing() as connection:
        connection.execute(update(User).values(values))


def test_the_key_of_a_sign_in_tells_who_it_is(database: Database, vera: Person) -> None:
    key = sign_ins.sign_in(database, "Vera@Example.com", PASSWORD)
    assert sign_ins.who(database, key) == vera
    assert sign_ins.who(database, "another") is None


@pytest.mark.parametrize(
    ("email", "password"),
    [("vera@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("vera@example.com", "")],
)
@pytest.mark.usefixtures("vera")
def test_what_is_wrong_is_not_told(database: Database, email: str, password: str) -> None:
    with pytest.raises(WrongSignIn, match=r"^The e-mail address or the password is not right\.$"):
        sign_ins.sign_in(database, email, password)


@pytest.mark.usefixtures("vera")
def test_signing_out_ends_this_sign_in_and_no_other(database: Database) -> None:
    here = sign_ins.sign_in(database, "vera@example.com", PASSWORD)
    there = sign_ins.sign_in(database, "vera@example.com", PASSWORD)
    sign_ins.sign_out(database, here)
    assert sign_ins.who(database, here) is None
    assert sign_ins.who(database, there)


@pytest.mark.usefixtures("vera")
def test_a_disabled_person_is_out_at_once_and_cannot_come_back(database: Database) -> None:
    key = sign_ins.sign_in(database, "vera@example.com", PASSWORD)
    change(database, disabled=True)
    assert sign_ins.who(database, key) is None
    with pytest.raises(WrongSignIn):
        sign_ins.sign_in(database, "vera@example.com", PASSWORD)


@pytest.mark.usefixtures("vera")
def test_a_changed_role_holds_at_once(database: Database) -> None:
    key = sign_ins.sign_in(database, "vera@example.com", PASSWORD)
    change(database, role="operator")
    person = sign_ins.who(database, key)
    assert person is not None
    assert person.role == Role.OPERATOR


@pytest.mark.parametrize(
    ("remember", "lifetime"), [(True, timedelta(days=30)), (False, timedelta(days=1))]
)
@pytest.mark.usefixtures("vera")
def test_a_sign_in_ends_by_itself(database: Database, remember: bool, lifetime: timedelta) -> None:
    key = sign_ins.sign_in(database, "vera@example.com", PASSWORD, remember=remember)
    with database.reading() as connection:
        ends = connection.scalar(select(SignIn.expires_at))
    assert ends is not None
    assert abs(ends - now() - lifetime) < timedelta(minutes=1)
    with database.writing() as connection:
        connection.execute(update(SignIn).values(expires_at=now()))
    assert sign_ins.who(database, key) is None


@pytest.mark.usefixtures("vera")
def test_what_has_ended_is_removed_by_the_next_sign_in(database: Database) -> None:
    sign_ins.sign_in(database, "vera@example.com", PASSWORD)
    with database.writing() as connection:
        connection.execute(update(SignIn).values(expires_at=now() - timedelta(seconds=1)))
    key = sign_ins.sign_in(database, "vera@example.com", PASSWORD)
    with database.reading() as connection:
        assert connection.scalars(select(SignIn.key)).all() == [key]


@pytest.mark.usefixtures("vera")
def test_a_hash_of_old_parameters_is_renewed_by_the_next_sign_in(database: Database) -> None:
    old = PasswordHasher(2, 16, 1).hash(PASSWORD)
    change(database, password_hash=old)
    sign_ins.sign_in(database, "vera@example.com", PASSWORD)
    with database.reading() as connection:
        assert connection.scalar(select(User.password_hash)) != old
    assert sign_ins.sign_in(database, "vera@example.com", PASSWORD)


@pytest.mark.usefixtures("vera")
def test_when_somebody_came_last_is_kept(database: Database) -> None:
    sign_ins.sign_in(database, "vera@example.com", PASSWORD)
    with database.reading() as connection:
        seen = connection.scalar(select(User.last_sign_in_at))
    assert seen is not None
    assert now() - seen < timedelta(minutes=1)
