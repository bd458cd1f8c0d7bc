"""The first superadmin is made once, by whoever the server's owner meant."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from app import schema
from app.config import Settings
from app.db import Database, now
from app.users import setup, sign_ins
from app.users.errors import BadAccount, LinkNotGood, UsersError
from app.users.models import OneTimeLink, User
from app.users.people import add_user, find_by_email
from app.users.permissions import Role

PASSWORD = "correct horse battery"


def new_token(database: Database, settings: Settings) -> str:
    token = setup.prepare_first_superadmin(database, settings)
    assert token
    return token


def test_a_link_makes_a_superadmin_who_can_sign_in(database: Database, settings: Settings) -> None:
    made = setup.use_link(database, new_token(database, settings), "alice@example.com", PASSWORD)
    assert made.role == Role.SUPERADMIN
    assert sign_ins.sign_in(database, "alice@example.com", PASSWORD)


def test_a_link_is_good_once(database: Database, settings: Settings) -> None:
    token = new_token(database, settings)
    setup.use_link(database, token, "alice@example.com", PASSWORD)
    with pytest.raises(LinkNotGood):
        setup.use_link(database, token, "mallory@example.com", PASSWORD)
    with pytest.raises(LinkNotGood):
        setup.check_link(database, token)


def test_of_two_requests_with_one_link_one_makes_the_superadmin(
    empty_database: Database, settings: Settings
) -> None:
    schema.upgrade(empty_database)
    token = new_token(empty_database, settings)

    def use(number: int) -> bool:
        try:
            setup.use_link(empty_database, token, f"person{number}@example.com", PASSWORD)
        except LinkNotGood:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(8))) == 1
    with empty_database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(User)) == 1


def test_a_mistake_in_the_form_leaves_the_link_good(database: Database, settings: Settings) -> None:
    token = new_token(database, settings)
    with pytest.raises(BadAccount):
        setup.use_link(database, token, "alice@example.com", "short")
    setup.check_link(database, token)


def test_each_start_ends_the_link_before(database: Database, settings: Settings) -> None:
    old, new = new_token(database, settings), new_token(database, settings)
    setup.check_link(database, new)
    with pytest.raises(LinkNotGood):
        setup.check_link(database, old)


def test_a_link_is_good_for_a_day(database: Database, settings: Settings) -> None:
    token = new_token(database, settings)
    with database.writing() as connection:
        connection.execute(update(OneTimeLink).values(expires_at=now() - timedelta(seconds=1)))
    with pytest.raises(LinkNotGood):
        setup.use_link(database, token, "alice@example.com", PASSWORD)


def test_a_link_is_worth_nothing_once_somebody_has_an_account(
    database: Database, settings: Settings
) -> None:
    token = new_token(database, settings)
    add_user(database, "alice@example.com", Role.SUPERADMIN, PASSWORD)
    with pytest.raises(LinkNotGood):
        setup.use_link(database, token, "mallory@example.com", PASSWORD)
    with pytest.raises(LinkNotGood):
        setup.check_link(database, token)
    assert setup.prepare_first_superadmin(database, settings) is None


def test_the_token_itself_is_not_in_the_database(database: Database, settings: Settings) -> None:
    token = new_token(database, settings)
    with database.reading() as connection:
        assert token not in str(connection.execute(select(OneTimeLink.token_hash)).all())


def test_the_environment_can_name_the_first_superadmin(
    database: Database, settings: Settings
) -> None:
    named = dataclasses.replace(
        settings, admin_email="Boss@example.com", admin_password=PASSWORD, demo=True
    )
    assert setup.prepare_first_superadmin(database, named) is None
    assert sign_ins.sign_in(database, "boss@example.com", PASSWORD)
    assert find_by_email(database, setup.DEMO_EMAIL) is None


def test_a_password_that_will_not_do_is_told_with_the_setting(
    database: Database, settings: Settings
) -> None:
    named = dataclasses.replace(settings, admin_email="a@example.com", admin_password="short")
    with pytest.raises(UsersError, match=r"^JOBDECK_ADMIN_EMAIL and .* at least 10 characters"):
        setup.prepare_first_superadmin(database, named)


def test_the_demo_makes_a_known_one(database: Database, settings: Settings) -> None:
    demo = dataclasses.replace(settings, demo=True)
    assert setup.prepare_first_superadmin(database, demo) is None
    assert sign_ins.sign_in(database, setup.DEMO_EMAIL, setup.DEMO_PASSWORD)


def test_no_known_one_is_made_outside_of_the_demo_or_beside_an_account(
    database: Database, settings: Settings
) -> None:
    add_user(database, "alice@example.com", Role.SUPERADMIN, PASSWORD)
    setup.prepare_first_superadmin(database, dataclasses.replace(settings, demo=True))
    assert find_by_email(database, setup.DEMO_EMAIL) is None


def test_of_servers_that_start_at_once_one_makes_the_superadmin(
    empty_database: Database, settings: Settings
) -> None:
    schema.upgrade(empty_database)
    demo = dataclasses.replace(settings, demo=True)
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(setup.prepare_first_superadmin, empty_database, demo) for _ in range(8)]
    assert [each.result() for each in jobs] == [None] * 8
