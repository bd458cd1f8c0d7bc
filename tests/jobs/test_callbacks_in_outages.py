"""A callback during which the database is away waits for it, and what it says counts once (A11)."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from app.jobs import JobStatus
from app.jobs.errors import TaskLost, TaskTimedOut
from app.jobs.signals import job_finished
from app.jobs.store import creating, ending, recording
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.hooked import Hooked, nothing, over, run
from tests.jobs.locking import locked
from tests.jobs.looking import blank
from tests.jobs.test_adding_in_outages import AWAY, Commits


@pytest.fixture(autouse=True)
def _swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engines.LOCK_SECONDS", 0.05)
    monkeypatch.setattr("app.jobs.patience.RETRY_SECONDS", 0.02)


def unanswered(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[int]:
    """Let two questions fail as those do whose connection was cut; return what was asked."""
    asked: list[int] = []
    real = getattr(module, name)

    def ask(connection: Connection, job_id: int) -> Any:
        asked.append(job_id)
        if len(asked) <= 2:
            raise OperationalError("SELECT", None, Exception("the connection is gone"))
        return real(connection, job_id)

    monkeypatch.setattr(module, name, ask)
    return asked


def test_it_is_called_when_it_can_be_seen_that_nobody_has_cancelled(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = unanswered(monkeypatch, ending, "is_cancelled")
    handler = Hooked(nothing, nothing)
    job = run(engines(handler))
    assert (job.status, job.error, len(asked)) == (JobStatus.DONE, None, 3)
    assert handler.called == ["before 1", "after"]


def test_it_reads_what_it_asks_for_when_that_can_be_read(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = unanswered(monkeypatch, recording, "job_state")
    job = run(engines(Hooked(lambda job, _: job.set_state_field("a", 1))))
    assert (job.state, job.error, len(asked)) == ({"a": 1}, None, 3)


@pytest.mark.about_servers("between SQLite and who asks it no answer is lost")
def test_a_change_whose_commit_is_not_answered_is_made_once(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = Commits(1, is_carried_out=True)

    def before(job: Any, _: int) -> None:
        commits.watch(monkeypatch)
        job.update_fields_atomically(lambda state: state.update(sum=state.get("sum", 0) + 1))

    job = run(engines(Hooked(before)))
    assert (job.state, job.error) == ({"sum": 1}, None)
    assert commits.count > 1


def test_it_waits_no_longer_than_its_timeout(engines: Engines) -> None:
    heard: list[str] = []

    def before(job: Any, _: int) -> None:
        with locked(engine.database):
            with pytest.raises(TaskTimedOut):
                job.set_state_field("a", 1)
            heard.append("timed out")

    engine = engines(Hooked(before, nothing, timeout=0.5))
    job = run(engine)
    assert job.error == "before_job_finish took longer than 0.5 s, which is its timeout."
    assert (job.state, heard) == ({}, ["timed out"])


def test_it_hears_that_the_engine_stops(
    engines: Engines, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    def before(job: Any, _: int) -> None:
        if not heard:
            with locked(engine.database):
                with pytest.raises(TaskLost):
                    job.set_state_field("a", 1)
                heard.append("lost")
            assert gate.wait(20)

    handler = Hooked(before)
    engine = engines(handler, grace_seconds=0.05)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    eventually(lambda: AWAY in caplog.text)
    engine.stop()
    eventually(lambda: heard)
    gate.set()
    assert over(engines(handler), job_id).status == JobStatus.DONE


def test_an_end_that_cannot_be_written_is_left_to_others_when_the_engine_stops(
    engines: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Hooked(lambda *_: lock.enter_context(locked(engine.database)))
    short: dict[str, Any] = {"grace_seconds": 0.05, "lease_seconds": 1.0, "heartbeat_seconds": 0.1}
    engine = engines(handler, **short)  # it cannot say that it leaves
    with contextlib.ExitStack() as lock:
        job_id = engine.start_new_job("x", None, blank(1), "work")
        eventually(lambda: AWAY in caplog.text)
        engine.stop()
    again = Hooked(nothing)
    assert over(engines(again), job_id).status == JobStatus.DONE
    assert (handler.called, again.called) == (["before 1"], ["before 1"])


@pytest.mark.about_servers("between SQLite and who asks it no answer is lost")
@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("count", [3, 35])
def test_its_end_is_recorded_once_although_the_commit_is_not_answered(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, lost: int, count: int
) -> None:
    monkeypatch.setattr(creating, "CHUNK", 10)
    ended: list[int] = []
    commits = Commits(*range(1, 9), is_carried_out=True)

    def before(job: Any, rounds: int) -> None:
        if rounds == 1:
            job.add_tasks(blank(count))
        if rounds == lost:
            commits.watch(monkeypatch)

    handler = Hooked(before, nothing)
    with job_finished.connected_to(lambda _, job: ended.append(job.id)):
        job = run(engines(handler))
    assert (job.status, job.error, job.total) == (JobStatus.DONE, None, job.done)
    assert job.total >= count
    assert handler.called == ["before 1", "before 2", "after"]
    assert ended == [job.id]
