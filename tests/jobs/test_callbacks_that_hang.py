"""A callback that takes longer than its timeout keeps neither its job nor a thread (B5)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.jobs import JobStatus
from app.jobs.errors import TaskTimedOut
from app.jobs.store import keeping
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.hooked import Hooked, Params, nothing, over, run
from tests.jobs.looking import blank, done, ended, sql

#: Long enough for all that is to be in time.
SOON = 0.5
LATE = {
    "before": "before_job_finish took longer than 0.5 s, which is its timeout.",
    "after": "on_all_tasks_done took longer than 0.5 s, which is its timeout.",
}
ENDS = {"before": JobStatus.DONE_WITH_ERRORS, "after": JobStatus.DONE}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold a thread for one that hangs soon after its deadline."""
    monkeypatch.setattr("app.jobs.deadlines.HANG_SECONDS", 0.02)


@pytest.mark.conformance
@pytest.mark.parametrize("stage", ["before", "after"])
def test_its_job_ends_and_says_so_while_it_hangs(
    engines: Engines, gate: threading.Event, stage: str
) -> None:
    handler = Hooked(**{"before": nothing, "after": nothing, stage: lambda *_: gate.wait(60)})
    handler.timeout = SOON
    engine = engines(handler, threads=1, grace_seconds=0.05)
    job = run(engine)
    assert (job.status, job.error) == (ENDS[stage], LATE[stage])
    assert handler.called == ["before 1", "after"]
    eventually(lambda: engine.hung == 1)
    gate.set()
    eventually(lambda: engine.hung == 0)
    assert engine.job(job.id) == job
    assert handler.called == ["before 1", "after"]


def test_when_both_hang_both_are_told(engines: Engines, gate: threading.Event) -> None:
    handler = Hooked(lambda *_: gate.wait(60), lambda _: gate.wait(60), timeout=SOON)
    job = run(engines(handler, threads=1))
    assert (job.error or "").splitlines() == list(LATE.values())
    assert handler.called == ["before 1", "after"]


def test_what_it_says_too_late_is_void(engines: Engines, gate: threading.Event) -> None:
    heard: list[str] = []

    def before(job: Any, _: int) -> None:
        assert job.seconds_left > 0
        job.set_state_field("early", 1)
        job.add_tasks(blank(2))
        assert gate.wait(60)
        assert job.seconds_left == 0
        calls: list[Callable[[], object]] = [
            lambda: job.set_state_field("late", 1),
            lambda: job.update_fields_atomically(lambda state: state.update(late=1)),
            lambda: job.add_tasks(blank(1)),
        ]
        for call in calls:
            with pytest.raises(TaskTimedOut):
                call()
            heard.append("timed out")

    engine = engines(Hooked(before, timeout=SOON))
    job = run(engine)
    gate.set()
    eventually(lambda: len(heard) == 3)
    assert (job.state, job.total, job.error) == ({"early": 1}, 2, LATE["before"])
    assert engine.job(job.id) == job


@pytest.mark.parametrize("hook", ["waits", "hears"])
def test_one_that_ends_soon_after_keeps_its_thread(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, hook: str
) -> None:
    monkeypatch.setattr("app.jobs.deadlines.HANG_SECONDS", 60)

    def before(job: Any, _: int) -> None:
        while hook == "hears":
            job.set_state_field("a", 1)
        threading.Event().wait(job.seconds_left + 0.01)

    engine = engines(Hooked(before, nothing, timeout=SOON), threads=1)
    assert run(engine).error == LATE["before"]
    assert engine.hung == 0
    assert run(engine).error == LATE["before"]


def test_who_notices_first_tells_it_and_once(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The thread that looks after deadlines is too late itself.
    monkeypatch.setattr("app.jobs.deadlines.Deadlines.begin", lambda *_: None)
    handler = Hooked(lambda job, _: threading.Event().wait(job.seconds_left), nothing, timeout=SOON)
    job = run(engines(handler))
    assert (job.status, job.error) == (JobStatus.DONE_WITH_ERRORS, LATE["before"])
    assert handler.called == ["before 1", "after"]


def test_one_in_time_is_none_of_its_business(engines: Engines) -> None:
    left: list[float | None] = []
    quick = Hooked(lambda job, _: left.append(job.seconds_left), lambda _: 1 / 0, timeout=60)
    job = run(engines(quick))
    assert (job.error or "").startswith("on_all_tasks_done failed: ZeroDivisionError")
    assert left[0] is not None
    assert 50 < left[0] <= 60


def test_without_a_timeout_it_takes_as_long_as_it_likes(engines: Engines) -> None:
    left: list[float | None] = []
    assert run(engines(Hooked(lambda job, _: left.append(job.seconds_left)))).error is None
    assert left == [None]


def test_the_timeout_of_a_job_is_that_of_its_callbacks(
    engines: Engines, gate: threading.Event
) -> None:
    engine = engines(Hooked(lambda *_: gate.wait(60), timeout=60))
    job = over(engine, engine.start("work", timeout=SOON))
    assert job.error == LATE["before"]


def test_a_retry_calls_it_again(engines: Engines, gate: threading.Event) -> None:
    handler = Hooked(lambda *_: gate.wait(60), nothing, timeout=SOON)
    engine = engines(handler)
    job = run(engine)
    gate.set()
    engine.retry(job.id, "all")
    eventually(lambda: len(handler.called) == 4)
    assert done(engine, job.id).error is None


def test_other_jobs_go_on_meanwhile(engines: Engines, gate: threading.Event) -> None:
    handler = Hooked(lambda *_: gate.wait(60), timeout=SOON, concurrency_limit=1)
    engine = engines(handler, threads=1)
    jobs = [engine.start_new_job("x", None, blank(1), "work") for _ in range(2)]
    assert [ended(engine, each).error for each in jobs] == [LATE["before"]] * 2
    eventually(lambda: engine.hung == 2)  # and their job is told all the same


def test_one_that_is_lost_to_others_records_nothing(
    engines: Engines, gate: threading.Event
) -> None:
    def before(*_: Any) -> None:
        if len(handler.called) == 1:
            for (worker_id,) in sql(engine.database, "SELECT id FROM worker WHERE alive"):
                keeping.bury(engine.database, worker_id, keeping.Death(ran=()))
            assert gate.wait(60)

    handler = Hooked(before, timeout=SOON)
    engine = engines(handler, heartbeat_seconds=0.2)
    job = run(engine)
    assert (job.status, job.error) == (JobStatus.DONE, None)
    assert handler.called == ["before 1"] * 2


def test_where_it_hangs_is_in_the_log_without_secrets(
    engines: Engines, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    def hush_token(*_: Any) -> None:
        gate.wait(60)

    engine = engines(Hooked(hush_token, params=Params, timeout=SOON))
    with caplog.at_level(logging.ERROR):
        job = over(engine, engine.start("work", {"word": "x", "token": "hush_token"}))
    assert job.error == LATE["before"]
    assert "Where it was then (most recent call last)" in caplog.text
    assert f'File "{__file__}"' in caplog.text
    assert "hush" not in caplog.text
