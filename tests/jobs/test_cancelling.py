"""Cancelling tells the truth: nothing begins any more, and CANCELLED is said at the end (A8)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app.jobs import Engine, Handler, JobStatus, Task, TaskStatus
from app.jobs.errors import JobEnded, JobNotFound
from app.jobs.store import candidates, claiming
from app.users.people import add_user
from app.users.permissions import Role
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended, recounted, running, sql, statuses

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}
WORK = Handler(name="work", run=lambda task: task.index, **FREE)


class Deaf(Handler):
    """A handler whose tasks ignore every call to stop until the gate opens."""

    def __init__(self, gate: threading.Event, **limits: Any) -> None:
        super().__init__(name="work", run=self._wait, **(limits or FREE))
        self._gate = gate
        self.begun: list[int] = []

    def _wait(self, task: Task) -> None:
        self.begun.append(task.index)
        assert self._gate.wait(20)

    def runs(self, tasks: int) -> None:
        """Wait until so many tasks have begun."""
        eventually(lambda: len(self.begun) >= tasks)


def test_a_queued_job_is_cancelled_at_once_without_any_worker(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work")
    job = engine.cancel(job_id)
    assert (job.status, job.progress, job.cancelled) == (JobStatus.CANCELLED, 0, 3)
    assert job.finished_at
    assert job.started_at is None
    assert job == engine.job(job_id)
    assert statuses(engine, job_id) == [TaskStatus.CANCELLED] * 3
    assert job.counts == recounted(engine.database, job_id)


def test_a_cancelled_job_never_starts(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    cancelled = engine.start_new_job("x", None, blank(3), "work")
    held = engine.start_new_job("held", None, blank(3), "work", auto_start=False)
    engine.cancel(cancelled)
    engine.cancel(held)
    engine.run()
    done(engine, engine.start_new_job("next", None, blank(1), "work"))
    assert engine.start_queued_jobs("work") == []
    assert [engine.job(each).status for each in (cancelled, held)] == [JobStatus.CANCELLED] * 2


def test_a_job_that_runs_is_cancelling_until_nothing_of_it_runs_any_more(
    engines: Engines, gate: threading.Event
) -> None:
    deaf = Deaf(gate, parallel_limit=2)
    engine = engines(deaf)
    person = add_user(engine.database, "ann@example.com", Role.OPERATOR, "a long password")
    job_id = engine.start_new_job("x", None, blank(5), "work")
    deaf.runs(2)
    job = engine.cancel(job_id, by=person)
    assert (job.status, job.is_cancelling, job.is_final) == (JobStatus.IN_PROGRESS, True, False)
    assert (job.in_progress, job.cancelled, job.finished_at) == (2, 3, None)
    assert job.cancel_requested_by
    assert job.cancel_requested_by.email == "ann@example.com"
    assert job.cancel_requested_at
    gate.set()
    job = ended(engine, job_id)
    assert (job.status, job.is_cancelling) == (JobStatus.CANCELLED, False)
    # They did not stop, so they are what they are: done.
    assert statuses(engine, job_id) == [TaskStatus.DONE] * 2 + [TaskStatus.CANCELLED] * 3
    assert job.counts == recounted(engine.database, job_id)
    assert job.cancel_requested_by
    assert job.cancel_requested_by.id == person.id


def test_its_slot_is_taken_until_then_and_free_afterwards(
    engines: Engines, gate: threading.Event
) -> None:
    deaf = Deaf(gate, parallel_limit=1, concurrency_limit=1)
    engine = engines(deaf)
    first = engine.start_new_job("first", None, blank(1), "work")
    second = engine.start_new_job("second", None, blank(1), "work")
    deaf.runs(1)
    engine.cancel(first)
    assert engine.job(second).status == JobStatus.QUEUED
    gate.set()
    done(engine, second)
    assert engine.job(first).status == JobStatus.CANCELLED


def test_asking_again_changes_nothing(engines: Engines, gate: threading.Event) -> None:
    deaf = Deaf(gate)
    engine = engines(deaf)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    deaf.runs(1)
    asked = engine.cancel(job_id).cancel_requested_at
    assert engine.cancel(job_id).cancel_requested_at == asked
    gate.set()
    ended(engine, job_id)
    again = engine.cancel(job_id)
    assert (again.status, again.cancel_requested_at) == (JobStatus.CANCELLED, asked)
    assert again == engine.job(job_id)


@pytest.mark.parametrize("fails", [False, True])
def test_a_job_that_has_ended_cannot_be_cancelled(engines: Engines, fails: bool) -> None:
    engine = engines(Handler(name="work", run=lambda _: 1 / (not fails)))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    job = ended(engine, job_id)
    with pytest.raises(JobEnded, match=rf"ended already \({job.status}\); it cannot be cancelled"):
        engine.cancel(job_id)
    assert engine.job(job_id) == job


def test_there_must_be_a_job(engines: Engines) -> None:
    with pytest.raises(JobNotFound):
        engines(runs=False).cancel(77)


def test_12_000_tasks_are_cancelled_before_the_call_returns(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(12_000), "work")
    job = engine.cancel(job_id)
    assert (job.status, job.cancelled) == (JobStatus.CANCELLED, 12_000)
    assert job.counts == recounted(engine.database, job_id)


def test_skipped_and_finished_tasks_stay_what_they_are(engines: Engines) -> None:
    entered = threading.Event()

    def body(task: Task) -> None:
        if task.index == 2:
            entered.set()
            task.sleep(20)

    engine = engines(Handler(name="work", run=body, parallel_limit=1))
    tasks = [*blank(1), {"state": {}, "skip": True}, *blank(3)]
    job_id = engine.start_new_job("x", None, tasks, "work")
    assert entered.wait(20)
    engine.cancel(job_id)
    ended(engine, job_id)
    assert statuses(engine, job_id) == ["DONE", "SKIPPED", "CANCELLED", "CANCELLED", "CANCELLED"]


def test_claimed_tasks_that_no_thread_has_begun_never_begin(
    engines: Engines, gate: threading.Event
) -> None:
    begun: list[int] = []

    def body(task: Task) -> None:
        begun.append(task.index)
        assert gate.wait(20)

    engine = engines(Handler(name="work", run=body, **FREE), threads=1)
    job_id = engine.start_new_job("x", None, blank(50), "work")
    assert engine._running
    pool = engine._running._pool
    eventually(lambda: pool.load)
    # As if this process had claimed ahead, which it does once it has seen how fast tasks end.
    with engine.database.reading() as connection:
        ahead = candidates.scheduled_tasks(connection, {job_id: 20})
    engine._running._scheduler._carry_out(claiming.Order(tasks=ahead))
    assert pool.waiting >= 20
    engine.cancel(job_id)
    eventually(lambda: engine.job(job_id).in_progress == 1)
    gate.set()
    assert ended(engine, job_id).counts["cancelled"] == 49
    assert begun == [0]
    assert [task.attempt for task in engine.tasks(job_id, limit=50)] == [1] + [0] * 49


def test_another_process_cancels_what_runs_here(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.sleep(20)

    here = engines(Handler(name="work", run=body, **FREE))
    elsewhere = engines(WORK, runs=False)
    job_id = here.start_new_job("x", None, blank(8), "work")
    running(here, job_id, 4)
    elsewhere.cancel(job_id)
    job = ended(here, job_id)
    assert (job.status, job.cancelled) == (JobStatus.CANCELLED, 8)


def test_who_watches_hears_of_it(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    heard: list[int] = []
    with engine.bus.watching(heard.extend):
        engine.cancel(job_id)
    assert heard == [job_id]


def test_racing_the_finish_a_job_that_answered_as_cancelled_never_ends_well(
    engines: Engines,
) -> None:
    engine = engines(WORK)
    raced: dict[int, bool] = {}

    def race(after: int) -> None:
        for _ in range(250):
            job_id = engine.start_new_job("x", None, blank(2), "work")
            eventually(lambda: engine.job(job_id).final >= after, within=20, every=0.0005)  # noqa: B023
            raced[job_id] = is_cancelled(engine, job_id)

    racers = [threading.Thread(target=race, args=[after]) for after in (0, 1, 2, 2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(raced) == 1_000
    # Both were first sometimes, or this was no race.
    assert set(raced.values()) == {True, False}
    eventually(lambda: not sql(engine.database, "SELECT 1 FROM job WHERE finished_at IS NULL"))
    ends = sql(engine.database, "SELECT id, status, cancelled + done FROM job")
    assert {id_: (status, tasks) for id_, status, tasks in ends} == {
        id_: (JobStatus.CANCELLED if answered else JobStatus.DONE, 2)
        for id_, answered in raced.items()
    }


def is_cancelled(engine: Engine, job_id: int) -> bool:
    """Cancel a job, and tell whether the answer was that it is cancelled."""
    try:
        answer = engine.cancel(job_id)
    except JobEnded:
        return False
    assert answer.is_cancelling or answer.status == JobStatus.CANCELLED
    return True


def test_a_retry_beside_a_cancel_never_makes_the_cancel_tell_what_is_not_so(
    engines: Engines,
) -> None:
    engine = engines(WORK, runs=False)
    for _ in range(50):
        job_id = engine.start_new_job("x", None, blank(1), "work")
        engine.cancel(job_id)
        retrier = threading.Thread(target=engine.retry, args=[job_id, "all"])
        retrier.start()
        answer = engine.cancel(job_id)
        retrier.join()
        asked = engine.job(job_id)
        assert answer.cancel_requested_at or not asked.cancel_requested_at
