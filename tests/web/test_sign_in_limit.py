"""Ten wrong sign-ins a minute; right ones do not count."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from app.config import Settings
from app.users.people import add_user
from app.users.permissions import Role
from tests.conftest import MakeApp
from tests.visitor import PASSWORD, Visitor


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return dataclasses.replace(settings, rate_limit=True, trusted_proxies=1)


@pytest.fixture(autouse=True)
def _people(app: Flask) -> None:
    for name in ("bob", "eve"):
        add_user(app.extensions["jobdeck_database"], f"{name}@example.com", Role.VIEWER, PASSWORD)


def attempt(app: Flask, *, name: str = "bob", password: str = "wrong", address: str = "1") -> int:
    visitor = Visitor(app, f"{name}@example.com")
    visitor.client.environ_base["HTTP_X_FORWARDED_FOR"] = f"10.0.0.{address}"
    return visitor.sign_in(password).status_code


def test_the_eleventh_wrong_one_is_refused_and_so_is_a_right_one_then(app: Flask) -> None:
    assert [attempt(app) for _ in range(11)] == [401] * 10 + [429]
    assert attempt(app, password=PASSWORD) == 429


def test_it_says_so_in_a_sentence(app: Flask) -> None:
    bob = Visitor(app, "bob@example.com")
    answers = [bob.sign_in("wrong") for _ in range(11)]
    assert "Too many wrong sign-ins. Wait a minute, then try again." in answers[-1].text


def test_right_ones_do_not_count(app: Flask) -> None:
    assert [attempt(app, password=PASSWORD) for _ in range(15)] == [303] * 15
    assert attempt(app) == 401


def test_an_account_is_guarded_against_many_addresses(app: Flask) -> None:
    assert [attempt(app, address=str(each)) for each in range(11)] == [401] * 10 + [429]
    assert attempt(app, name="eve", password=PASSWORD, address="99") == 303


def test_an_address_is_kept_from_many_accounts(app: Flask) -> None:
    assert [attempt(app, name=f"nobody{each}") for each in range(11)] == [401] * 10 + [429]
    assert attempt(app, password=PASSWORD, address="99") == 303


def test_an_address_that_is_held_up_does_not_hold_up_the_accounts_it_tries(app: Flask) -> None:
    for each in range(10):
        attempt(app, name=f"nobody{each}")
    assert [attempt(app) for _ in range(11)] == [429] * 11
    assert attempt(app, password=PASSWORD, address="99") == 303


def test_guesses_that_come_all_at_once_do_not_slip_through(app: Flask) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: attempt(app), range(40)))
    assert answers.count(401) <= 10
    assert set(answers) == {401, 429}


def test_guesses_at_the_own_password_count_as_wrong_sign_ins(app: Flask) -> None:
    bob = Visitor(app, "bob@example.com")
    bob.sign_in()
    form = {"current": "wrong", "password": "another battery", "repeat": "another battery"}
    too_short = form | {"password": "short", "repeat": "short"}
    assert [guess(bob, too_short) for _ in range(12)] == [422] * 12
    assert [guess(bob, form) for _ in range(11)] == [422] * 10 + [429]
    assert guess(bob, form | {"current": PASSWORD}) == 429
    assert attempt(app, password=PASSWORD, address="99") == 429


def guess(visitor: Visitor, form: dict[str, str]) -> int:
    return visitor.post("/account/password", form).status_code


def test_it_can_be_switched_off(make_app: MakeApp, settings: Settings) -> None:
    app = make_app(dataclasses.replace(settings, rate_limit=False))
    assert [attempt(app) for _ in range(12)] == [401] * 12
