"""How much runs at once: tasks of a job, jobs of a handler, in all processes together (A3)."""

from __future__ import annotations

import threading

import pytest

from app.jobs import Engine, Handler, JobStatus, Task
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, running

pytestmark = pytest.mark.conformance


class Meter:
    """A handler that knows how many of it ran at once."""

    def __init__(self, gate: threading.Event | None = None) -> None:
        self._lock = threading.Lock()
        self._gate = gate
        self.now = self.most = self.ran = 0
        self.most_jobs = 0
        self._jobs: list[int] = []

    def __call__(self, task: Task) -> None:
        with self._lock:
            self.ran += 1
            self.now += 1
            self._jobs.append(task.job.id)
            self.most = max(self.most, self.now)
            self.most_jobs = max(self.most_jobs, len(set(self._jobs)))
        if self._gate:
            assert self._gate.wait(20)
        else:
            task.sleep(0.002)
        with self._lock:
            self.now -= 1
            self._jobs.remove(task.job.id)


def all_done(engine: Engine, job_ids: list[int]) -> None:
    for job_id in job_ids:
        done(engine, job_id)


def test_no_more_tasks_of_a_job_run_at_once_than_its_limit(engines: Engines) -> None:
    meter = Meter()
    engine = engines(Handler(name="work", run=meter, parallel_limit=2))
    done(engine, engine.start_new_job("x", None, blank(40), "work"))
    assert (meter.ran, meter.most) == (40, 2)


def test_without_a_limit_a_job_takes_every_thread(engines: Engines, gate: threading.Event) -> None:
    meter = Meter(gate)
    engine = engines(Handler(name="work", run=meter, parallel_limit=None))
    engine.start_new_job("x", None, blank(40), "work")
    eventually(lambda: meter.now == 4)


def test_jobs_of_a_handler_wait_in_turn_for_its_slots(engines: Engines) -> None:
    meter = Meter()
    engine = engines(Handler(name="work", run=meter, concurrency_limit=2), runs=False)
    jobs = [engine.start_new_job("x", None, blank(5), "work") for _ in range(6)]
    engine.run()
    all_done(engine, jobs)
    starts = [engine.job(job_id).started_at for job_id in jobs]
    assert starts == sorted(starts)  # type: ignore[type-var]
    assert (meter.ran, meter.most_jobs) == (30, 2)


def test_one_job_at_a_time_is_what_a_handler_gets_unasked(
    engines: Engines, gate: threading.Event
) -> None:
    engine = engines(Handler(name="work", run=Meter(gate)))
    first, second = (engine.start_new_job("x", None, blank(1), "work") for _ in range(2))
    running(engine, first, 1)
    assert engine.job(second).status == JobStatus.QUEUED
    gate.set()
    all_done(engine, [first, second])


def test_jobs_of_other_handlers_do_not_wait(engines: Engines, gate: threading.Event) -> None:
    engine = engines(
        Handler(name="slow", run=Meter(gate)), Handler(name="quick", run=lambda task: None)
    )
    running(engine, engine.start_new_job("x", None, blank(1), "slow"), 1)
    done(engine, engine.start_new_job("y", None, blank(3), "quick"))


def test_limits_hold_for_two_processes_together(engines: Engines) -> None:
    meter = Meter()
    work = Handler(name="work", run=meter, parallel_limit=3, concurrency_limit=2)
    engine, other = engines(work), engines(work)
    jobs = [each.start_new_job("x", None, blank(30), "work") for each in (engine, other) * 3]
    all_done(engine, jobs)
    assert meter.ran == 180
    assert meter.most <= 6
    assert meter.most_jobs == 2


def test_two_processes_never_run_a_task_twice(engines: Engines) -> None:
    ran: list[tuple[int, int]] = []
    work = Handler(
        name="work",
        run=lambda task: ran.append((task.job.id, task.index)),
        parallel_limit=None,
        concurrency_limit=None,
    )
    engine, other = engines(work), engines(work)
    jobs = [each.start_new_job("x", None, blank(300), "work") for each in (engine, other) * 2]
    all_done(engine, jobs)
    assert sorted(ran) == [(job_id, index) for job_id in sorted(jobs) for index in range(300)]


def test_the_limit_declared_last_is_the_one_that_counts(
    engines: Engines, gate: threading.Event
) -> None:
    engine = engines(Handler(name="work", run=Meter(gate), concurrency_limit=1))
    jobs = [engine.start_new_job("x", None, blank(1), "work") for _ in range(3)]
    running(engine, jobs[0], 1)
    engines(Handler(name="work", run=Meter(gate), concurrency_limit=3))
    running(engine, jobs[2], 1)


def test_many_small_jobs_follow_each_other_without_a_pause(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda task: None), poll_seconds=30)
    all_done(engine, [engine.start_new_job("x", None, blank(1), "work") for _ in range(20)])
