"""A worker that was taken for dead while it lives: it stops, and begins anew (B7)."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest

from app.db import Database
from app.jobs import Engine, Handler, Task, TaskLost, TaskStatus
from app.jobs.store import keeping
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, recounted, sql

pytestmark = pytest.mark.conformance

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}


def bury_all(database: Database) -> None:
    """Do what another process does when it takes every worker for dead."""
    for (worker_id,) in sql(database, "SELECT id FROM worker WHERE alive"):
        assert keeping.bury(database, worker_id, keeping.Death(ran=())) is not None


def has_done(engine: Engine, job_id: int, count: int) -> bool:
    return engine.job(job_id).done >= count


def living(database: Database) -> list[tuple[Any, ...]]:
    return sql(database, "SELECT id FROM worker WHERE alive ORDER BY id")


def test_a_lost_task_hears_of_it_at_its_next_call_and_records_nothing(
    engines: Engines, gate: threading.Event
) -> None:
    heard: list[str] = []

    def body(task: Task) -> str:
        if heard:
            return "second"
        heard.append("first")
        assert gate.wait(20)
        for call in (
            lambda: task.set_state_field("a", 1),
            lambda: task.log("late"),
            lambda: task.job.set_state_field("a", 1),
            lambda: task.job.update_fields_atomically(lambda state: state.update(a=1)),
            task.flush,
        ):
            with pytest.raises(TaskLost):
                call()
            heard.append("lost")
        return "first"

    engine = engines(Handler(name="work", run=body), heartbeat_seconds=0.05)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    eventually(lambda: heard == ["first"])
    bury_all(engine.database)
    job = done(engine, job_id)
    gate.set()
    eventually(lambda: heard == ["first"] + ["lost"] * 5)
    assert (engine.task(job_id, 0).result, job.state, engine.log(job_id)) == ("second", {}, [])
    assert job.counts == recounted(engine.database, job_id)


def test_a_task_that_sleeps_wakes_up_when_it_is_lost(engines: Engines) -> None:
    tries: list[int] = []

    def body(task: Task) -> None:
        tries.append(task.attempt)
        if len(tries) == 1:
            task.sleep(60)

    engine = engines(Handler(name="work", run=body), heartbeat_seconds=0.05)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    eventually(lambda: tries)
    bury_all(engine.database)
    done(engine, job_id)
    assert len(living(engine.database)) == 1


def test_a_worker_learns_of_its_death_by_what_it_writes(engines: Engines) -> None:
    entered, go = threading.Event(), threading.Event()

    def body(task: Task) -> int:
        if not entered.is_set():
            entered.set()
            assert go.wait(20)
            task.set_state_field("late", True)
        return task.attempt

    engine = engines(Handler(name="work", run=body), heartbeat_seconds=600, lease_seconds=1200)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert entered.wait(20)
    bury_all(engine.database)
    go.set()
    done(engine, job_id)
    assert engine.task(job_id, 0).state == {}
    assert len(living(engine.database)) == 1


def test_a_worker_learns_of_its_death_when_it_claims(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None), heartbeat_seconds=600)
    bury_all(engine.database)
    done(engine, engine.start_new_job("x", None, blank(9), "work"))
    assert len(living(engine.database)) == 1


@pytest.mark.parametrize("heartbeat", [0.02, 600])
def test_nothing_is_counted_twice_however_often_a_worker_is_buried(
    engines: Engines, heartbeat: float
) -> None:
    def body(task: Task) -> None:
        if not task.get_state_field("added"):
            task.set_state_field("added", True)
            task.job.update_fields_atomically(add)

    def add(state: dict[str, Any]) -> None:
        state["sum"] = state.get("sum", 0) + 1

    engine = engines(Handler(name="work", run=body, **FREE), heartbeat_seconds=heartbeat)
    job_id = engine.start_new_job("x", None, blank(1_500), "work")
    for share in range(1, 11):
        eventually(partial(has_done, engine, job_id, 100 * share))
        bury_all(engine.database)
    job = done(engine, job_id, within=30)
    assert job.state == {"sum": 1_500}
    assert job.counts == recounted(engine.database, job_id)
    assert len(living(engine.database)) == 1


def test_a_flush_under_way_ends_when_the_worker_is_lost(engines: Engines) -> None:
    heard: list[str] = []
    begun: list[int] = []

    def body(task: Task) -> None:
        begun.append(task.index)
        try:
            while not heard:
                task.set_state_field("n", 1)
                task.flush()
        except TaskLost:
            heard.append("lost")
            raise

    engine = engines(Handler(name="work", run=body, **FREE), heartbeat_seconds=0.05)
    job_id = engine.start_new_job("x", None, blank(3), "work")
    eventually(lambda: len(begun) == 3)
    bury_all(engine.database)
    done(engine, job_id)
    assert "lost" in heard
    assert engine.task(job_id, 0).status == TaskStatus.DONE


def test_late_news_of_an_old_incarnation_do_not_silence_the_new_one(
    engines: Engines, gate: threading.Event
) -> None:
    """The heartbeat sees the death first; then what the old one wrote meanwhile is refused."""
    engine = engines(Handler(name="work", run=lambda _: None), heartbeat_seconds=0.02)
    for number in range(1, 6):
        bury_all(engine.database)
        done(engine, engine.start_new_job("x", None, blank(50), "work"))
        assert len(living(engine.database)) == 1, number
