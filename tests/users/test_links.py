"""A one-time link sets the password of one account, once, within three days (P11)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app import schema
from app.config import Settings
from app.db import Database, now
from app.users import links, setup, sign_ins
from app.users.changing import update_user
from app.users.errors import BadAccount, LinkNotGood, WrongSignIn
from app.users.models import OneTimeLink
from app.users.people import Person, add_user, create_user, user
from app.users.permissions import Role

PASSWORD = "correct horse battery"
NEW = "another horse battery"


@pytest.fixture
def bob(database: Database) -> Person:
    return create_user(database, email="bob@example.com", role="operator")


def refused(database: Database, token: str) -> bool:
    """Whether nothing can be done with the link, not even looking whose it is."""
    with pytest.raises(LinkNotGood, match="Ask a superadmin for a new one"):
        links.person_of(database, token)
    with pytest.raises(LinkNotGood, match="Ask a superadmin for a new one"):
        links.set_password(database, token, NEW)
    return True


def test_a_link_opens_an_account_that_has_no_password(database: Database, bob: Person) -> None:
    token = links.one_time_link(database, bob.id)
    assert links.person_of(database, token) == bob
    assert links.set_password(database, token, NEW) == bob
    assert user(database, bob.id).has_password
    assert sign_ins.sign_in(database, bob.email, NEW)
    assert refused(database, token)


def test_a_link_replaces_a_password_and_ends_the_sign_ins(database: Database) -> None:
    vera = add_user(database, "vera@example.com", Role.VIEWER, PASSWORD)
    key = sign_ins.sign_in(database, vera.email, PASSWORD)
    token = links.one_time_link(database, vera.id)
    assert sign_ins.who(database, key)  # nothing is changed before the link is used
    links.set_password(database, token, NEW)
    assert sign_ins.who(database, key) is None
    with pytest.raises(WrongSignIn):
        sign_ins.sign_in(database, vera.email, PASSWORD)


def test_a_mistake_leaves_the_link_good(database: Database, bob: Person) -> None:
    token = links.one_time_link(database, bob.id)
    with pytest.raises(BadAccount):
        links.set_password(database, token, "short")
    assert links.person_of(database, token) == bob


def test_a_new_link_ends_the_one_before_and_no_others(database: Database, bob: Person) -> None:
    vera = create_user(database, email="vera@example.com", role="viewer")
    of_vera = links.one_time_link(database, vera.id)
    old, new = links.one_time_link(database, bob.id), links.one_time_link(database, bob.id)
    assert refused(database, old)
    assert links.person_of(database, new) == bob
    assert links.person_of(database, of_vera) == vera


def test_a_link_ends_by_itself(database: Database, bob: Person) -> None:
    token = links.one_time_link(database, bob.id)
    with database.reading() as connection:
        ends = connection.scalar(select(OneTimeLink.expires_at))
    assert ends is not None
    assert abs(ends - now() - timedelta(days=3)) < timedelta(minutes=1)
    with database.writing() as connection:
        connection.execute(update(OneTimeLink).values(expires_at=now() - timedelta(seconds=1)))
    assert refused(database, token)


def test_the_link_of_an_account_that_was_disabled_since_is_worth_nothing(
    database: Database, bob: Person
) -> None:
    token = links.one_time_link(database, bob.id)
    update_user(database, bob.id, by=None, disabled=True)
    update_user(database, bob.id, by=None, disabled=False)
    assert refused(database, token)


def test_a_link_of_one_kind_does_nothing_of_the_other(
    database: Database, settings: Settings
) -> None:
    token = setup.prepare_first_superadmin(database, settings)
    assert token is not None
    assert refused(database, token)
    bob = create_user(database, email="bob@example.com", role="viewer")
    with pytest.raises(LinkNotGood):
        setup.use_link(database, links.one_time_link(database, bob.id), "eve@example.com", NEW)


def test_the_token_itself_is_not_in_the_database(database: Database, bob: Person) -> None:
    token = links.one_time_link(database, bob.id)
    with database.reading() as connection:
        assert token not in str(connection.execute(select(OneTimeLink.token_hash)).all())


def test_of_many_that_use_one_link_at_once_one_sets_the_password(
    empty_database: Database,
) -> None:
    schema.upgrade(empty_database)
    bob = create_user(empty_database, email="bob@example.com", role="operator")
    token = links.one_time_link(empty_database, bob.id)

    def use(number: int) -> list[str]:
        password = f"{NEW} {number}"
        try:
            links.set_password(empty_database, token, password)
        except LinkNotGood:
            return []
        return [password]

    with ThreadPoolExecutor(8) as pool:
        set_ = [password for used in pool.map(use, range(8)) for password in used]
    assert len(set_) == 1
    assert sign_ins.sign_in(empty_database, bob.email, set_[0])
