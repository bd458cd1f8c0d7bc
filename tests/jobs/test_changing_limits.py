"""Limits that people change while jobs run: they count from the next claim on (B11)."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from app.jobs import DECLARED, EVERYTHING, Engine, Handler, JobStatus, Task
from app.jobs.amending import NewLimit
from app.jobs.errors import InvalidParams, JobEnded, JobNotFound, UnknownHandler
from app.users.people import add_user
from app.users.permissions import Role
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.hooked import FREE
from tests.jobs.looking import blank, done, running, statuses


class Turnstile:
    """A handler whose tasks pass one by one, when they are let; it knows who is inside."""

    def __init__(self) -> None:
        self._passes = threading.Semaphore(0)
        self._lock = threading.Lock()
        self.inside: list[tuple[int, int]] = []

    def __call__(self, task: Task) -> None:
        with self._lock:
            self.inside.append((task.job.id, task.index))
        assert self._passes.acquire(timeout=20)
        with self._lock:
            self.inside.remove((task.job.id, task.index))

    def let(self, count: int) -> None:
        """Let so many pass."""
        self._passes.release(count)

    @property
    def jobs(self) -> set[int]:
        """The jobs of those inside."""
        return {job_id for job_id, _ in self.inside}

    def holds(self, engine: Engine, jobs: list[int], count: int) -> None:
        """Wait until so many are inside, and see that the database counts them so."""
        eventually(lambda: len(self.inside) == count)
        eventually(lambda: sum(engine.job(each).in_progress for each in jobs) == count)


@pytest.fixture
def turnstile() -> Turnstile:
    return Turnstile()


def test_more_or_fewer_tasks_of_a_job_that_runs(engines: Engines, turnstile: Turnstile) -> None:
    work = Handler(name="work", run=turnstile, parallel_limit=1)
    engine, other = engines(work), engines(work)
    jobs = [engine.start_new_job("x", None, blank(20), "work")]
    turnstile.holds(engine, jobs, 1)
    other.set_limits("work", {"parallel_limit": 6})
    turnstile.holds(engine, jobs, 6)
    engine.set_limits("work", {"parallel_limit": 2})
    assert len(turnstile.inside) == 6  # nothing is killed
    turnstile.let(5)
    turnstile.holds(engine, jobs, 2)
    other.set_limits("work", {"parallel_limit": DECLARED})
    turnstile.let(1)
    turnstile.holds(engine, jobs, 1)
    turnstile.let(20)
    done(engine, *jobs)


def test_more_or_fewer_jobs_at_once(engines: Engines, turnstile: Turnstile) -> None:
    work = Handler(name="work", run=turnstile, concurrency_limit=1)
    engine, other = engines(work), engines(work)
    jobs = [each.start_new_job("x", None, blank(1), "work") for each in (engine, other) * 4]
    turnstile.holds(engine, jobs, 1)
    engine.set_limits("work", {"concurrency_limit": 4})
    turnstile.holds(engine, jobs, 4)
    engine.set_limits("work", {"concurrency_limit": 2})
    turnstile.let(3)
    turnstile.holds(engine, jobs, 2)
    assert sum(engine.job(each).status == JobStatus.QUEUED for each in jobs) == 3
    engine.set_limits("work", {"concurrency_limit": None})
    turnstile.holds(engine, jobs, 5)
    turnstile.let(5)
    for each in jobs:
        done(engine, each)


def test_a_job_that_has_its_own_limit_keeps_it(engines: Engines, turnstile: Turnstile) -> None:
    engine = engines(Handler(name="work", run=turnstile, parallel_limit=1), threads=8)
    jobs = [engine.start_new_job("x", None, blank(9), "work")]
    turnstile.holds(engine, jobs, 1)
    engine.set_parallel_limit(jobs[0], 3)
    turnstile.holds(engine, jobs, 3)
    engine.set_limits("work", {"parallel_limit": 5})
    turnstile.let(1)
    turnstile.holds(engine, jobs, 3)
    engine.set_parallel_limit(jobs[0], DECLARED)
    turnstile.holds(engine, jobs, 5)
    engine.set_parallel_limit(jobs[0], None)
    turnstile.holds(engine, jobs, 8)
    turnstile.let(8)
    done(engine, jobs[0])


def test_what_a_person_set_outlives_workers_that_declare_something_else(engines: Engines) -> None:
    work = Handler(name="work", run=lambda _: None, parallel_limit=3, concurrency_limit=1)
    engine = engines(work, runs=False)
    engine.set_limits("work", {"parallel_limit": 7, "concurrency_limit": None})
    newer = Handler(name="work", run=lambda _: None, parallel_limit=5, concurrency_limit=2)
    row = engines(newer).handler("work")
    assert (row.parallel_limit.now, row.parallel_limit.declared) == (7, 5)
    assert (row.concurrency_limit.now, row.concurrency_limit.declared) == (None, 2)
    engine.set_limits("work", {"parallel_limit": DECLARED})
    row = engine.handler("work")
    assert (row.parallel_limit.now, row.parallel_limit.is_set) == (5, False)
    assert (row.concurrency_limit.now, row.concurrency_limit.is_set) == (None, True)


def test_a_newly_declared_limit_counts_for_jobs_that_exist(
    engines: Engines, gate: threading.Event
) -> None:
    def work(limit: int) -> Handler:
        return Handler(name="work", run=lambda _: gate.wait(20), parallel_limit=limit)

    engine = engines(work(1))
    job_id = engine.start_new_job("x", None, blank(4), "work")
    running(engine, job_id, 1)
    engines(work(3))
    running(engine, job_id, 3)


def test_it_is_told_who_set_them(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None), runs=False)
    ann = add_user(engine.database, "ann@example.com", Role.SUPERADMIN, "a long password")
    assert engine.handler("work").limits_set_by is None
    engine.set_limits("work", {"parallel_limit": 7}, by=ann)
    row = engine.handler("work")
    assert row.limits_set_at
    assert row.limits_set_by
    assert row.limits_set_by.email == "ann@example.com"


def test_waiting_jobs_are_released_into_the_slots_that_a_person_set(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None, concurrency_limit=1), runs=False)
    held = [engine.queue_new_job("x", None, blank(1), "work") for _ in range(4)]
    engine.set_limits("work", {"concurrency_limit": 3})
    assert engine.start_queued_jobs("work") == held[:3]


@pytest.mark.parametrize("limit", [0, -1, 1_000_001, True, 2.5, "many"])
def test_a_limit_is_a_whole_number_or_none(engines: Engines, limit: NewLimit) -> None:
    engine = engines(Handler(name="work", run=lambda _: None), runs=False)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    with pytest.raises(InvalidParams, match="whole number from 1 to 1,000,000, 'declared', or no"):
        engine.set_limits("work", {"concurrency_limit": limit})
    with pytest.raises(InvalidParams, match="parallel_limit: Name a whole number"):
        engine.set_parallel_limit(job_id, limit)


def test_there_must_be_such_a_limit_and_such_a_handler(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None), runs=False)
    with pytest.raises(InvalidParams, match="The limits are parallel_limit and concurrency_limit"):
        engine.set_limits("work", {"speed": 3})
    with pytest.raises(UnknownHandler):
        engine.set_limits("raking", {"parallel_limit": 3})
    with pytest.raises(UnknownHandler):
        engine.set_limits(EVERYTHING, {"parallel_limit": 3})


def test_a_job_that_has_ended_takes_no_other_limit(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None, **FREE))
    job = done(engine, engine.start_new_job("x", None, blank(1), "work"))
    with pytest.raises(JobEnded, match="cannot be given another limit"):
        engine.set_parallel_limit(job.id, 3)
    with pytest.raises(JobNotFound):
        engine.set_parallel_limit(77, 3)
    assert statuses(engine, job.id) == ["DONE"]


class Crowd:
    """A handler that knows how many of it run, and the most since it was asked to watch."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = self.most = self.ran = 0

    def __call__(self, task: Task) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        task.sleep(0.001)
        with self._lock:
            self.now -= 1
            self.ran += 1

    def watch(self, limit: int) -> bool:
        """Begin to watch, if no more than this run."""
        with self._lock:
            self.most = self.now
            return self.now <= limit


def test_limits_that_change_while_two_processes_claim_are_never_exceeded(engines: Engines) -> None:
    crowd = Crowd()
    work = Handler(name="work", run=crowd, parallel_limit=4)
    engine, _, clerk = engines(work), engines(work), engines(work, runs=False)
    job_id = engine.start_new_job("x", None, blank(400), "work")
    for limit in (1, 3, 2, 6, 1, 5):
        clerk.set_limits("work", {"parallel_limit": limit})
        # What was claimed before may not have begun yet; nothing is claimed beyond the limit now.
        eventually(lambda limit=limit: engine.job(job_id).in_progress <= limit)  # type: ignore[misc]
        eventually(partial(crowd.watch, limit))
        before = crowd.ran
        eventually(lambda before=before: crowd.ran > before + 20)  # type: ignore[misc]
        assert crowd.most <= limit
    clerk.set_limits("work", {"parallel_limit": DECLARED})
    done(engine, job_id)
    assert crowd.ran == 400
