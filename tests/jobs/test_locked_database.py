"""A database that cannot be written for a while: said in a sentence, and nothing is lost."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app.jobs import Engine, Handler, Task
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.locking import locked
from tests.jobs.looking import blank, done, recounted, running


def in_trouble(engine: Engine) -> bool:
    """Whether the engine says that it cannot write."""
    return str(engine.trouble).startswith("The database cannot be written just now: ")


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engines.LOCK_SECONDS", 0.05)


def test_results_wait_in_memory_until_the_lock_is_gone(
    engines: Engines, gate: threading.Event
) -> None:
    def body(task: Task) -> int:
        assert gate.wait(20)
        task.set_state_field("n", task.index)
        task.job.update_fields_atomically(lambda state: state.update(sum=state["sum"] + 1))
        return task.attempt

    work = Handler(name="work", run=body, parallel_limit=None)
    engine = engines(work, heartbeat_seconds=0.1)
    job_id = engine.start_new_job("x", None, blank(200), "work", {"sum": 0})
    running(engine, job_id, 4)
    with locked(engine.database):
        gate.set()
        eventually(lambda: in_trouble(engine))
        assert engine.job(job_id).done == 0
    job = done(engine, job_id)
    assert engine.trouble is None
    assert job.state == {"sum": 200}
    assert job.counts == recounted(engine.database, job_id)
    tasks = engine.tasks(job_id, limit=200)
    assert [(task.state, task.result) for task in tasks] == [({"n": n}, 1) for n in range(200)]


def test_what_cannot_be_claimed_is_claimed_later(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None), runs=False)
    job_id = engine.start_new_job("x", None, blank(9), "work")
    engine.run()
    with locked(engine.database):
        eventually(lambda: in_trouble(engine))
    done(engine, job_id)
    eventually(lambda: engine.trouble is None)


def test_a_handler_that_waits_for_its_flush_goes_on_when_it_may(
    engines: Engines, gate: threading.Event
) -> None:
    flushed: list[Any] = []

    def body(task: Task) -> None:
        assert gate.wait(20)
        task.set_state_field("a", 1)
        task.flush()
        flushed.append(engine.task(task.job.id, 0).state)

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    running(engine, job_id, 1)
    with locked(engine.database):
        gate.set()
        eventually(lambda: in_trouble(engine))
        assert flushed == []
    done(engine, job_id)
    assert flushed == [{"a": 1}]


def test_handlers_wait_when_too_much_waits_to_be_written(
    engines: Engines, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.journal.MOST_WAITING", 5)
    ended: list[int] = []

    def body(task: Task) -> None:
        if task.index == 0:
            assert gate.wait(20)
        task.log("said")
        ended.append(task.index)

    engine = engines(Handler(name="work", run=body, parallel_limit=None), threads=20)
    job_id = engine.start_new_job("x", None, blank(20), "work")
    eventually(lambda: engine.job(job_id).in_progress == 1)
    second = engine.start_new_job("y", None, [], "work")
    with locked(engine.database):
        gate.set()
        eventually(lambda: in_trouble(engine))
    done(engine, job_id)
    done(engine, second)
    assert len(ended) == 20


def test_a_worker_whose_lease_may_be_over_claims_nothing(engines: Engines) -> None:
    ran: list[int] = []
    engine = engines(
        Handler(name="work", run=lambda task: ran.append(task.index)),
        heartbeat_seconds=0.05,
        lease_seconds=0.1,
    )
    with locked(engine.database):
        eventually(lambda: in_trouble(engine))
    done(engine, engine.start_new_job("x", None, blank(3), "work"))
    assert sorted(ran) == [0, 1, 2]
