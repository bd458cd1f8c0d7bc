"""Leaving in good order: claim nothing more, let tasks end, hand back the rest (B10)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.jobs import Handler, Task, TaskStatus
from app.jobs.errors import EngineStopped, TaskLost
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.locking import locked
from tests.jobs.looking import blank, done, recounted, running, sql, statuses

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}


def test_running_tasks_end_and_the_others_wait_for_the_next_worker(
    engines: Engines, gate: threading.Event
) -> None:
    begun: list[int] = []

    def body(task: Task) -> int:
        begun.append(task.index)
        assert gate.wait(20)
        return task.attempt

    engine = engines(Handler(name="work", run=body, **FREE))
    job_id = engine.start_new_job("x", None, blank(30), "work")
    eventually(lambda: len(begun) == 4)
    engine.begin_stop()
    gate.set()
    engine.stop()
    counts = recounted(engine.database, job_id)
    assert (counts["done"], counts["scheduled"], counts["in_progress"]) == (4, 26, 0)
    assert engine.job(job_id).counts == counts
    assert sql(engine.database, "SELECT count(*) FROM worker WHERE alive") == [(0,)]
    engine.run()
    done(engine, job_id)
    assert {task.result for task in engine.tasks(job_id, limit=99)} == {1}


def test_what_outlasts_the_grace_is_handed_back_and_counts_as_no_try(
    engines: Engines, gate: threading.Event
) -> None:
    heard: list[object] = []

    def body(task: Task) -> int:
        if heard:
            return task.attempt
        heard.append("began")
        try:
            task.sleep(60)
        except TaskLost:
            heard.append("lost")
            raise
        return 0

    engine = engines(Handler(name="work", run=body), grace_seconds=0.1)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    eventually(lambda: heard)
    engine.stop()
    assert statuses(engine, job_id) == [TaskStatus.SCHEDULED]
    assert engine.task(job_id, 0).attempt == 0
    eventually(lambda: heard == ["began", "lost"])
    engine.run()
    done(engine, job_id)
    assert (engine.task(job_id, 0).result, engine.task(job_id, 0).crashes) == (1, 0)


def test_a_handler_that_will_not_end_cannot_write_any_more(
    engines: Engines, gate: threading.Event
) -> None:
    heard: list[BaseException] = []

    begun = threading.Event()

    def body(task: Task) -> None:
        begun.set()
        assert gate.wait(20)
        calls: list[Callable[[], None]] = [lambda: task.set_state_field("late", 1), task.flush]
        for call in calls:
            try:
                call()
            except EngineStopped as error:
                heard.append(error)
        raise heard[-1]

    engine = engines(Handler(name="work", run=body), grace_seconds=0.1)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert begun.wait(20)
    engine.stop()
    gate.set()
    eventually(lambda: len(heard) == 2)
    assert engine.task(job_id, 0).state == {}
    assert statuses(engine, job_id) == [TaskStatus.SCHEDULED]


def test_all_that_was_said_is_written_before_the_end(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.set_state_field("n", task.index)

    engine = engines(Handler(name="work", run=body, **FREE))
    job_id = engine.start_new_job("x", None, blank(3_000), "work")
    eventually(lambda: engine.job(job_id).done > 100)
    engine.stop()
    found = engine.tasks(job_id, limit=3_000)
    assert {task.status for task in found} == {TaskStatus.DONE, TaskStatus.SCHEDULED}
    assert all(task.state == {"n": task.index} for task in found if task.status == "DONE")
    assert engine.job(job_id).counts == recounted(engine.database, job_id)


def test_stopping_twice_or_before_running_is_harmless(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None), runs=False)
    engine.begin_stop()
    engine.stop()
    engine.run()
    done(engine, engine.start_new_job("x", None, blank(1), "work"))
    engine.begin_stop()
    engine.begin_stop()
    engine.stop()
    engine.stop()


def test_a_stop_that_two_ask_for_waits_for_the_last_claim(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None, **FREE))
    job_id = engine.start_new_job("x", None, blank(3_000), "work")
    eventually(lambda: engine.job(job_id).done > 50)
    first = threading.Thread(target=engine.begin_stop)
    first.start()
    engine.stop()
    first.join()
    assert recounted(engine.database, job_id)["in_progress"] == 0


def test_a_stop_while_the_database_is_locked_ends_and_leaves_nothing_stuck(
    engines: Engines, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.running.LAST_WRITES_SECONDS", 0.3)
    monkeypatch.setattr("app.engines.LOCK_SECONDS", 0.1)

    def body(task: Task) -> int:
        if task.job.get_state_field("slow"):
            assert gate.wait(20)
        return task.attempt

    engine = engines(Handler(name="work", run=body, **FREE), heartbeat_seconds=0.5, lease_seconds=1)
    job_id = engine.start_new_job("x", None, blank(9), "work", {"slow": True})
    running(engine, job_id, 4)
    with locked(engine.database):
        gate.set()
        eventually(lambda: engine.trouble)
        engine.stop()
    after = engines(Handler(name="work", run=body, **FREE))
    job = done(after, job_id)
    assert job.counts == recounted(engine.database, job_id)


def test_who_waits_for_the_end_does_not_wait_for_what_was_taken_back(
    engines: Engines, gate: threading.Event
) -> None:
    begun = threading.Event()

    def body(task: Task) -> None:
        begun.set()
        assert gate.wait(20)

    engine = engines(Handler(name="work", run=body, **FREE), threads=1)
    engine.start_new_job("x", None, blank(3), "work")
    assert begun.wait(20)
    pool = engine._running._pool  # type: ignore[union-attr]
    waiting = threading.Thread(target=pool.wait_for_end, args=[60])
    waiting.start()
    eventually(lambda: pool.take_back() == [] and not waiting.is_alive())
    gate.set()


def test_who_waits_long_for_the_end_of_its_tasks_is_not_taken_for_dead(engines: Engines) -> None:
    handler = Handler(name="work", run=lambda task: task.sleep(2.5))
    beats: dict[str, Any] = {"heartbeat_seconds": 0.1, "lease_seconds": 0.6}
    engine = engines(handler, grace_seconds=20, **beats)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    eventually(lambda: engine.job(job_id).in_progress == 1)
    other = engines(handler, **beats)  # looks for the dead once a second
    engine.stop()
    assert done(other, job_id).done == 1
    assert other.task(job_id, 0).attempt == 1
