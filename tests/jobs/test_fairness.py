"""Nobody starves: threads are shared by the jobs that run, whatever their size."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import Connection

from app.jobs import Handler, Task
from app.jobs.planning import share
from app.jobs.store import candidates, claiming, keeping
from app.jobs.store.candidates import Candidate
from app.jobs.store.claiming import Order
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, running, sql, statuses

#: So many quick tasks that a worker claims many ahead, at their rate.
QUICK = 2_000

limits = some.none() | some.integers(1, 50)
jobs = some.lists(
    some.builds(
        Candidate,
        id=some.integers(1, 10**6),
        handler=some.just("work"),
        scheduled=some.integers(0, 300),
        in_progress=some.integers(0, 60),
        parallel_limit=limits,
    ),
    max_size=30,
    unique_by=lambda job: job.id,
)


@given(room=some.integers(0, 250), jobs=jobs)
def test_room_is_shared_evenly_and_none_of_it_is_wasted(room: int, jobs: list[Candidate]) -> None:
    shares = share(room, jobs)
    wanted = {job.id: job.claimable for job in jobs}
    assert all(0 < share <= wanted[job_id] for job_id, share in shares.items())
    assert sum(shares.values()) == min(room, sum(wanted.values()))


def test_two_jobs_get_the_same_and_a_small_one_leaves_its_rest_to_them() -> None:
    def job(id_: int, scheduled: int) -> Candidate:
        return Candidate(id_, "work", scheduled, 0, None)

    assert share(100, [job(1, 10**6), job(2, 10**6)]) == {1: 50, 2: 50}
    assert share(100, [job(1, 10**6), job(2, 10), job(3, 10**6)]) == {1: 45, 2: 10, 3: 45}
    assert share(1, [job(1, 9), job(2, 9)]) == {1: 1}


def test_a_small_job_passes_a_huge_one(engines: Engines) -> None:
    engine = engines(
        Handler(name="work", run=lambda task: None, parallel_limit=None, concurrency_limit=None)
    )
    huge = engine.start_new_job("huge", None, blank(20_000), "work")
    small = engine.start_new_job("small", None, blank(20), "work")
    done(engine, small)
    assert engine.job(huge).scheduled > 0


def test_a_small_job_starts_while_a_huge_one_holds_all_threads_but_one(
    engines: Engines, gate: threading.Event
) -> None:
    def wait(task: Task) -> None:
        assert gate.wait(20)

    engine = engines(
        Handler(name="slow", run=wait, parallel_limit=3), Handler(name="quick", run=lambda _: None)
    )
    huge = engine.start_new_job("huge", None, blank(5_000), "slow")
    running(engine, huge, 3)
    done(engine, engine.start_new_job("small", None, blank(50), "quick"))
    assert engine.job(huge).in_progress == 3


def test_a_job_whose_handler_nobody_has_starves_nobody(engines: Engines) -> None:
    clerk = engines(Handler(name="gone", run=lambda _: None, concurrency_limit=None), runs=False)
    for _ in range(30):
        clerk.start_new_job("stuck", None, blank(1), "gone")
    engine = engines(Handler(name="work", run=lambda _: None))
    done(engine, engine.start_new_job("x", None, blank(1), "work"))
    assert all(job.no_worker for job in engine.jobs() if job.handler == "gone")


def test_what_was_claimed_ahead_goes_to_an_idle_worker_when_tasks_turn_out_slow(
    engines: Engines, gate: threading.Event
) -> None:
    ran: dict[str, list[int]] = {"first": [], "second": []}

    def handler(name: str) -> Handler:
        def body(task: Task) -> None:
            ran[name].append(task.index)
            if task.index >= QUICK:
                assert gate.wait(20)

        return Handler(name="work", run=body, parallel_limit=None)

    # No poll helps: who has too much looks by himself, and tells the others.
    engine = engines(handler("first"), poll_seconds=30)
    job_id = engine.start_new_job("x", None, blank(QUICK + 12), "work")
    eventually(lambda: len(ran["first"]) >= QUICK + 4, within=20)
    engines(handler("second"), poll_seconds=30)
    eventually(lambda: len(ran["second"]) == 4, within=20)
    gate.set()
    done(engine, job_id)
    assert sorted(ran["first"] + ran["second"]) == list(range(QUICK + 12))


def test_what_another_worker_starts_while_this_one_looks_is_not_overlooked(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    clerk = engines(Handler(name="work", run=lambda _: None, parallel_limit=None), runs=False)
    with clerk.database.writing() as connection:
        new = keeping.NewWorker(host="here", pid=1, mark="m", handlers=["work"], lease=60)
        other = keeping.register(connection, new)
    looks = 0

    def as_another_starts_it(look: Callable[..., Any]) -> Callable[..., Any]:
        def looked(connection: Connection, *asked: Any) -> Any:
            nonlocal looks
            looks += 1
            found = look(connection, *asked)
            if looks == 1:  # between the two looks of the first turn
                claiming.claim(
                    connection, other, Order(start=[(job_id, 1)], tasks={job_id: [task_id]})
                )
            return found

        return looked

    for name in ("queued_jobs", "running_jobs"):
        monkeypatch.setattr(candidates, name, as_another_starts_it(getattr(candidates, name)))
    job_id = clerk.start_new_job("x", None, blank(2), "work")
    task_id = sql(clerk.database, "SELECT min(id) FROM task")[0][0]
    # No poll helps, and nobody tells it again.
    engine = engines(Handler(name="work", run=lambda _: None, parallel_limit=None), poll_seconds=30)
    eventually(lambda: engine.job(job_id).done == 1)
    assert looks >= 2
    assert statuses(engine, job_id) == ["IN_PROGRESS", "DONE"]
