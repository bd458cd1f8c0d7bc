"""A paused handler begins nothing in any process, until it is resumed or its time comes (B11)."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest

from app.db import now
from app.jobs import EVERYTHING, Engine, Handler, JobStatus
from app.jobs.errors import InvalidParams, UnknownHandler
from app.jobs.store import candidates, claiming, keeping
from app.jobs.store.claiming import Order
from app.users.people import add_user
from app.users.permissions import Role
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.hooked import FREE, Hooked, nothing, over
from tests.jobs.looking import blank, done, ended, running, sql, statuses

QUICK = Handler(name="quick", run=lambda task: None, **FREE)
WORK = Handler(name="work", run=lambda task: task.index, **FREE)


def started(engine: Engine, tasks: int = 1, handler: str = "work") -> int:
    return engine.start_new_job("x", None, blank(tasks), handler)


def passes_by(engine: Engine) -> None:
    """Let the schedulers have decided about whatever there was to decide about before."""
    done(engine, started(engine, handler="quick"))


@pytest.mark.parametrize("paused", ["work", EVERYTHING])
def test_no_job_of_it_starts_in_any_process(engines: Engines, paused: str) -> None:
    engine, other = engines(WORK), engines(WORK)
    engine.pause(paused, "the disk is full")
    jobs = [started(each) for each in (engine, other)]
    third = engines(WORK)  # nor in one that comes later
    jobs.append(started(third))
    eventually(lambda: len(third.workers()) == 3)
    assert [engine.job(each).status for each in jobs] == [JobStatus.QUEUED] * 3
    other.resume(paused)
    for each in jobs:
        done(engine, each)


def test_no_task_is_claimed_and_what_runs_goes_on(engines: Engines, gate: threading.Event) -> None:
    work = Handler(name="work", run=lambda _: gate.wait(20), parallel_limit=2)
    engine, _ = engines(work, QUICK), engines(work, QUICK)
    job_id = started(engine, 6)
    running(engine, job_id, 2)
    engine.pause("work", "a look at the results first")
    gate.set()
    eventually(lambda: engine.job(job_id).done == 2)
    passes_by(engine)
    assert statuses(engine, job_id) == ["DONE"] * 2 + ["SCHEDULED"] * 4
    engine.resume("work")
    done(engine, job_id)


def test_other_handlers_go_on(engines: Engines) -> None:
    engine = engines(WORK, QUICK)
    engine.pause("work", "broken")
    job_id = started(engine)
    passes_by(engine)
    assert engine.job(job_id).status == JobStatus.QUEUED


def test_what_is_claimed_and_waits_for_a_thread_is_given_back(
    engines: Engines, gate: threading.Event
) -> None:
    engine = engines(Handler(name="work", run=lambda _: gate.wait(20), **FREE), threads=2)
    job_id = started(engine, 22)
    running(engine, job_id, 2)
    assert engine._running
    # As if this process had claimed ahead, which it does once it has seen how fast tasks end.
    with engine.database.reading() as connection:
        ahead = candidates.scheduled_tasks(connection, {job_id: 20})
    engine._running._scheduler._carry_out(Order(tasks=ahead))
    assert engine.job(job_id).in_progress == 22
    engine.pause("work", "stop")
    running(engine, job_id, 2)
    assert {each.attempt for each in engine.tasks(job_id, limit=30)} == {0, 1}


def test_it_ends_by_itself_when_its_time_has_come(engines: Engines) -> None:
    # No poll helps, and no process writes anything: the scheduler knows the moment.
    engine = engines(WORK, poll_seconds=30)
    until = now() + timedelta(seconds=0.2)
    engine.pause("work", "just a moment", until=until)
    job_id = started(engine)
    started_at = done(engine, job_id).started_at
    assert started_at
    assert started_at >= until
    assert engine.pauses() == []
    assert len(sql(engine.database, "SELECT 1 FROM pause")) == 1


def test_a_finish_step_waits_too_since_it_calls_the_handler(
    engines: Engines, gate: threading.Event
) -> None:
    handler = Hooked(before=nothing, after=nothing, run=lambda _: gate.wait(20))
    engine = engines(handler, QUICK)
    job_id = started(engine)
    running(engine, job_id, 1)
    engine.pause("work", "stop")
    gate.set()
    eventually(lambda: engine.job(job_id).done == 1)
    passes_by(engine)
    assert (engine.job(job_id).status, handler.called) == (JobStatus.IN_PROGRESS, [])
    engine.resume("work")
    over(engine, job_id)
    assert handler.called == ["before 1", "after"]


def test_a_last_callback_that_is_owed_waits_too(engines: Engines) -> None:
    handler = Hooked(after=nothing)
    engine = engines(handler, QUICK, runs=False)
    job_id = started(engine)
    sql(engine.database, "UPDATE task SET status = 'DONE'")
    sql(engine.database, "UPDATE job SET status = 'DONE', finish_step = 'after'")
    engine.pause("work", "stop")
    engine.run()
    passes_by(engine)
    assert not handler.called
    engine.resume("work")
    over(engine, job_id)
    assert handler.called == ["after"]


def test_a_claim_that_was_made_up_before_gets_nothing(engines: Engines) -> None:
    """Whoever looked for candidates before the pause is refused by the claim itself."""
    engine = engines(Hooked(before=nothing), runs=False)
    queued, running_, complete = (started(engine, 2) for _ in range(3))
    sql(engine.database, "UPDATE job SET status = 'IN_PROGRESS' WHERE id <> :id", id=queued)
    sql(engine.database, "UPDATE task SET status = 'DONE' WHERE job_id = :id", id=complete)
    with engine.database.reading() as connection:
        tasks = candidates.scheduled_tasks(connection, {running_: 2})
    order = Order(steps=[complete], start=[(queued, 1)], tasks=tasks)
    with engine.database.writing() as connection:
        worker = keeping.NewWorker(host="here", pid=1, mark="m", handlers=["work"], lease=60)
        worker_id = keeping.register(connection, worker)
    for paused in ("work", EVERYTHING):
        engine.pause(paused, "stop")
        carry_out(engine, worker_id, order)
        jobs = [engine.job(each) for each in (queued, running_, complete)]
        assert [job.status for job in jobs] == ["QUEUED", "IN_PROGRESS", "IN_PROGRESS"]
        assert [(job.in_progress, job.finishing) for job in jobs] == [(0, False)] * 3
        engine.resume(paused)
    carry_out(engine, worker_id, order)
    jobs = [engine.job(each) for each in (queued, running_, complete)]
    assert jobs[0].status == JobStatus.IN_PROGRESS
    assert (jobs[1].in_progress, jobs[2].finishing) == (2, True)


def carry_out(engine: Engine, worker_id: int, order: Order) -> None:
    with engine.database.writing_once() as connection:
        claiming.claim(connection, worker_id, order)


def test_a_job_without_callbacks_ends_while_its_handler_is_paused(
    engines: Engines, gate: threading.Event
) -> None:
    engine = engines(Handler(name="work", run=lambda _: gate.wait(20), **FREE))
    job_id = started(engine, 2)
    running(engine, job_id, 2)
    engine.pause(EVERYTHING, "stop")
    gate.set()
    done(engine, job_id)


def test_a_cancel_comes_to_its_end(engines: Engines, gate: threading.Event) -> None:
    handler = Hooked(before=nothing, run=lambda _: gate.wait(20), parallel_limit=1)
    engine = engines(handler)
    runs, waits = started(engine, 3), started(engine)
    running(engine, runs, 1)
    engine.pause("work", "stop")
    assert engine.cancel(runs).status == JobStatus.IN_PROGRESS
    gate.set()
    assert ended(engine, runs).status == JobStatus.CANCELLED
    engine.cancel(waits)
    assert ended(engine, waits).status == JobStatus.CANCELLED


def test_paused_jobs_keep_nobody_elses_from_being_seen(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "MOST_JOBS", 3)
    engine = engines(WORK, QUICK, runs=False)
    for _ in range(5):
        started(engine)
    sql(engine.database, "UPDATE job SET status = 'IN_PROGRESS'")
    engine.pause("work", "stop")
    engine.run()
    passes_by(engine)


def test_it_is_told_who_paused_why_and_until_when(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    ann = add_user(engine.database, "ann@example.com", Role.SUPERADMIN, "a long password")
    until = now() + timedelta(hours=1)
    engine.pause("work", "  the mail server is down ", until=until, by=ann)
    (pause,) = engine.pauses()
    assert (pause.handler, pause.reason, pause.until) == ("work", "the mail server is down", until)
    assert pause.paused_by
    assert (pause.paused_by.id, pause.paused_by.email) == (ann.id, "ann@example.com")
    assert engine.handler("work").pause == pause


def test_a_second_pause_takes_the_place_of_the_first(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    engine.pause("work", "for now", until=now() + timedelta(hours=1))
    engine.pause("work", "for good")
    (pause,) = engine.pauses()
    assert (pause.reason, pause.until, pause.paused_by) == ("for good", None, None)


def test_a_handler_stays_paused_while_everything_is(engines: Engines) -> None:
    engine = engines(WORK, QUICK)
    engine.pause("work", "this one")
    engine.pause(EVERYTHING, "all of them")
    assert [each.handler for each in engine.pauses()] == [EVERYTHING, "work"]
    job_id = started(engine)
    engine.resume(EVERYTHING)
    passes_by(engine)
    assert engine.job(job_id).status == JobStatus.QUEUED
    engine.resume("work")
    engine.resume("work")  # there is none any more, and that is fine
    done(engine, job_id)


def test_a_pause_outlives_every_process(engines: Engines) -> None:
    engine = engines(WORK)
    engine.pause("work", "stop")
    engine.stop()
    again = engines(WORK, QUICK)
    job_id = started(again)
    passes_by(again)
    assert again.job(job_id).status == JobStatus.QUEUED


@pytest.mark.parametrize(
    ("field", "reason", "until"),
    [
        ("reason", " ", None),
        ("reason", "x" * 501, None),
        ("until", "why", now() - timedelta(seconds=1)),
    ],
)
def test_it_takes_a_reason_and_an_end_that_is_to_come(
    engines: Engines, field: str, reason: str, until: datetime | None
) -> None:
    engine = engines(WORK, runs=False)
    with pytest.raises(InvalidParams) as caught:
        engine.pause("work", reason, until=until)
    assert list(caught.value.fields) == [field]
    assert engine.pauses() == []


def test_there_must_be_such_a_handler(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    with pytest.raises(UnknownHandler, match="no handler named 'raking'"):
        engine.pause("raking", "stop")
    with pytest.raises(UnknownHandler):
        engine.resume("raking")


def test_workers_tell_what_they_have(engines: Engines) -> None:
    engine = engines(WORK, QUICK, threads=3)
    other = engines(WORK)
    first, second = engine.workers()
    assert (first.threads, first.handlers, first.is_late) == (3, ("quick", "work"), False)
    assert (first.host, first.pid) == (second.host, second.pid)
    assert [each.workers for each in engine.handlers()] == [1, 2]
    other.stop()
    assert [each.workers for each in engine.handlers()] == [1, 1]


def test_jobs_that_run_and_wait_are_counted(engines: Engines, gate: threading.Event) -> None:
    engine = engines(Handler(name="work", run=lambda _: gate.wait(20), concurrency_limit=1))
    first = started(engine)
    running(engine, first, 1)
    started(engine), started(engine)
    (row,) = engine.handlers()
    assert (row.running, row.queued) == (1, 2)
