"""The state of a job: changed by many at once, and nothing of it lost (A9)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.jobs import Handler, Task
from app.jobs.errors import JobNotFound, NestedChange, ValueNotStorable
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended

pytestmark = pytest.mark.conformance

ALL_AT_ONCE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}


def add(state: dict[str, Any]) -> None:
    state["sum"] = state.get("sum", 0) + 1


def in_threads(count: int, what: Callable[[], object]) -> None:
    """Do it in so many threads at once."""
    threads = [threading.Thread(target=what) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_state_of_a_job_is_read_and_set_from_outside(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None), runs=False)
    job_id = engine.start_new_job("x", None, [], "work", {"a": 1})
    engine.set_job_state_field(job_id, "b", [2])
    assert engine.get_job_state(job_id) == {"a": 1, "b": [2]}
    assert engine.get_job_state_field(job_id, "b") == [2]
    assert engine.get_job_state_field(job_id, "c", "none") == "none"
    assert engine.update_job_fields_atomically(job_id, add) == {"a": 1, "b": [2], "sum": 1}


def test_a_job_that_is_not_there_is_named(engines: Engines) -> None:
    engine = engines(runs=False)
    for ask in (engine.get_job_state, engine.job, lambda n: engine.set_job_state_field(n, "a", 1)):
        with pytest.raises(JobNotFound, match="There is no job 77"):
            ask(77)


def test_ten_threads_change_one_state_and_no_change_is_lost(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None), runs=False)
    job_id = engine.start_new_job("x", None, [], "work")
    in_threads(10, lambda: [engine.update_job_fields_atomically(job_id, add) for _ in range(20)])
    assert engine.get_job_state(job_id) == {"sum": 200}


def test_tasks_that_run_at_once_add_to_one_sum(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.job.update_fields_atomically(add)
        task.job.set_state_field(f"by {task.index}", task.index)
        task.job.update_fields_atomically(add)

    engine = engines(Handler(name="work", run=body, **ALL_AT_ONCE), threads=10)
    job_id = engine.start_new_job("x", None, blank(200), "work")
    assert done(engine, job_id).state == {"sum": 400} | {f"by {n}": n for n in range(200)}


def test_two_processes_and_a_person_add_to_one_sum(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.set_state_field("marked", True)
        task.job.update_fields_atomically(add)
        task.job.set_state_field("last", task.index)

    work = Handler(name="work", run=body, **ALL_AT_ONCE)
    engine, other = engines(work), engines(work)
    job_id = engine.start_new_job("x", None, blank(150), "work")
    in_threads(2, lambda: [other.update_job_fields_atomically(job_id, add) for _ in range(25)])
    job = done(engine, job_id)
    assert engine.get_job_state_field(job_id, "sum") == 200
    assert 0 <= job.state["last"] < 150
    assert all(task.state == {"marked": True} for task in engine.tasks(job_id, limit=150))


def test_a_field_set_by_a_task_survives_the_change_of_somebody_else(engines: Engines) -> None:
    def body(task: Task) -> None:
        for number in range(50):
            task.job.set_state_field(f"{task.index}-{number}", number)

    engine = engines(Handler(name="work", run=body, **ALL_AT_ONCE))
    other = engines(Handler(name="other", run=lambda _: None), runs=False)
    job_id = engine.start_new_job("x", None, blank(4), "work")
    in_threads(2, lambda: [other.update_job_fields_atomically(job_id, add) for _ in range(50)])
    fields = {f"{index}-{number}": number for index in range(4) for number in range(50)}
    assert done(engine, job_id).state == fields | {"sum": 100}


def test_a_change_returns_what_is_stored_by_then(engines: Engines) -> None:
    def body(task: Task) -> None:
        new = task.job.update_fields_atomically(add)
        assert engine.get_job_state(task.job.id)["sum"] >= new["sum"]
        assert task.job.get_state_field("sum") >= new["sum"]
        assert task.job.get_state_field("other", 5) == 5

    engine = engines(Handler(name="work", run=body, **ALL_AT_ONCE))
    done(engine, engine.start_new_job("x", None, blank(40), "work"))


def test_a_task_sees_at_once_what_it_has_set(engines: Engines) -> None:
    def body(task: Task) -> None:
        for number in range(100):
            task.job.set_state_field("n", number)
            assert task.job.state["n"] == number

    engine = engines(Handler(name="work", run=body))
    assert done(engine, engine.start_new_job("x", None, blank(1), "work")).state == {"n": 99}


def test_a_change_within_a_change_is_refused(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.job.update_fields_atomically(lambda _: task.job.set_state_field("a", 1))

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert ended(engine, job_id).state == {}
    assert (engine.task(job_id, 0).error or "").startswith("NestedChange: A `change` may only edit")
    with pytest.raises(NestedChange):
        engine.update_job_fields_atomically(
            job_id, lambda _: engine.set_job_state_field(job_id, "a", 1)
        )
    assert engine.update_job_fields_atomically(job_id, add) == {"sum": 1}


def test_a_change_that_raises_changes_nothing(engines: Engines) -> None:
    def body(task: Task) -> None:
        def change(state: dict[str, Any]) -> None:
            state["half"] = 1
            raise ValueError("on second thoughts")

        task.job.update_fields_atomically(change)

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work", {"a": 1})
    assert ended(engine, job_id).state == {"a": 1}
    assert engine.task(job_id, 0).error == "ValueError: on second thoughts"


def test_a_state_that_grows_too_large_is_refused_whole(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None), runs=False, max_value_kb=1)
    job_id = engine.start_new_job("x", None, [], "work", {"a": 1})
    with pytest.raises(ValueNotStorable, match="The job state takes 1,0"):
        engine.set_job_state_field(job_id, "b", "x" * 1015)
    with pytest.raises(ValueNotStorable, match="initial state takes"):
        engine.start_new_job("x", None, [], "work", {"b": "x" * 2000})
    assert engine.get_job_state(job_id) == {"a": 1}
