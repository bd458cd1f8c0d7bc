"""A socket knows who listens: signed out, disabled or with less of a role, it falls silent."""

from __future__ import annotations

import time

import pytest
from flask import Flask

from app.db import Database
from app.web.live import watcher
from tests.at_work import AtWork, Gate
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
def test_signing_out_ends_a_busy_socket_within_about_a_second(
    listen: Listen, vera: Visitor
) -> None:
    listener = listen(vera)
    listener.snapshot("job-updates")
    listener.hear()
    vera.post("/logout")
    begun = time.monotonic()
    assert listener.farewell() == 4401
    assert time.monotonic() - begun < 2


@pytest.mark.usefixtures("busy")
def test_a_disabled_account_ends_a_busy_socket_within_about_a_second(
    listen: Listen, app: Flask, vera: Visitor
) -> None:
    listener = listen(vera)
    listener.snapshot("job-updates")
    change(app, "disabled = TRUE", vera.email)
    begun = time.monotonic()
    assert listener.farewell() == 4401
    assert time.monotonic() - begun < 2


def test_signing_out_ends_an_idle_socket_soon(
    listen: Listen, vera: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "IDLE_SECONDS", 0.2)
    listener = listen(vera)
    listener.snapshot("job-updates")
    vera.post("/logout")
    assert listener.farewell() == 4401


def test_signing_out_here_leaves_the_socket_of_another_browser(
    listen: Listen, app: Flask, vera: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "IDLE_SECONDS", 0.2)
    elsewhere = Visitor(app, vera.email)
    elsewhere.sign_in()
    here, there = listen(vera), listen(elsewhere)
    vera.post("/logout")
    assert here.farewell() == 4401
    assert there.snapshot("job-updates") == []


def test_with_less_of_a_role_less_is_told_from_then_on(
    listen: Listen, app: Flask, alice: Visitor, at_work: AtWork, gate: Gate
) -> None:
    hidden = at_work.start("secretive")
    listener = listen(alice)
    topic = f"job-task-updates/{hidden}"
    assert len(listener.snapshot("job-updates")) == 1
    assert listener.snapshot(topic)
    change(app, "role = 'viewer'", alice.email)
    at_work.ended(hidden)
    at_work.start("writing", times=100_000, rest=0.02)
    changed_at = time.monotonic()
    while time.monotonic() < changed_at + 1.5:
        listener.hear()
    at_work.engine.set_job_state_field(hidden, "touched", True)
    refused = listener.hear_until(lambda message: message.get("topic") == topic)
    assert "Your role is viewer" in refused["error"]
    later = at_work.start("secretive")
    shown = at_work.start("swift")
    listener.hear_until(lambda message: told(message, shown))
    assert not any(told(each.message, later) for each in listener.heard)
