"""Accounts are changed and deleted, and whoever was signed in by what changed is out (P11)."""

from __future__ import annotations

import dataclasses

import pytest

from app.config import Settings
from app.db import Database
from app.jobs import Engine
from app.users import links, sign_ins
from app.users.changing import Changes, delete_user, update_user
from app.users.errors import (
    AccountDisabled,
    BadAccount,
    LinkNotGood,
    NotAllowed,
    UserNotFound,
    WrongSignIn,
)
from app.users.people import Person, add_user, find_by_email, user
from app.users.permissions import Role

PASSWORD = "correct horse battery"


@pytest.fixture
def alice(database: Database) -> Person:
    return add_user(database, "alice@example.com", Role.SUPERADMIN, PASSWORD)


@pytest.fixture
def bob(database: Database) -> Person:
    return add_user(database, "bob@example.com", Role.OPERATOR, PASSWORD)


def signed_in(database: Database, person: Person) -> Person:
    """The person as they are in a request: with the key of their sign-in."""
    return dataclasses.replace(person, key=sign_ins.sign_in(database, person.email, PASSWORD))


def is_in(database: Database, person: Person) -> bool:
    return person.key is not None and sign_ins.who(database, person.key) is not None


def test_only_what_is_given_is_changed(database: Database, alice: Person, bob: Person) -> None:
    before = user(database, bob.id)
    after = update_user(database, bob.id, by=alice, email="Robert@example.com")
    assert after == dataclasses.replace(before, email="robert@example.com")
    assert user(database, bob.id) == after
    assert sign_ins.sign_in(database, "robert@example.com", PASSWORD)


def test_a_new_role_counts_at_once_for_who_is_signed_in(
    database: Database, alice: Person, bob: Person
) -> None:
    here = signed_in(database, bob)
    update_user(database, bob.id, by=alice, role="viewer")
    assert here.key
    seen = sign_ins.who(database, here.key)
    assert seen
    assert seen.role == Role.VIEWER


@pytest.mark.parametrize("changes", [Changes(disabled=True), Changes(password="another " * 3)])
def test_a_disabled_account_or_a_new_password_ends_the_sign_ins(
    database: Database, alice: Person, bob: Person, changes: Changes
) -> None:
    both = [signed_in(database, bob) for _ in range(2)]
    token = links.one_time_link(database, bob.id)
    update_user(database, bob.id, by=alice, **changes)
    assert not any(is_in(database, each) for each in both)
    with pytest.raises(LinkNotGood):
        links.person_of(database, token)


def test_a_new_address_ends_the_link_that_went_to_the_old_one_only(
    database: Database, alice: Person, bob: Person
) -> None:
    here, token = signed_in(database, bob), links.one_time_link(database, bob.id)
    update_user(database, bob.id, by=alice, email="robert@example.com")
    assert is_in(database, here)
    with pytest.raises(LinkNotGood):
        links.person_of(database, token)


def test_a_form_that_is_sent_as_it_came_changes_and_ends_nothing(
    database: Database, alice: Person, bob: Person
) -> None:
    here, token = signed_in(database, bob), links.one_time_link(database, bob.id)
    before = user(database, bob.id)
    update_user(
        database, bob.id, by=alice, email=bob.email, role="operator", disabled=False, password=None
    )
    assert user(database, bob.id) == before
    assert is_in(database, here)
    assert links.person_of(database, token) == bob


def test_the_sign_in_by_which_one_changes_oneself_goes_on(
    database: Database, alice: Person
) -> None:
    here, there = signed_in(database, alice), signed_in(database, alice)
    update_user(database, alice.id, by=here, password="another " * 3)
    assert is_in(database, here)
    assert not is_in(database, there)


def test_who_is_enabled_again_must_sign_in_again(
    database: Database, alice: Person, bob: Person
) -> None:
    here = signed_in(database, bob)
    update_user(database, bob.id, by=here if bob.role == Role.SUPERADMIN else alice, disabled=True)
    with pytest.raises(WrongSignIn):
        sign_ins.sign_in(database, bob.email, PASSWORD)
    update_user(database, bob.id, by=alice, disabled=False)
    assert not is_in(database, here)
    assert sign_ins.sign_in(database, bob.email, PASSWORD)


def test_who_disables_oneself_leaves_no_cookie_behind(database: Database, alice: Person) -> None:
    other = add_user(database, "ann@example.com", Role.SUPERADMIN, PASSWORD)
    here = signed_in(database, alice)
    update_user(database, alice.id, by=here, disabled=True)
    update_user(database, alice.id, by=other, disabled=False)
    assert not is_in(database, here)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (Changes(email="bob"), "email"),
        (Changes(email=""), "email"),
        (Changes(email="Alice@example.com"), "email"),
        (Changes(role="king"), "role"),
        (Changes(password="short"), "password"),
        (Changes(password=""), "password"),
    ],
)
def test_what_will_not_do_is_refused_and_changes_nothing(
    database: Database, alice: Person, bob: Person, changes: Changes, field: str
) -> None:
    before = user(database, bob.id)
    with pytest.raises(BadAccount) as refused:
        update_user(database, bob.id, by=alice, **changes)
    assert list(refused.value.fields) == [field]
    assert user(database, bob.id) == before


def test_who_is_deleted_is_out_and_the_address_is_free(
    database: Database, alice: Person, bob: Person
) -> None:
    here = signed_in(database, bob)
    links.one_time_link(database, bob.id)
    delete_user(database, bob.id, alice)
    assert not is_in(database, here)
    assert find_by_email(database, bob.email) is None
    assert add_user(database, bob.email, Role.VIEWER, PASSWORD).id > bob.id


@pytest.mark.parametrize("user_id", [7, -1, 2**80])
def test_nobody_else_is_changed_or_deleted(database: Database, alice: Person, user_id: int) -> None:
    with pytest.raises(UserNotFound):
        update_user(database, user_id, by=alice, role="viewer")
    with pytest.raises(UserNotFound):
        delete_user(database, user_id, alice)
    with pytest.raises(UserNotFound):
        links.one_time_link(database, user_id)


def test_who_has_lost_the_role_meanwhile_changes_nobody(
    database: Database, alice: Person, bob: Person
) -> None:
    add_user(database, "ann@example.com", Role.SUPERADMIN, PASSWORD)
    update_user(database, alice.id, by=None, role="operator")
    with pytest.raises(NotAllowed, match="no superadmin any more"):
        update_user(database, bob.id, by=alice, role="superadmin")
    with pytest.raises(NotAllowed):
        delete_user(database, bob.id, alice)


def test_a_disabled_account_gets_no_link(database: Database, alice: Person, bob: Person) -> None:
    update_user(database, bob.id, by=alice, disabled=True)
    with pytest.raises(AccountDisabled):
        links.one_time_link(database, bob.id)


def test_the_jobs_of_who_is_deleted_stay_as_nobodys(
    database: Database, settings: Settings, alice: Person, bob: Person
) -> None:
    engine = Engine(database, settings)
    job_id = engine.start("example_job_handler", started_by=bob)
    assert engine.job(job_id).started_by is not None
    delete_user(database, bob.id, alice)
    assert engine.job(job_id).started_by is None
