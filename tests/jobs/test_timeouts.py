"""A try that takes longer than it may has failed, whatever its thread goes on to do (B5)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from app.jobs import Engine, Handler, JobStatus, Task, TaskTimedOut
from app.jobs.deadlines import Deadline, Deadlines
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended, recounted, time_is_over
from tests.jobs.test_lost_workers import bury_all

TOO_LONG = "It took longer than 0.05 s, which is its timeout."


def one(engines: Engines, run: Any, **more: Any) -> tuple[Engine, int]:
    """An engine, and a job of one task with little time."""
    engine = engines(Handler(name="work", run=run, **{"timeout": 0.05, **more}))
    return engine, engine.start_new_job("x", None, blank(1), "work")


def sleeps(task: Task) -> None:
    """Sleep until told to stop."""
    task.sleep(60)


def test_one_that_sleeps_is_woken_and_has_failed(engines: Engines) -> None:
    engine, job_id = one(engines, sleeps)
    job = ended(engine, job_id, within=10)
    assert (job.status, job.failed) == (JobStatus.DONE_WITH_ERRORS, 1)
    task = engine.task(job_id, 0)
    assert (task.status, task.error) == ("FAILED", TOO_LONG)
    (attempt,) = task.attempts
    assert (attempt.status, attempt.error) == ("TIMED_OUT", TOO_LONG)
    assert attempt.started_at
    assert attempt.finished_at
    assert (attempt.finished_at - attempt.started_at).total_seconds() >= 0.05


def test_what_ends_in_time_is_as_it_was(engines: Engines) -> None:
    engine, job_id = one(engines, lambda task: task.attempt, timeout=60)
    done(engine, job_id)
    assert engine.task(job_id, 0).result == 1


def test_it_is_tried_again_like_any_failure(engines: Engines) -> None:
    def body(task: Task) -> int:
        if task.attempt < 3:
            task.sleep(60)
        return task.attempt

    engine, job_id = one(engines, body, retries=2, retry_delay=0.01, retry_on=(TimeoutError,))
    job = done(engine, job_id)
    assert job.counts == recounted(engine.database, job_id)
    attempts = engine.task(job_id, 0).attempts
    assert [each.status for each in attempts] == ["DONE", "TIMED_OUT", "TIMED_OUT"]


def test_a_job_may_have_its_own_timeout(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=sleeps))
    job_id = engine.start("work", timeout=0.02)
    ended(engine, job_id)
    assert engine.task(job_id, 0).error == "It took longer than 0.02 s, which is its timeout."


def test_it_hears_of_it_at_its_next_call_whatever_that_is(
    engines: Engines, gate: threading.Event
) -> None:
    heard: list[str] = []

    def body(task: Task) -> str:
        task.set_state_field("early", 1)
        task.flush()
        assert gate.wait(20)
        calls: list[Callable[[], object]] = [
            task.stop_if_cancelled,
            task.flush,
            lambda: task.set_state_field("late", 1),
            lambda: task.log("late"),
            lambda: task.sleep(60),
            lambda: task.job.set_state_field("late", 1),
            lambda: task.job.update_fields_atomically(lambda state: state.update(late=1)),
            lambda: task.job.add_tasks(blank(1)),
            lambda: task.job.new_file("late.txt"),
        ]
        for call in calls:
            with pytest.raises(TaskTimedOut):
                call()
            heard.append("timed out")
        return "late"

    engine, job_id = one(engines, body, timeout=0.5)
    job = ended(engine, job_id)
    gate.set()
    eventually(lambda: len(heard) == 9)
    assert engine.job(job_id) == job
    task = engine.task(job_id, 0)
    assert (task.status, task.result, task.state) == ("FAILED", None, {"early": 1})
    assert (job.state, job.total, engine.log(job_id)) == ({}, 1, [])


def test_the_next_try_does_not_hear_what_the_last_one_says(
    engines: Engines, gate: threading.Event
) -> None:
    begun, both, said = threading.Event(), threading.Barrier(2), threading.Event()

    def body(task: Task) -> str:
        if task.attempt == 1:
            begun.set()
            both.wait(20)
            calls: list[Callable[[], object]] = [
                lambda: task.keep({"by": "the first"}),
                lambda: task.journal.flush(task.writes()),
                lambda: task.journal.begin_change(task.writes()),
            ]
            for call in calls:
                with pytest.raises(TaskTimedOut):
                    call()
            task.journal.give_up(task.writes())
            said.set()
            assert gate.wait(20)
            return "first"
        task.set_state_field("by", "the second")
        both.wait(20)
        assert said.wait(20)
        return "second"

    engine, job_id = one(engines, body, retries=1, retry_delay=0, timeout=60)
    assert begun.wait(20)
    time_is_over(engine)
    done(engine, job_id)
    gate.set()
    task = engine.task(job_id, 0)
    assert (task.state, task.result) == ({"by": "the second"}, "second")


def test_one_that_ends_too_late_has_failed_even_if_nobody_has_noticed(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.deadlines.Deadlines._look_at", lambda *_: None)
    engine, job_id = one(engines, lambda _: threading.Event().wait(0.06))
    ended(engine, job_id)
    task = engine.task(job_id, 0)
    assert (task.error, task.result) == (TOO_LONG, None)
    assert [(each.status, each.traceback) for each in task.attempts] == [("TIMED_OUT", None)]


def test_it_knows_how_long_it_may_take(engines: Engines) -> None:
    left: list[float | None] = []

    def body(task: Task) -> None:
        left.append(task.seconds_left)
        with pytest.raises(TaskTimedOut):
            task.sleep(60)
        left.append(task.seconds_left)

    engine, job_id = one(engines, body, timeout=0.5)
    ended(engine, job_id)
    eventually(lambda: len(left) == 2)
    assert left[0]
    assert 0 < left[0] <= 0.5
    assert left[1] == 0.0
    without = engines(Handler(name="other", run=lambda task: task.seconds_left))
    job_id = without.start("other")
    done(without, job_id)
    assert without.task(job_id, 0).result is None


def test_a_cancelled_one_that_takes_too_long_is_not_tried_again(
    engines: Engines, gate: threading.Event
) -> None:
    begun = threading.Event()

    def body(_: Task) -> None:
        begun.set()
        assert gate.wait(20)

    engine, job_id = one(engines, body, timeout=60, retries=3)
    assert begun.wait(20)
    engine.cancel(job_id)
    time_is_over(engine)
    assert ended(engine, job_id).status == JobStatus.CANCELLED
    assert engine.task(job_id, 0).status == "FAILED"


class Params(BaseModel):
    """What nobody may read."""

    token: SecretStr


def test_the_place_where_it_hangs_is_told_without_secrets(
    engines: Engines, gate: threading.Event
) -> None:
    def body(_: Task) -> None:
        assert gate.wait(20)  # hush-hush

    engine = engines(Handler(name="work", run=body, params=Params, timeout=0.2))
    job_id = engine.start("work", {"token": "hush-hush"})
    ended(engine, job_id)
    (attempt,) = engine.task(job_id, 0).attempts
    assert attempt.traceback
    assert attempt.traceback.startswith("Where it was then (most recent call last):")
    assert "assert gate.wait(20)" in attempt.traceback
    assert "hush" not in attempt.traceback


def test_one_that_has_just_left_its_handler_is_nowhere(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(deadlines: Deadlines, deadline: Deadline) -> bool:
        eventually(lambda: deadline.is_over)
        return really(deadlines, deadline)

    really = Deadlines.end
    monkeypatch.setattr(Deadlines, "end", end)
    engine, job_id = one(engines, lambda _: None)
    ended(engine, job_id)
    (attempt,) = engine.task(job_id, 0).attempts
    assert (attempt.status, attempt.traceback) == ("TIMED_OUT", None)


def test_one_that_was_lost_records_nothing(
    engines: Engines, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.deadlines.HANG_SECONDS", 0.02)
    begun = threading.Event()

    def body(_: Task) -> None:
        if not begun.is_set():
            begun.set()
            assert gate.wait(20)

    handler = Handler(name="work", run=body, timeout=60)
    engine = engines(handler, heartbeat_seconds=0.05)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert begun.wait(20)
    bury_all(engine.database)
    done(engine, job_id)
    time_is_over(engine)
    eventually(lambda: engine.hung == 1)
    gate.set()
    eventually(lambda: engine.hung == 0)
    assert [each.status for each in engine.task(job_id, 0).attempts] == ["DONE"]
