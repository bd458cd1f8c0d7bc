"""What else may befall a task that failed and may be tried again: cancels, deaths, other words."""

from __future__ import annotations

import threading

import pytest

from app.config import Settings
from app.jobs import Handler, JobStatus, Task, TaskStatus
from app.jobs.errors import ValueNotStorable
from app.jobs.store import candidates, ending
from tests.jobs.conftest import Engines
from tests.jobs.locking import refuse
from tests.jobs.looking import (
    blank,
    come_due,
    done,
    ended,
    recounted,
    running,
    sql,
    statuses,
)
from tests.jobs.test_crashes import Dead
from tests.jobs.test_retries import LATER, even_ones, half_waiting


def test_a_cancel_ends_what_waits_at_once(engines: Engines) -> None:
    engine, job_id = half_waiting(engines)
    job = engine.cancel(job_id)
    assert (job.status, job.done, job.cancelled, job.waiting) == (JobStatus.CANCELLED, 2, 2, 0)
    assert job.counts == recounted(engine.database, job_id)
    task = engine.task(job_id, 1)
    assert (task.status, task.run_after, task.error) == ("CANCELLED", None, "ValueError: odd")


def test_a_cancel_of_many_that_wait_goes_by_chunks(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "CHUNK", 3)
    engine, job_id = half_waiting(engines, tasks=16)
    assert engine.cancel(job_id).counts == recounted(engine.database, job_id)
    assert ended(engine, job_id).cancelled == 8


def test_what_fails_after_a_cancel_has_failed(engines: Engines, gate: threading.Event) -> None:
    both = threading.Barrier(3)

    def body(_: Task) -> None:
        both.wait(20)
        assert gate.wait(20)
        raise ValueError("too late")

    engine = engines(Handler(name="work", run=body, **LATER))
    job_id = engine.start_new_job("x", None, blank(2), "work")
    both.wait(20)
    engine.cancel(job_id)
    gate.set()
    job = ended(engine, job_id)
    assert (job.status, job.failed, job.waiting) == (JobStatus.CANCELLED, 2, 0)
    task = engine.task(job_id, 0)
    assert (task.error, task.retries, task.attempts[0].status) == (
        "ValueError: too late",
        0,
        "FAILED",
    )


def test_a_crash_uses_no_retry_up(engines: Engines, settings: Settings) -> None:
    handler = Handler(name="work", run=even_ones, **LATER)
    engine = engines(handler, runs=False)
    job_id = engine.start_new_job("x", None, blank(2), "work")
    dead = Dead(engine, settings)
    dead.dies_while_it_runs(*dead.claims(job_id))
    engine.run()
    assert done(engine, job_id).done == 2
    for task in engine.tasks(job_id, limit=9):
        assert (task.attempt, task.crashes, task.retries) == (2, 1, 0)


def test_one_handed_back_uses_no_retry_up(engines: Engines, gate: threading.Event) -> None:
    def body(task: Task) -> int:
        assert gate.wait(20)
        return task.attempt

    engine = engines(Handler(name="work", run=body, **LATER), grace_seconds=0.01)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    running(engine, job_id, 1)
    engine.stop()
    task = engine.task(job_id, 0)
    assert (task.status, task.retries, task.run_after) == (TaskStatus.SCHEDULED, 0, None)


def test_a_suspect_that_waits_is_not_run_before_its_time(engines: Engines) -> None:
    engine, job_id = half_waiting(engines)
    sql(engine.database, "UPDATE task SET crashes = 2 WHERE idx = 1")
    with engine.database.reading() as connection:
        assert candidates.suspect_task(connection, ["work"]) is None
    come_due(engine)
    done(engine, job_id)


def test_nobody_can_claim_what_waits(engines: Engines, settings: Settings) -> None:
    engine, job_id = half_waiting(engines)
    Dead(engine, settings).claims(job_id)
    assert statuses(engine, job_id) == ["DONE", "SCHEDULED", "DONE", "SCHEDULED"]


def test_what_the_database_refuses_is_not_tried_again(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.set_state_field("n", task.index)
        raise ValueError("with a state that is refused")

    engine = engines(Handler(name="work", run=body, **LATER))
    refuse(engine.database, "NEW.state <> '{}'")
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert ended(engine, job_id).failed == 1
    task = engine.task(job_id, 0)
    assert "no such thing here" in (task.error or "")
    assert [each.status for each in task.attempts] == ["FAILED"]


def test_a_value_that_cannot_be_stored_is_a_failure_as_any(engines: Engines) -> None:
    def body(task: Task) -> object:
        return object() if task.attempt == 1 else "well"

    handler = Handler(name="work", run=body, retries=1, retry_delay=0, retry_on=(ValueNotStorable,))
    engine = engines(handler)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    done(engine, job_id)
    assert engine.task(job_id, 0).result == "well"


def test_a_job_that_is_reopened_waits_for_nothing(engines: Engines) -> None:
    engine, job_id = half_waiting(engines)
    engine.cancel(job_id)
    engine.retry(job_id, "unfinished")
    job = done(engine, job_id)
    assert (job.done, job.waiting) == (4, 0)
    assert engine.task(job_id, 1).retries == 0
