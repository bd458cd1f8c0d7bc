"""A mark on the task and the change of the job that it marks are stored together, or neither is."""

from __future__ import annotations

from typing import Any

from app.jobs import Handler, Task
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended, sql

FOREIGN = '{"foreign": 1}'


def _count(state: dict[str, Any]) -> None:
    state["count"] = state.get("count", 0) + 1


def test_a_mark_is_set_with_the_change(engines: Engines) -> None:
    def body(task: Task) -> object:
        task.job.update_fields_atomically(_count, {"counted": True})
        return task.get_state_field("counted")

    engine = engines(Handler(name="work", run=body, parallel_limit=None))
    job_id = engine.start_new_job("x", None, blank(40), "work")
    assert done(engine, job_id).state == {"count": 40}
    found = engine.tasks(job_id, limit=40)
    assert [(task.state, task.result) for task in found] == [({"counted": True}, True)] * 40


def test_a_change_that_raises_leaves_no_mark(engines: Engines) -> None:
    def body(task: Task) -> None:
        try:
            task.job.update_fields_atomically(lambda state: state["none"], {"counted": True})
        except KeyError:
            task.set_state_field("after", task.get_state_field("counted"))

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert done(engine, job_id).state == {}
    assert engine.task(job_id, 0).state == {"after": None}


def test_a_change_that_raises_after_it_was_lost_leaves_no_mark(engines: Engines) -> None:
    tries: list[int] = []

    def change(state: dict[str, Any]) -> None:
        tries.append(len(tries))
        if len(tries) > 1:
            raise LookupError
        sql(engine.database, "UPDATE job SET state_version = 7, state = :state", state=FOREIGN)

    def body(task: Task) -> object:
        try:
            task.job.update_fields_atomically(change, {"counted": True})
        except LookupError:
            return "raised"
        return "changed"

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert done(engine, job_id).state == {"foreign": 1}
    task = engine.task(job_id, 0)
    assert (task.state, task.result, len(tries)) == ({}, "raised", 2)


def test_nothing_waits_inside_of_a_change(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.job.update_fields_atomically(lambda state: task.flush())

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    ended(engine, job_id)
    assert str(engine.task(job_id, 0).error).startswith("NestedChange: A `change` may only")
