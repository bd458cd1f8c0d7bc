"""A job's state that cannot be read for a while: who asks for it waits, and no task fails of it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from app.jobs import Handler, Task
from app.jobs.errors import EngineStopped
from app.jobs.store import recording
from app.jobs.store.recording import JobState
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done


def unreadable(monkeypatch: pytest.MonkeyPatch, times: float) -> list[int]:
    """Let so many questions fail as those do whose connection was cut; return what was asked."""
    asked: list[int] = []
    real = recording.job_state

    def job_state(connection: Connection, job_id: int) -> JobState:
        asked.append(job_id)
        if len(asked) <= times:
            raise OperationalError("SELECT", None, Exception("the connection is gone"))
        return real(connection, job_id)

    monkeypatch.setattr(recording, "job_state", job_state)
    return asked


def test_a_task_goes_on_when_it_can_be_read(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = unreadable(monkeypatch, 2)

    def add(state: dict[str, Any]) -> None:
        state["sum"] = state.get("sum", 0) + 1

    engine = engines(Handler(name="work", run=lambda task: task.job.update_fields_atomically(add)))
    job = done(engine, engine.start_new_job("x", None, blank(1), "work"))
    assert (job.state, len(asked)) == ({"sum": 1}, 3)


def test_a_task_that_waits_for_it_hears_that_the_engine_stops(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, heard = unreadable(monkeypatch, float("inf")), []

    def body(task: Task) -> None:
        with pytest.raises(EngineStopped):
            task.job.get_state_field("a")
        heard.append("stopped")

    engine = engines(Handler(name="work", run=body), grace_seconds=0.05)
    engine.start_new_job("x", None, blank(1), "work")
    eventually(lambda: asked)
    engine.stop()
    eventually(lambda: heard)
