"""Changes of a job's state that lose against another process, at every awkward moment (A9)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.jobs import Engine, Handler, Task, TaskStatus
from app.jobs.errors import JobNotFound
from app.jobs.journal import Journal
from app.jobs.store import keeping, recording
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended, sql


def add(state: dict[str, Any]) -> None:
    state["sum"] = state.get("sum", 0) + 1


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Do a thing once, just before the journal writes the next change of a job's state."""
    write = recording.write_group

    def arm(what: Callable[[], object]) -> None:
        waiting = [what]

        def first(connection: Any, worker_id: int, writes: Any, job_states: Any, *more: Any) -> str:
            if job_states and waiting:
                waiting.pop()()
            return write(connection, worker_id, writes, job_states, *more)

        monkeypatch.setattr(recording, "write_group", first)

    return arm


def started(engines: Engines, body: Callable[[Task], Any]) -> tuple[Engine, int, Engine]:
    """An engine that waits to be run, a job of one task for it, and another process."""
    engine = engines(Handler(name="work", run=body), runs=False, max_value_kb=1)
    other = engines(Handler(name="other", run=body), runs=False)
    return engine, engine.start_new_job("x", None, blank(1), "work"), other


def test_a_field_that_lost_is_set_again(engines: Engines, meanwhile: Any) -> None:
    def body(task: Task) -> None:
        task.set_state_field("mine", 1)
        task.job.set_state_field("a", 1)

    engine, job_id, other = started(engines, body)
    meanwhile(lambda: other.set_job_state_field(job_id, "b", 2))
    engine.run()
    assert done(engine, job_id).state == {"a": 1, "b": 2}
    assert engine.task(job_id, 0).state == {"mine": 1}


def test_a_change_that_lost_is_made_again_with_the_mark_set_before_it(
    engines: Engines, meanwhile: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.gathering.REST_SECONDS", 5)
    monkeypatch.setattr("app.jobs.gathering.MOST_REST_SECONDS", 5)
    seen: list[dict[str, Any]] = []

    def change(state: dict[str, Any]) -> None:
        # Nothing of the lost try was stored: neither the change nor the mark.
        seen.append(engine.task(job_id, 0).state)
        add(state)

    def body(task: Task) -> None:
        task.job.set_state_field("first", 1)
        task.set_state_field("marked", True)
        task.job.update_fields_atomically(change)

    engine, job_id, other = started(engines, body)
    meanwhile(lambda: other.set_job_state_field(job_id, "sum", 10))
    engine.run()
    assert done(engine, job_id).state == {"first": 1, "sum": 11}
    assert seen[:2] == [{}, {}]
    assert engine.task(job_id, 0).state == {"marked": True}


def test_a_change_that_will_not_be_made_again_lets_go_of_what_was_said(
    engines: Engines, meanwhile: Any
) -> None:
    def body(task: Task) -> str:
        tries: list[int] = []

        def change(state: dict[str, Any]) -> None:
            tries.append(1)
            if len(tries) > 1:
                raise ValueError("not again")

        task.set_state_field("kept", 1)
        with pytest.raises(ValueError, match="not again"):
            task.job.update_fields_atomically(change)
        task.flush()
        return "went on"

    engine, job_id, other = started(engines, body)
    meanwhile(lambda: other.set_job_state_field(job_id, "b", 2))
    engine.run()
    done(engine, job_id)
    assert (engine.task(job_id, 0).state, engine.task(job_id, 0).result) == ({"kept": 1}, "went on")


def test_a_field_that_no_longer_fits_fails_the_task_that_set_it(
    engines: Engines, meanwhile: Any
) -> None:
    engine, job_id, other = started(engines, lambda task: task.job.set_state_field("a", "x" * 600))
    meanwhile(lambda: other.set_job_state_field(job_id, "b", "y" * 600))
    engine.run()
    assert ended(engine, job_id).state == {"b": "y" * 600}
    task = engine.task(job_id, 0)
    assert task.status == TaskStatus.FAILED
    assert "The job state takes 1,2" in (task.error or "")


@pytest.mark.parametrize("waits", [True, False])
def test_a_job_that_was_deleted_takes_its_changes_along(
    engines: Engines, meanwhile: Any, waits: bool
) -> None:
    heard = threading.Event()

    def body(task: Task) -> None:
        if waits:
            with pytest.raises(JobNotFound):
                task.job.update_fields_atomically(add)
        else:
            task.job.set_state_field("a", 1)
            task.flush()
        heard.set()

    engine, _, other = started(engines, body)
    meanwhile(lambda: sql(other.database, "DELETE FROM job"))
    engine.run()
    assert heard.wait(10)
    done(engine, engine.start_new_job("next", None, [], "work"))


def test_a_task_lost_while_its_change_is_made_again_harms_nobody(
    engines: Engines, meanwhile: Any
) -> None:
    tries: list[int] = []

    def body(task: Task) -> None:
        tries.append(task.attempt)
        task.job.set_state_field("a", len(tries))
        task.flush()

    engine, job_id, other = started(engines, body)

    def lose_all() -> None:
        other.set_job_state_field(job_id, "b", 2)
        ((worker_id,),) = sql(other.database, "SELECT id FROM worker WHERE alive")
        journal(engine).write_for(0)
        keeping.bury(other.database, worker_id, keeping.Death(ran=()))

    meanwhile(lose_all)
    engine.run()
    assert done(engine, job_id).state == {"a": 2, "b": 2}


def journal(engine: Engine) -> Journal:
    """The journal of an engine, for what only another thread of it would do."""
    assert engine._running
    return engine._running._journal
