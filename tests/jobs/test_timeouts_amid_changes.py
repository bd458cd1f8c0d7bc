"""A try that is cut off while it changes the job's state: all of a change, or nothing (A9, B5)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app.jobs import Engine, Handler, Task, TaskTimedOut
from app.jobs.store import recording
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, time_is_over

TIME: dict[str, Any] = {"timeout": 60, "retries": 1, "retry_delay": 0}


def add(state: dict[str, Any]) -> None:
    state["sum"] = state.get("sum", 0) + 1


def add_once(task: Task) -> None:
    """Add to the job's sum, unless a try before this one has."""
    if not task.get_state_field("added"):
        task.set_state_field("added", True)
        task.job.update_fields_atomically(add)


def one(engines: Engines, run: Any) -> tuple[Engine, int]:
    engine = engines(Handler(name="work", run=run, **TIME))
    return engine, engine.start_new_job("x", None, blank(1), "work")


def never_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing written of itself that was just set."""
    monkeypatch.setattr("app.jobs.gathering.REST_SECONDS", 60)
    monkeypatch.setattr("app.jobs.gathering.MOST_REST_SECONDS", 60)


def test_a_mark_without_its_change_is_not_kept(
    engines: Engines, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_rests(monkeypatch)
    marked = threading.Event()

    def body(task: Task) -> None:
        if task.attempt == 1:
            task.set_state_field("added", True)
            marked.set()
            assert gate.wait(20)
        add_once(task)

    engine, job_id = one(engines, body)
    assert marked.wait(20)
    time_is_over(engine)
    assert done(engine, job_id).state == {"sum": 1}
    gate.set()


def test_nor_if_the_change_is_just_being_made(engines: Engines, gate: threading.Event) -> None:
    heard: list[BaseException] = []
    changing = threading.Event()

    def slow(state: dict[str, Any]) -> None:
        changing.set()
        assert gate.wait(20)
        add(state)

    def body(task: Task) -> None:
        if task.attempt == 1:
            task.set_state_field("added", True)
            with pytest.raises(TaskTimedOut) as told:
                task.job.update_fields_atomically(slow, {"too": True})
            heard.append(told.value)
            return
        add_once(task)

    engine, job_id = one(engines, body)
    assert changing.wait(20)
    time_is_over(engine)
    assert done(engine, job_id).state == {"sum": 1}
    assert engine.task(job_id, 0).state == {"added": True}
    gate.set()
    eventually(lambda: heard)


class Held:
    """Groups that change a job's state are held up until `go`; then `meanwhile` is done first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, gate: threading.Event) -> None:
        self.entered = threading.Event()
        self.meanwhile: list[Any] = []
        write = recording.write_group

        def hold(connection: Any, worker_id: int, writes: Any, job_states: Any, *more: Any) -> str:
            if job_states:
                self.entered.set()
                assert gate.wait(20)
            while self.meanwhile:
                self.meanwhile.pop()()
            return write(connection, worker_id, writes, job_states, *more)

        monkeypatch.setattr(recording, "write_group", hold)


def cut_off(engine: Engine, count: int = 1) -> None:
    """Let the time of all tries be over, and wait until so many are cut off."""
    assert engine._running
    cut = engine._running._journal._gathering._cut_off
    time_is_over(engine)
    eventually(lambda: len(cut) == count)


def test_a_change_that_is_on_its_way_counts_with_its_mark(
    engines: Engines, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, gate)
    engine, job_id = one(engines, add_once)
    assert held.entered.wait(20)
    cut_off(engine)
    gate.set()
    assert done(engine, job_id).state == {"sum": 1}
    attempts = engine.task(job_id, 0).attempts
    assert [each.status for each in attempts] == ["DONE", "TIMED_OUT"]


def test_one_that_lost_on_its_way_is_made_by_the_next_try(
    engines: Engines, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, gate)
    engine, job_id = one(engines, add_once)
    other = engines(Handler(name="other", run=print), runs=False)
    assert held.entered.wait(20)
    cut_off(engine)
    held.meanwhile.append(lambda: other.set_job_state_field(job_id, "b", 2))
    gate.set()
    assert done(engine, job_id).state == {"b": 2, "sum": 1}
    attempts = engine.task(job_id, 0).attempts
    assert [each.status for each in attempts] == ["DONE", "TIMED_OUT"]


def test_one_that_nobody_waits_for_is_made_all_the_same(
    engines: Engines, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, gate)
    ended = threading.Event()

    def body(task: Task) -> None:
        if task.attempt == 1:
            task.job.set_state_field("a", 1)
            assert ended.wait(20)

    engine, job_id = one(engines, body)
    other = engines(Handler(name="other", run=print), runs=False)
    assert held.entered.wait(20)
    cut_off(engine)
    held.meanwhile.append(lambda: other.set_job_state_field(job_id, "b", 2))
    gate.set()
    assert done(engine, job_id).state == {"a": 1, "b": 2}
    ended.set()


def test_one_that_was_offered_and_waits_behind_another_keeps_its_mark(
    engines: Engines, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, gate)

    def body(task: Task) -> None:
        if task.index == 1 and task.attempt == 1:
            assert held.entered.wait(20)  # by then the other's change is being written
        add_once(task)

    engine = engines(Handler(name="work", run=body, **TIME))
    job_id = engine.start_new_job("x", None, blank(2), "work")
    assert held.entered.wait(20)
    assert engine._running
    heads = engine._running._journal._gathering._heads
    eventually(lambda: job_id in heads and heads[job_id].tickets)
    cut_off(engine, 2)
    gate.set()
    assert done(engine, job_id).state == {"sum": 2}


def test_one_that_waits_for_its_words_to_be_durable_hears_of_it_at_once(
    engines: Engines, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, heard = Held(monkeypatch, gate), threading.Event()

    def body(task: Task) -> None:
        if task.attempt == 1:
            task.job.set_state_field("a", 1)
            with pytest.raises(TaskTimedOut):
                task.flush()
            heard.set()

    engine, job_id = one(engines, body)
    assert held.entered.wait(20)
    time_is_over(engine)
    assert heard.wait(20)
    gate.set()
    assert done(engine, job_id).state == {"a": 1}


def test_one_that_has_failed_already_is_not_failed_again(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=print), runs=False)
    engine.run()
    assert engine._running
    gathering = engine._running._journal._gathering
    outcome = recording.TaskWrites(1, 7, 1, 1, status="FAILED")
    gathering._refused[7] = "no such thing here"
    gathering.cut_off(outcome)
    assert gathering.is_cut_off(outcome)
    assert 7 not in gathering
