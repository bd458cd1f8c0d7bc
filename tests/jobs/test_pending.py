"""A job that does not run says why, in every state: what it waits for, and for how long."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert

from app.db import now
from app.jobs import Engine, Handler, PendingCode, PendingReason, Task
from app.jobs.models import Job
from app.jobs.store import creating
from app.jobs.store.creating import NewJob, NewTask
from app.users.people import add_user
from app.users.permissions import Role
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended, sql

pytestmark = pytest.mark.conformance


def handler(name: str = "work", run: Any = lambda task: None, **more: Any) -> Handler:
    return Handler(name=name, run=run, **more)


def start(engine: Engine, name: str = "work", tasks: int = 1, **more: Any) -> int:
    return engine.start_new_job(name, None, blank(tasks), name, **more)


def why(engine: Engine, job_id: int) -> PendingReason:
    reason = engine.pending_reason(job_id)
    assert reason
    assert engine.pending_reasons([job_id])[job_id].code == reason.code
    return reason


def becomes(engine: Engine, job_id: int, code: PendingCode) -> PendingReason:
    """The reason, once it is this one."""

    def is_so() -> bool:
        reason = engine.pending_reason(job_id)
        return bool(reason and reason.code == code)

    eventually(is_so, within=20)
    return why(engine, job_id)


def test_without_any_worker_it_says_so(engines: Engines) -> None:
    engine = engines(handler(), runs=False)
    job_id = start(engine)
    reason = why(engine, job_id)
    assert (reason.code, reason.job_id) == ("no_worker", None)
    assert "No worker runs at all." in reason.message
    engine.run()
    done(engine, job_id)
    assert engine.pending_reason(job_id) is None
    assert engine.pending_reason(10**15) is None


def test_a_handler_that_no_worker_has_is_named(engines: Engines) -> None:
    engines(handler("other"))
    engine = engines(handler(), runs=False)
    assert why(engine, start(engine)).message == (
        "No living worker has the handler work. The job waits until one does."
    )
    stranger = engines(handler("other"), runs=False)
    reason = why(stranger, start(engine))
    assert reason.code == "no_handler"
    assert "Its code is not installed here, either." in reason.message


def test_a_job_that_is_not_due_or_held_says_so(engines: Engines) -> None:
    engine = engines(handler())
    later = start(engine, delay=timedelta(hours=1))
    assert (why(engine, later).code, why(engine, later).until) == ("due", engine.job(later).due_at)
    held = engine.queue_new_job("x", None, blank(1), "work")
    reason = why(engine, held)
    assert reason.code == "held"
    assert "start_next_queued_job()" in reason.message
    engine.start_queued_jobs("work")
    done(engine, held)


def test_a_pause_names_who_paused_and_until_when(engines: Engines) -> None:
    engine = engines(handler())
    bob = add_user(engine.database, "bob@example.com", Role.SUPERADMIN, "correct horse battery")
    engine.pause("*", "upgrade", by=bob)
    job_id = start(engine)
    reason = why(engine, job_id)
    assert reason.code == "paused"
    assert reason.message == (
        "Everything is paused by bob@example.com, until somebody resumes it: upgrade"
    )
    engine.resume("*")
    done(engine, job_id)
    engine.pause("work", "why not", until=engine.job(job_id).created_at + timedelta(days=1))
    second = start(engine)
    assert why(engine, second).until == engine.job(job_id).created_at + timedelta(days=1)


def test_who_holds_the_slot_is_named_and_how_many_are_before(
    engines: Engines, gate: threading.Event
) -> None:
    engine = engines(handler(run=lambda task: gate.wait(20), concurrency_limit=1))
    first, second, third = start(engine), start(engine), start(engine)
    eventually(lambda: engine.job(first).in_progress)
    assert engine.pending_reason(first) is None
    assert why(engine, second) == PendingReason(
        code=PendingCode.SLOT,
        message=f"work runs 1 job at a time, and #{first} holds the slot.",
        job_id=first,
    )
    assert "1 job of its handler is before it in the queue." in why(engine, third).message
    engine.set_priority(third, 1)
    assert "before it" not in why(engine, third).message
    assert "1 job of its handler is before it" in why(engine, second).message


def test_a_place_in_a_long_queue_is_not_counted_to_its_end(
    engines: Engines, gate: threading.Event
) -> None:
    engine = engines(handler(run=lambda task: gate.wait(20), concurrency_limit=1))
    first = start(engine)
    eventually(lambda: engine.job(first).in_progress)
    for _ in range(3):
        engine.queue_new_job("held", None, blank(1), "work")
    job = {"name": "x", "handler": "work", "status": "QUEUED", "created_at": now()}
    with engine.database.writing() as connection:
        connection.execute(insert(Job), [job] * 1_001)
    assert "Over 1,000 jobs of its handler are before it" in why(engine, start(engine)).message


def test_what_all_threads_are_busy_with_is_named(engines: Engines, gate: threading.Event) -> None:
    engine = engines(handler(run=lambda task: gate.wait(20)), handler("other"), threads=2)
    busy = start(engine, tasks=2)
    eventually(lambda: engine.job(busy).in_progress == 2)
    reason = becomes(engine, start(engine, "other"), PendingCode.NO_THREAD)
    assert reason.job_id == busy
    assert reason.message == f"No thread is free: all 2 are busy with #{busy}."
    waiting = engine.jobs(limit=1)[0].id
    hidden = engine.pending_reason(waiting, {"work"})
    assert hidden
    assert (hidden.job_id, hidden.message) == (
        None, "No thread is free: all 2 are busy with other jobs.",
    )  # fmt: skip


def test_a_job_whose_tasks_wait_for_their_next_try_says_when(engines: Engines) -> None:
    def fail(task: Task) -> None:
        raise ValueError("no")

    engine = engines(handler(run=fail, retries=3, retry_delay=600))
    job_id = start(engine, tasks=2)
    eventually(lambda: engine.job(job_id).waiting == 2)
    reason = why(engine, job_id)
    assert reason.code == "retry"
    assert reason.until == min(
        task.run_after for task in engine.tasks(job_id, limit=2) if task.run_after
    )
    assert "2 tasks failed and will be tried again" in reason.message


def test_many_jobs_that_wait_for_retries_are_one_question(engines: Engines) -> None:
    def fail(task: Task) -> None:
        raise ValueError("no")

    engine = engines(handler(run=fail, retries=3, retry_delay=600, concurrency_limit=None))
    ids = [start(engine, tasks=index + 1) for index in range(4)]
    eventually(lambda: [engine.job(each).waiting for each in ids] == [1, 2, 3, 4])
    asked: list[str] = []

    def listen(*said: Any) -> None:
        if "run_after" in said[2]:
            asked.append(said[2])

    event.listen(engine.database.engine, "before_cursor_execute", listen)
    reasons = engine.pending_reasons(ids)
    event.remove(engine.database.engine, "before_cursor_execute", listen)
    # The scheduler of this process may have looked for what is due meanwhile.
    assert len([each for each in asked if "UNION ALL" in each]) == 1
    for each in ids:
        tries = [task.run_after for task in engine.tasks(each, limit=9) if task.run_after]
        assert reasons[each].until == min(tries)


def test_what_is_cancelled_or_reopened_says_so(engines: Engines, gate: threading.Event) -> None:
    engine = engines(handler(), runs=False)
    job_id = start(engine)
    sql(engine.database, f"UPDATE job SET retrying = '\"all\"' WHERE id = {job_id}")
    assert why(engine, job_id).code == "reopening"
    sql(engine.database, "UPDATE job SET cancel_requested_at = '2026-01-01T00:00:00.000000Z'")
    assert why(engine, job_id).code == "cancelling"


class Parent:
    """A handler whose jobs start one of another handler, and wait for its end."""

    def __init__(self, child: str, together: int = 1) -> None:
        self.child = child
        self.all_run = threading.Barrier(together)
        self.children: list[int] = []

    def __call__(self, task: Task) -> None:
        self.all_run.wait(20)
        job_id = task.engine.start(self.child, tasks=[{"state": {}}])
        self.children.append(job_id)
        while not task.engine.job(job_id).is_final:
            task.sleep(0.02)


def test_jobs_that_wait_for_jobs_while_all_threads_wait_say_so_on_both(engines: Engines) -> None:
    run = Parent("child", together=2)
    many = handler("parent", run, concurrency_limit=None)
    engine = engines(many, handler("child"), threads=2)
    parents = [start(engine, "parent"), start(engine, "parent")]
    eventually(lambda: len(run.children) == 2)
    for child in run.children:
        reason = becomes(engine, child, PendingCode.DEADLOCK)
        assert reason.job_id in parents
        assert f"#{reason.job_id} has started this job: if it waits for it, neither goes on." in (
            reason.message
        )
    assert engine.job(run.children[0]).started_by_job in parents
    assert engine.started_jobs(parents[0]) == [
        child for child in run.children if engine.job(child).started_by_job == parents[0]
    ]
    for parent in parents:
        reason = why_of_parent(engine, parent)
        assert reason.job_id in run.children
        assert f"It has started #{reason.job_id}, which cannot begin" in reason.message
        assert "no thread is free: all 2 are busy with" in reason.message
    engine.cancel(parents[0])
    for job_id in (*parents, *run.children):
        ended(engine, job_id)


def why_of_parent(engine: Engine, job_id: int) -> PendingReason:
    reason = engine.pending_reason(job_id)
    assert reason
    assert reason.code == "deadlock"
    return reason


def test_a_slot_may_be_what_jobs_wait_for_in_a_ring(engines: Engines) -> None:
    run = Parent("parent")
    engine = engines(handler("parent", run, concurrency_limit=1), threads=4)
    parent = start(engine, "parent")
    eventually(lambda: run.children)
    reason = becomes(engine, run.children[0], PendingCode.DEADLOCK)
    assert reason.job_id == parent
    assert f"#{parent} holds the slot" in reason.message
    assert why_of_parent(engine, parent).job_id == run.children[0]
    engine.cancel(parent)
    engine.cancel(run.children[0])


def test_who_starts_a_job_while_others_run_is_in_no_ring(
    engines: Engines, gate: threading.Event
) -> None:
    run = Parent("child")
    engine = engines(
        handler("parent", run), handler("child"), handler("long", lambda task: gate.wait(20)),
        threads=2,
    )  # fmt: skip
    long = start(engine, "long")
    eventually(lambda: engine.job(long).in_progress)
    parent = start(engine, "parent")
    eventually(lambda: run.children)
    becomes(engine, run.children[0], PendingCode.NO_THREAD)
    assert engine.pending_reason(parent) is None
    gate.set()
    done(engine, parent)


def test_a_job_that_is_being_made_is_not_there(engines: Engines) -> None:
    engine = engines(handler(), runs=False)
    creating.create_job(engine.database, NewJob(name="x", handler="work"), [NewTask()])
    sql(engine.database, "UPDATE job SET preparing_until = '2999-01-01T00:00:00.000000Z'")
    assert engine.pending_reason(1) is None
