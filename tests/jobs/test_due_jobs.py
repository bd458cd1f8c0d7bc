"""Jobs that are to start at a time or in a delay: until then they wait beside the queue (B2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.db import Database
from app.jobs import Engine, Handler, JobStatus
from app.jobs.errors import JobBegun, JobNotFound
from app.jobs.store import creating
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, sql, statuses

HOUR = timedelta(hours=1)


class Noted(Handler):
    """A handler that runs one job at a time, and notes which."""

    def __init__(self, **more: Any) -> None:
        self.ran: list[int] = []
        super().__init__(name="work", run=lambda task: self.ran.append(task.job.id), **more)


def test_it_starts_by_itself_when_it_is_due_and_not_at_the_next_poll(engines: Engines) -> None:
    engine = engines(Noted(), poll_seconds=600.0)
    job_id = engine.start_new_job("x", None, blank(1), "work", delay=0.2)
    job = done(engine, job_id)
    assert job.started_at
    assert job.due_at
    assert job.created_at < job.due_at <= job.started_at
    assert not job.is_waiting


def test_until_then_it_waits_and_keeps_nobody_from_starting(engines: Engines) -> None:
    handler = Noted(concurrency_limit=1)
    engine = engines(handler)
    first = engine.start_new_job("x", None, blank(1), "work", delay=HOUR, priority=1)
    second = engine.start_new_job("x", None, blank(1), "work")
    done(engine, second)
    job = engine.job(first)
    assert (job.status, job.is_waiting, job.started_at) == (JobStatus.QUEUED, True, None)
    assert job.due_at
    assert abs(job.due_at - job.created_at - HOUR) < timedelta(minutes=1)
    assert handler.ran == [second]


def test_a_time_that_is_past_means_now(engines: Engines) -> None:
    engine = engines(Noted(), runs=False)
    job_id = engine.start_new_job("x", None, blank(1), "work", due="2001-02-03T04:05:06+02:00")
    job = engine.job(job_id)
    assert (job.due_at, job.is_waiting) == (datetime(2001, 2, 3, 2, 5, 6, tzinfo=UTC), False)
    engine.run()
    done(engine, job_id)


def test_many_that_are_due_at_once_join_the_queue_in_chunks(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.store.waiting.CHUNK", 2)
    handler = Noted()
    engine = engines(handler, runs=False)
    job_ids = [engine.start_new_job("x", None, blank(1), "work", delay=HOUR) for _ in range(5)]
    become_due(engine.database)
    engine.run()
    for job_id in job_ids:
        done(engine, job_id)
    assert sorted(handler.ran) == job_ids


def test_to_cancel_it_takes_no_worker(engines: Engines) -> None:
    engine = engines(Noted(), runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work", delay=HOUR)
    job = engine.cancel(job_id)
    assert (job.status, job.is_waiting) == (JobStatus.CANCELLED, False)
    assert statuses(engine, job_id) == ["CANCELLED"] * 3


def test_to_retry_one_that_was_cancelled_does_not_wait_for_its_time(engines: Engines) -> None:
    engine = engines(Noted(), runs=False)
    job_id = engine.start_new_job("x", None, blank(1), "work", delay=HOUR)
    engine.cancel(job_id)
    engine.run()
    engine.retry(job_id, "all")
    assert done(engine, job_id).due_at is None


def test_it_can_be_told_to_start_before_its_time(engines: Engines) -> None:
    engine = engines(Noted(), poll_seconds=600.0)
    job_id = engine.start_new_job("x", None, blank(1), "work", delay=HOUR)
    assert not engine.start_now(job_id).is_waiting
    assert done(engine, job_id).due_at is None
    with pytest.raises(JobBegun, match=f"Job {job_id} waits no more, so it need not be told"):
        engine.start_now(job_id)
    with pytest.raises(JobNotFound):
        engine.start_now(job_id + 1)


def test_one_that_waits_for_its_call_waits_for_its_time_first(engines: Engines) -> None:
    engine = engines(Noted(concurrency_limit=1), runs=False)
    first, second = (
        engine.start_new_job("x", None, blank(1), "work", auto_start=False, delay=delay)
        for delay in (HOUR, None)
    )
    assert engine.start_queued_jobs("work") == [second]
    sql(engine.database, "UPDATE job SET status = 'DONE' WHERE id = :id", id=second)
    assert engine.start_next_queued_job("work") is None
    become_due(engine.database)
    engine.run()
    eventually(lambda: not engine.job(first).is_waiting)
    assert engine.start_next_queued_job("work") == first
    done(engine, first)


def test_one_that_waits_takes_no_slot_from_those_that_are_called(engines: Engines) -> None:
    engine = engines(Noted(concurrency_limit=1), runs=False)
    engine.start_new_job("x", None, blank(1), "work", delay=HOUR)
    held = engine.start_new_job("x", None, blank(1), "work", auto_start=False)
    assert engine.start_queued_jobs("work") == [held]


def test_one_whose_time_comes_while_it_is_written_waits_no_more(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creating, "CHUNK", 2)
    engine = engines(Noted(), runs=False)
    due = datetime.now(UTC) + timedelta(seconds=0.1)

    def long_enough() -> Any:
        yield from blank(3)
        eventually(lambda: datetime.now(UTC) > due)
        yield from blank(1)

    job_id = engine.start_new_job("x", None, long_enough(), "work", due=due)
    assert not engine.job(job_id).is_waiting


def become_due(database: Database) -> None:
    """Let an hour pass for all that wait."""
    when = datetime.now(UTC) - timedelta(seconds=1)
    stamp = when.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
    sql(
        database,
        f"UPDATE job SET due_at = '{stamp}', waiting_until = '{stamp}' "
        "WHERE waiting_until IS NOT NULL",
    )


def test_of_jobs_that_were_due_meanwhile_each_starts_once_with_two_engines(
    engines: Engines,
) -> None:
    handler = Noted(concurrency_limit=None)
    first = engines(handler, runs=False)
    job_ids = [first.start_new_job("x", None, blank(1), "work", delay=HOUR) for _ in range(20)]
    become_due(first.database)
    second = engines(handler, runs=False)
    both: list[Engine] = [first, second]
    for engine in both:
        engine.run()
    for job_id in job_ids:
        done(first, job_id)
    assert sorted(handler.ran) == job_ids
