"""What a handler hears when its job is cancelled, and what becomes of its task (A8)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.jobs import Engine, Handler, JobStatus, Task, TaskStatus
from app.jobs.errors import JobEnded, TaskCancelled
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, ended, recounted, sql, statuses

CALLS: dict[str, Callable[[Task], Any]] = {
    "set_state_field": lambda task: task.set_state_field("a", 1),
    "set_state_fields": lambda task: task.set_state_fields(a=1),
    "flush": lambda task: task.flush(),
    "log": lambda task: task.log("a"),
    "sleep": lambda task: task.sleep(0),
    "stop_if_cancelled": lambda task: task.stop_if_cancelled(),
    "job.set_state_field": lambda task: task.job.set_state_field("a", 1),
    "job.update_fields_atomically": lambda task: task.job.update_fields_atomically(
        lambda state: state.update(a=1)
    ),
    "job.add_tasks": lambda task: task.job.add_tasks(blank(1)),
}


class Cancelled:
    """A job of one task, cancelled while the task runs; then the task does `body`."""

    def __init__(self, engines: Engines, body: Callable[[Task], Any]) -> None:
        self._body = body
        self._runs = threading.Event()
        self._is_cancelled = threading.Event()
        self.heard: list[Any] = []
        self.engine: Engine = engines(Handler(name="work", run=self._run))
        self.job_id = self.engine.start_new_job("x", None, blank(1), "work")
        assert self._runs.wait(20)
        self.engine.cancel(self.job_id)
        self._is_cancelled.set()
        self.job = ended(self.engine, self.job_id)
        self.task = self.engine.task(self.job_id, 0)

    def _run(self, task: Task) -> Any:
        task.set_state_field("begun", True)
        self._runs.set()
        assert self._is_cancelled.wait(20)
        eventually(lambda: task.cancelled)
        return self._body(task)


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_the_next_call_of_the_task_raises_and_the_task_is_cancelled(
    engines: Engines, call: Callable[[Task], Any]
) -> None:
    after = Cancelled(engines, call)
    assert (after.job.status, after.task.status) == (JobStatus.CANCELLED, TaskStatus.CANCELLED)
    assert (after.task.state, after.job.state, after.task.log) == ({"begun": True}, {}, [])
    assert (after.task.error, after.task.result) == (None, None)
    assert after.task.started_at
    assert after.task.finished_at
    (attempt,) = after.task.attempts
    assert (attempt.number, attempt.status, attempt.error) == (1, "CANCELLED", None)
    assert after.job.counts == recounted(after.engine.database, after.job_id)


def test_a_task_that_is_waiting_wakes_up(engines: Engines) -> None:
    begun = threading.Event()

    def body(task: Task) -> None:
        begun.set()
        task.sleep(60)

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert begun.wait(20)
    engine.cancel(job_id)
    assert ended(engine, job_id, within=5).status == JobStatus.CANCELLED


def test_a_handler_may_tidy_up_after_it_has_heard(engines: Engines) -> None:
    def body(task: Task) -> None:
        try:
            task.log("never said")
        finally:
            task.log("tidying up")
            task.set_state_field("tidy", True)
            task.job.set_state_field("tidied", [task.index])
            task.job.update_fields_atomically(lambda state: state.update(sum=1))
            task.flush()

    after = Cancelled(engines, body)
    assert after.task.status == TaskStatus.CANCELLED
    assert after.task.state == {"begun": True, "tidy": True}
    assert after.job.state == {"tidied": [0], "sum": 1}
    assert [line.message for line in after.task.log] == ["tidying up"]


@pytest.mark.parametrize("name", ["sleep", "stop_if_cancelled"])
def test_waiting_raises_again_and_again(engines: Engines, name: str) -> None:
    heard: list[str] = []

    def body(task: Task) -> None:
        for _ in range(3):
            try:
                CALLS[name](task)
            except TaskCancelled:
                heard.append(name)
        raise TaskCancelled

    assert Cancelled(engines, body).task.status == TaskStatus.CANCELLED
    assert heard == [name] * 3


def test_no_task_can_be_added_while_tidying_up(engines: Engines) -> None:
    refused: list[JobEnded] = []

    def body(task: Task) -> None:
        with pytest.raises(TaskCancelled):
            task.job.add_tasks(blank(1))
        with pytest.raises(JobEnded, match="is being cancelled; it cannot be extended") as found:
            task.job.add_tasks(blank(1))
        refused.append(found.value)

    after = Cancelled(engines, body)
    assert refused
    assert (after.job.status, after.job.total) == (JobStatus.CANCELLED, 1)


@pytest.mark.parametrize(
    ("body", "status"),
    [(lambda task: task.index, TaskStatus.DONE), (lambda task: 1 / 0, TaskStatus.FAILED)],
    ids=["well", "badly"],
)
def test_a_task_that_does_not_listen_ends_as_it_ended_and_its_job_is_cancelled(
    engines: Engines, body: Callable[[Task], Any], status: TaskStatus
) -> None:
    after = Cancelled(engines, body)
    assert (after.job.status, after.task.status) == (JobStatus.CANCELLED, status)


def test_except_exception_does_not_swallow_it(engines: Engines) -> None:
    def body(task: Task) -> str:
        try:
            task.set_state_field("a", 1)
        except Exception:  # noqa: BLE001 - that is what is tried here
            return "swallowed"
        return "not told"

    assert Cancelled(engines, body).task.status == TaskStatus.CANCELLED


def test_a_change_that_fails_after_the_cancel_leaves_no_mark_of_having_been_made(
    engines: Engines,
) -> None:
    begun, told = threading.Event(), threading.Event()
    tries: list[int] = []

    def change(_: dict[str, Any]) -> None:
        tries.append(1)
        if len(tries) == 1:  # another process is faster
            sql(engine.database, "UPDATE job SET state_version = state_version + 1")
            return
        begun.set()
        assert told.wait(20)
        raise ValueError("after all")

    def body(task: Task) -> None:
        try:
            task.job.update_fields_atomically(change, {"counted": True})
        except ValueError:
            task.log("it was not made")

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert begun.wait(20)
    engine.cancel(job_id)
    assert engine._running
    (work,) = engine._running._pool._in_hand
    eventually(lambda: work.call.cancelled)
    told.set()
    ended(engine, job_id)
    # What it hears is heard at its next call, not while a change is given up.
    assert engine.task(job_id, 0).status == TaskStatus.CANCELLED
    assert (engine.task(job_id, 0).state, engine.job(job_id).state) == ({}, {})


def test_a_job_that_is_tried_again_is_not_told_of_the_cancel_before(engines: Engines) -> None:
    told: list[bool] = []
    begun = threading.Event()

    def body(task: Task) -> None:
        told.append(task.cancelled)
        if task.attempt == 1:
            begun.set()
            task.sleep(60)
        task.log("well")

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert begun.wait(20)
    engine.cancel(job_id)
    ended(engine, job_id)
    engine.retry(job_id, "unfinished")
    assert ended(engine, job_id).status == JobStatus.DONE
    assert told == [False, False]


def test_whoever_raises_it_without_a_cancel_is_cancelled_alone(engines: Engines) -> None:
    def body(task: Task) -> None:
        if task.index == 1:
            raise TaskCancelled

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(3), "work")
    assert ended(engine, job_id).status == JobStatus.DONE_WITH_ERRORS
    assert statuses(engine, job_id) == ["DONE", "CANCELLED", "DONE"]
    assert sql(engine.database, "SELECT cancel_requested_at FROM job") == [(None,)]
