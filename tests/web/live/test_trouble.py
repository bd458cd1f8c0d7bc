"""When something goes wrong around a socket: the database, the engine, the server's own end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from app.jobs import Engine
from app.web.live import close_all, topics
from tests.eventually import eventually
from tests.visitor import Visitor
from tests.web.live.conftest import Listen
from tests.web.live.listener import told

LOCKED = OperationalError("SELECT", {}, Exception("database is locked"))


class Failing:
    """A function that fails some times before it does what it did."""

    def __init__(self, function: Callable[..., Any], times: int) -> None:
        self.failures = 0
        self._function = function
        self._times = times

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        """Fail, or do it."""
        if self.failures < self._times:
            self.failures += 1
            raise LOCKED
        return self._function(*arguments, **more)


def test_when_the_server_ends_every_socket_is_told_to_come_again(
    listen: Listen, vera: Visitor
) -> None:
    sockets = [listen(vera) for _ in range(3)]
    for each in sockets:
        each.snapshot("job-updates")
    close_all()
    assert [each.farewell(within=1) for each in sockets] == [1012] * 3


def test_an_update_that_cannot_be_read_comes_later(
    listen: Listen,
    vera: Visitor,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    listener = listen(vera)
    listener.snapshot("job-updates")
    monkeypatch.setattr(engine, "jobs_of", Failing(engine.jobs_of, 2))
    with caplog.at_level(logging.WARNING):
        job_id = engine.start("swift")
        listener.hear_until(lambda message: told(message, job_id), within=3)
    assert "A live update was left out: database is locked" in caplog.text


def test_the_lookout_goes_on_after_it_could_not_look(
    listen: Listen,
    vera: Visitor,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    job_id = engine.start("swift")
    listener = listen(vera)
    listener.snapshot("job-updates")
    failing = Failing(engine.active_versions, 2)
    monkeypatch.setattr(engine, "active_versions", failing)
    with caplog.at_level(logging.WARNING):
        eventually(lambda: failing.failures == 2)
    change_elsewhere(engine, job_id)
    assert listener.hear_until(lambda message: told(message, job_id), within=3)
    assert "Other processes' changes cannot be seen just now" in caplog.text


def change_elsewhere(engine: Engine, job_id: int) -> None:
    """Change a job as another process does: without a word to this one."""
    with engine.database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE job SET version = version + 1 WHERE id = {job_id}")


def test_an_engine_in_trouble_says_so_in_every_open_popup(
    listen: Listen, vera: Visitor, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = engine.start("swift")
    listener = listen(vera, f"view/job/{job_id}")
    listener.hear_until(lambda message: "html" in message)
    monkeypatch.setattr(Engine, "trouble", "The database has been locked for 20 s.")
    notices = f"job-{job_id}-notices"
    listener.hear_until(lambda m: "locked for 20 s" in m.get("html", {}).get(notices, ""))


def test_a_socket_that_has_told_of_very_many_jobs_forgets_the_oldest(
    listen: Listen, vera: Visitor, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "REMEMBERED", 4)
    listener = listen(vera)
    listener.snapshot("job-updates")
    ids = [engine.start("swift") for _ in range(9)]
    heard: set[int] = set()
    while heard != set(ids):
        heard |= {each["jobId"] for each in listener.hear()["data"]}
