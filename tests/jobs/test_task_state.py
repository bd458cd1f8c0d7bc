"""A task's state, as its handler reads and writes it (A5)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from app.jobs import Engine, Handler, Task, TaskDetail, TaskStatus
from app.jobs.errors import ValueNotStorable
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import done, ended, states

Body = Callable[[Task], Any]


def ran(engines: Engines, body: Body, state: dict[str, Any] | None = None) -> tuple[Engine, int]:
    """An engine, and a job of one task that has run."""
    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, states(state or {}), "work")
    ended(engine, job_id)
    return engine, job_id


def test_a_handler_reads_the_state_its_task_was_made_with(engines: Engines) -> None:
    engine, job_id = ran(
        engines,
        lambda task: [dict(task.state), task.get_state_field("a"), task.get_state_field("b", 9)],
        {"a": [1, {"x": None}]},
    )
    assert engine.task(job_id, 0).result == [{"a": [1, {"x": None}]}, [1, {"x": None}], 9]


def test_what_a_handler_sets_is_stored_beside_what_was_there(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.set_state_field("b", {"deep": [True]})
        task.set_state_fields({"c": 1.5}, d="ä")
        assert task.get_state_field("b") == {"deep": [True]}
        assert task.state["d"] == "ä"

    engine, job_id = ran(engines, body, {"a": 1, "d": 0})
    assert engine.task(job_id, 0).status == TaskStatus.DONE
    assert engine.task(job_id, 0).state == {"a": 1, "b": {"deep": [True]}, "c": 1.5, "d": "ä"}


def test_the_state_cannot_be_changed_past_its_setter(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.state["a"] = 1  # type: ignore[index]

    engine, job_id = ran(engines, body)
    assert "does not support item assignment" in (engine.task(job_id, 0).error or "")


def test_what_is_set_shows_while_the_task_runs(engines: Engines, gate: threading.Event) -> None:
    def body(task: Task) -> None:
        task.set_state_field("seen", 1)
        assert gate.wait(20)

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, states({}), "work")
    eventually(lambda: engine.task(job_id, 0).state == {"seen": 1})
    assert engine.task(job_id, 0).status == TaskStatus.IN_PROGRESS


def test_flush_returns_once_what_was_set_is_stored(engines: Engines) -> None:
    stored: list[dict[str, Any]] = []

    def body(task: Task) -> None:
        for number in range(20):
            task.set_state_field("n", number)
            task.flush()
            stored.append(engine.task(task.job.id, task.index).state)

    engine = engines(Handler(name="work", run=body))
    done(engine, engine.start_new_job("x", None, states({}), "work"))
    assert stored == [{"n": number} for number in range(20)]


def test_the_last_of_many_writes_is_there_when_the_task_is_done(engines: Engines) -> None:
    def body(task: Task) -> None:
        for number in range(500):
            task.set_state_field("n", number)

    engine = engines(Handler(name="work", run=body, parallel_limit=None))
    job_id = engine.start_new_job("x", None, states(*[{}] * 20), "work")
    for index in range(20):
        task = eventually(partial(done_task, engine, job_id, index))
        assert task
        assert task.state == {"n": 499}


def done_task(engine: Engine, job_id: int, index: int) -> TaskDetail | None:
    task = engine.task(job_id, index)
    return task if task.status == TaskStatus.DONE else None


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


BAD = {
    "NaN": (float("nan"), "not JSON compliant"),
    "infinity": (float("inf"), "not JSON compliant"),
    "NUL": ("a\0b", "NUL character"),
    "NUL in a key": ({"a\0b": 1}, "NUL character"),
    "NUL in a list": ([["a\0b"]], "NUL character"),
    "half a surrogate pair": ("\ud800", "half of a surrogate pair"),
    "too large": ("x" * 300_000, r"takes 300,0\d\d bytes as JSON, and the limit is 262,144"),
    "too deep": (deep(100_000), "nested too deeply"),
    "no JSON": ({1, 2}, "cannot be stored as JSON: Object of type set"),
    "bytes": (b"x", "cannot be stored as JSON"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_value_that_cannot_be_stored_is_refused_and_nothing_is_lost(
    engines: Engines, what: str
) -> None:
    value, sentence = BAD[what]

    def body(task: Task) -> None:
        task.set_state_field("kept", 1)
        with pytest.raises(ValueNotStorable, match=sentence):
            task.set_state_fields(other=2, bad=value)
        with pytest.raises(ValueNotStorable, match=sentence):
            task.job.set_state_field("bad", value)
        with pytest.raises(ValueNotStorable, match=sentence):
            task.job.update_fields_atomically(lambda state: state.update(bad=value))
        task.set_state_field("after", 3)

    engine, job_id = ran(engines, body, {"was": 0})
    assert engine.task(job_id, 0).error is None
    assert engine.task(job_id, 0).state == {"was": 0, "kept": 1, "after": 3}
    assert engine.job(job_id).state == {}


@pytest.mark.parametrize("name", [1, None, "a\0b", "\udfff"])
def test_a_field_needs_a_name_of_text(engines: Engines, name: Any) -> None:
    engine, job_id = ran(engines, lambda task: task.set_state_field(name, 1))
    assert "ValueNotStorable: " in (engine.task(job_id, 0).error or "")


def test_a_state_may_not_grow_past_the_limit_field_by_field(engines: Engines) -> None:
    def body(task: Task) -> None:
        for number in range(9):
            task.set_state_field(str(number), "x" * 50_000)

    engine, job_id = ran(engines, body)
    assert "The task's state takes 300,0" in (engine.task(job_id, 0).error or "")
    assert list(engine.task(job_id, 0).state) == ["0", "1", "2", "3", "4"]


def test_the_key_for_outside_systems_is_the_same_at_each_try_and_for_no_other_task(
    engines: Engines,
) -> None:
    engine = engines(Handler(name="work", run=lambda task: [task.idempotency_key, task.attempt]))
    job_id = engine.start_new_job("x", None, states({}, {}), "work")
    done(engine, job_id)
    first, second = (engine.task(job_id, index) for index in (0, 1))
    assert first.result == [f"jobdeck-{job_id}-0", 1]
    assert second.result == [f"jobdeck-{job_id}-1", 1]
