"""A socket knows who listens: signed out, disabled or with less of a role, it falls silent."""

from __future__ import annotations

import pytest
from flask import Flask

from app.db import Database
from app.jobs import Engine
from app.users.changing import delete_user
from app.users.people import find_by_email
from app.web.live import watcher
from tests.at_work import AtWork
from tests.visitor import Visitor
from tests.web.live.conftest import Listen
from tests.web.live.listener import told


@pytest.fixture
def busy(at_work: AtWork) -> int:
    """A job that changes all the time."""
    return at_work.start("writing", times=100_000, rest=0.02)


def change(app: Flask, statement: str, email: str) -> None:
    """Change an account, as a superadmin does."""
    database: Database = app.extensions["jobdeck_database"]
    with database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE user SET {statement} WHERE email = '{email}'")


@pytest.mark.usefixtures("busy")
def test_signing_out_ends_a_busy_socket(listen: Listen, vera: Visitor) -> None:
    listener = listen(vera)
    listener.snapshot("job-updates")
    listener.hear()
    vera.post("/logout")
    assert listener.farewell() == 4401


@pytest.mark.usefixtures("busy")
def test_a_disabled_account_ends_a_busy_socket(listen: Listen, app: Flask, vera: Visitor) -> None:
    listener = listen(vera)
    listener.snapshot("job-updates")
    change(app, "disabled = TRUE", vera.email)
    assert listener.farewell() == 4401


def test_signing_out_ends_an_idle_socket(listen: Listen, vera: Visitor) -> None:
    listener = listen(vera)
    listener.snapshot("job-updates")
    vera.post("/logout")
    assert listener.farewell() == 4401


def test_an_account_that_is_gone_ends_an_idle_socket(
    listen: Listen, app: Flask, vera: Visitor, oscar: Visitor
) -> None:
    gone, disabled = listen(vera), listen(oscar)
    for listener in (gone, disabled):
        listener.snapshot("job-updates")
    database = app.extensions["jobdeck_database"]
    person = find_by_email(database, vera.email)
    assert person
    delete_user(database, person.id, None)
    change(app, "disabled = TRUE", oscar.email)
    assert gone.farewell() == 4401
    assert disabled.farewell() == 4401


def test_when_the_lookout_cannot_ask_each_socket_asks_by_itself(
    listen: Listen, app: Flask, vera: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(watcher, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(app.extensions["jobdeck_lookout"], "_who_are", fail)
    listener = listen(vera)
    listener.snapshot("job-updates")
    vera.post("/logout")
    assert listener.farewell() == 4401


def test_signing_out_here_leaves_the_socket_of_another_browser(
    listen: Listen, app: Flask, vera: Visitor
) -> None:
    elsewhere = Visitor(app, vera.email)
    elsewhere.sign_in()
    here, there = listen(vera), listen(elsewhere)
    vera.post("/logout")
    assert here.farewell() == 4401
    assert there.snapshot("job-updates") == []


def test_with_less_of_a_role_an_idle_socket_loses_what_it_may_not_see(
    listen: Listen, app: Flask, alice: Visitor, engine: Engine
) -> None:
    hidden, shown = engine.start("secretive"), engine.start("swift")
    listener = listen(alice)
    topics = [f"view/job/{hidden}", f"job-state/{hidden}/sum", f"job-task-updates/{hidden}"]
    for topic in (*topics, "view/jobs", f"view/job/{shown}"):
        listener.subscribe(topic)
        listener.hear_until(lambda message: "subscribed" not in message)
    change(app, "role = 'viewer'", alice.email)
    left, actions = set(topics), f"job-{shown}-actions"
    seen: set[str] = set()
    while left or {"list", "actions"} - seen:
        message = listener.hear()
        if "error" in message:
            assert "Your role is viewer" in message["error"]
            left.discard(message["topic"])
        order = message.get("lists", {}).get("job-rows", {}).get("order")
        seen |= {"list"} if order == [f"job-row-{shown}"] else set()
        seen |= {"actions"} if "only for" in message.get("html", {}).get(actions, "") else set()


def test_with_less_of_a_role_less_is_told_from_then_on(
    listen: Listen, app: Flask, alice: Visitor, at_work: AtWork
) -> None:
    hidden = at_work.start("secretive")
    listener = listen(alice)
    topic = f"job-task-updates/{hidden}"
    assert len(listener.snapshot("job-updates")) == 1
    assert listener.snapshot(topic)
    at_work.ended(hidden)
    change(app, "role = 'viewer'", alice.email)
    refused = listener.hear_until(lambda message: "error" in message)
    assert refused["topic"] == topic
    assert "Your role is viewer" in refused["error"]
    later = at_work.start("secretive")
    shown = at_work.start("swift")
    listener.hear_until(lambda message: told(message, shown))
    assert not any(told(each.message, later) for each in listener.heard)
