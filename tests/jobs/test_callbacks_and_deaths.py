"""Callbacks when workers die: before them, in them and after them (A11)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from app.config import Settings
from app.jobs import Engine, Handler, JobStatus, Task
from app.jobs.store import adding, keeping
from app.jobs.store.claiming import Order
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.hooked import Hooked, nothing, over
from tests.jobs.looking import blank, done, sql
from tests.jobs.test_crashes import Dead


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.jobs.housekeeping.SEARCH_SECONDS", 0.02)


def complete(engine: Engine, *, crashes: int = 0) -> int:
    """A job whose tasks have all ended, and nothing is done about it yet."""
    job_id = engine.start_new_job("x", None, blank(1), "work", auto_start=False)
    sql(engine.database, "UPDATE task SET status = 'DONE' WHERE job_id = :id", id=job_id)
    sql(
        engine.database,
        "UPDATE job SET status = 'IN_PROGRESS', held = false, started_at = '2026-01-01', "
        "finish_crashes = :crashes WHERE id = :id",
        id=job_id,
        crashes=crashes,
    )
    return job_id


def claims_step(dead: Dead, job_id: int) -> None:
    dead._order(Order(steps=[job_id]))


def dies_in_step(engine: Engine, settings: Settings, job_id: int, *beside: int) -> None:
    """A worker claims the finish step of a job, and dies while it does it."""
    dead = Dead(engine, settings)
    claims_step(dead, job_id)
    dead.vanishes()
    keeping.bury(engine.database, dead.id, keeping.Death(ran=(-job_id, *beside)))


def test_a_worker_that_dies_between_the_last_task_and_the_callback_owes_it(
    engines: Engines,
) -> None:
    handler = Hooked(nothing, nothing)
    engine = engines(handler, runs=False)
    job_id = complete(engine)
    engine.run()
    assert over(engine, job_id).status == JobStatus.DONE
    assert handler.called == ["before 1", "after"]


def test_one_that_dies_in_the_callback_has_it_repeated(
    engines: Engines, settings: Settings
) -> None:
    handler = Hooked(nothing, nothing)
    engine = engines(handler, runs=False)
    job_id = complete(engine)
    dead = Dead(engine, settings)
    claims_step(dead, job_id)
    assert engine.job(job_id).finishing
    dead.dies_while_it_runs(-job_id)
    engine.run()
    assert over(engine, job_id).status == JobStatus.DONE
    assert handler.called == ["before 1", "after"]
    assert sql(engine.database, "SELECT finish_crashes FROM job") == [(0,)]


def test_after_a_death_in_it_the_job_does_not_say_that_it_is_finishing(
    engines: Engines, settings: Settings
) -> None:
    engine = engines(Hooked(nothing), runs=False)
    job_id = complete(engine)
    dies_in_step(engine, settings, job_id)
    assert not engine.job(job_id).finishing


def test_one_that_dies_after_the_end_owes_the_last_callback_only(
    engines: Engines, settings: Settings
) -> None:
    handler = Hooked(nothing, nothing)
    engine = engines(handler, runs=False)
    job_id = complete(engine)
    dead = Dead(engine, settings)
    sql(
        engine.database,
        "UPDATE job SET status = 'DONE', finish_step = 'after', finisher = :dead",
        dead=dead.id,
    )
    dead.dies_while_it_runs(-job_id)
    engine.run()
    assert over(engine, job_id).status == JobStatus.DONE
    assert handler.called == ["after"]


def test_a_callback_that_nobody_has_any_more_is_owed_by_nobody(
    engines: Engines, settings: Settings
) -> None:
    engine = engines(Hooked(), runs=False)
    job_id = complete(engine)
    sql(engine.database, "UPDATE job SET status = 'DONE', finish_step = 'after'")
    engine.run()
    assert over(engine, job_id).error is None


def test_what_is_owed_by_many_others_keeps_nobody_waiting(engines: Engines) -> None:
    gone = Hooked(after=nothing)
    gone.name = "gone"
    handler = Hooked(nothing, nothing)
    engine = engines(handler, gone, runs=False)
    for _ in range(101):
        engine.start_new_job("x", None, [], "gone")
    sql(engine.database, "UPDATE job SET status = 'DONE', finish_step = 'after'")
    mine = engine.start_new_job("x", None, [], "work")
    sql(
        engine.database,
        "UPDATE job SET status = 'DONE', finish_step = 'after' WHERE id = :id",
        id=mine,
    )
    other = engines(handler)
    over(other, mine)
    assert handler.called == ["after"]


def test_a_deleted_job_owes_no_callback(engines: Engines) -> None:
    handler = Hooked(nothing, nothing)
    engine = engines(handler, runs=False)
    job_id = complete(engine)
    sql(engine.database, "UPDATE job SET status = 'DONE', finish_step = 'after'")
    engine.delete_job(job_id)
    engine.run()
    done(engine, engine.start_new_job("next", None, blank(1), "work"))
    eventually(lambda: handler.called == ["before 1", "after"])
    assert engine.jobs()[0].id == 2


@pytest.mark.parametrize("stage", ["before", "after"])
def test_a_callback_that_kills_its_worker_three_times_is_given_up(
    engines: Engines, settings: Settings, stage: str
) -> None:
    handler = Hooked(nothing, nothing)
    engine = engines(handler, runs=False)
    job_id = complete(engine)
    if stage == "after":
        sql(engine.database, "UPDATE job SET status = 'DONE', finish_step = 'after'")
    for _ in range(3):
        dies_in_step(engine, settings, job_id)
    engine.run()
    job = over(engine, job_id)
    name = "before_job_finish" if stage == "before" else "on_all_tasks_done"
    assert job.error == (
        f"{name} is not called again: its worker process died 3 times while it ran."
    )
    # The other one is not to blame.
    assert handler.called == (["after"] if stage == "before" else [])
    assert job.status == (JobStatus.DONE_WITH_ERRORS if stage == "before" else JobStatus.DONE)


def test_a_step_whose_workers_die_is_done_alone(engines: Engines) -> None:
    now: list[int] = []
    seen: list[list[int]] = []
    most: list[int] = []

    def body(task: Task) -> None:
        now.append(task.index)
        most.append(len(now))
        task.sleep(0.01)
        now.remove(task.index)

    def before(job: object, attempt: int) -> None:
        for _ in range(5):
            seen.append(list(now))
            threading.Event().wait(0.01)

    plain = Handler(name="plain", run=body, parallel_limit=None, concurrency_limit=None)
    engine = engines(Hooked(before), plain)
    many = engine.start_new_job("many", None, blank(150), "plain")
    eventually(lambda: engine.job(many).done > 10)
    job_id = complete(engine, crashes=2)
    done(engine, many)
    over(engine, job_id)
    assert seen == [[]] * 5
    assert max(most) > 1


def test_a_step_and_a_task_whose_workers_die_both_get_their_turn(engines: Engines) -> None:
    engine = engines(Hooked(nothing), Handler(name="plain", run=nothing), runs=False)
    job_id = complete(engine, crashes=2)
    suspect = engine.start_new_job("suspect", None, blank(1), "plain")
    sql(engine.database, "UPDATE task SET crashes = 2 WHERE job_id = :id", id=suspect)
    engine.run()
    done(engine, suspect)
    over(engine, job_id)


def test_a_step_that_is_handed_back_counts_as_no_crash(
    engines: Engines, gate: threading.Event
) -> None:
    handler = Hooked(lambda *_: gate.wait(20), nothing)
    engine = engines(handler, grace_seconds=0.05)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    eventually(lambda: handler.called)
    engine.stop()
    job = engine.job(job_id)
    assert (job.status, job.finishing) == (JobStatus.IN_PROGRESS, False)
    gate.set()
    engine.run()
    assert over(engine, job_id).status == JobStatus.DONE
    assert handler.called == ["before 1", "before 1", "after"]
    assert sql(engine.database, "SELECT finish_crashes, finish_rounds FROM job") == [(0, 0)]


def test_a_claimed_step_that_has_not_begun_is_handed_back_at_once(
    engines: Engines, gate: threading.Event
) -> None:
    handler = Hooked(lambda *_: gate.wait(20))
    engine = engines(handler, threads=1, runs=False)
    jobs = [complete(engine), complete(engine)]
    engine.run()
    eventually(lambda: handler.called and all(engine.job(job_id).finishing for job_id in jobs))
    engine.begin_stop()
    assert sum(engine.job(job_id).finishing for job_id in jobs) == 1
    gate.set()


Call = Callable[[Any], object]
CALLS: dict[str, Call] = {
    "set_state_field": lambda job: job.set_state_field("late", 1),
    "returning": lambda job: job.add_tasks(blank(2)),
    "adding many": lambda job: job.add_tasks(blank(6_000)),
}


@pytest.mark.parametrize("late", CALLS.values(), ids=list(CALLS))
def test_a_worker_that_was_taken_for_dead_in_a_callback_changes_nothing_any_more(
    engines: Engines, gate: threading.Event, late: Call
) -> None:
    ends: list[str] = []

    def before(job: Any, _: int) -> None:
        if len(handler.called) == 1:
            for (worker_id,) in sql(engine.database, "SELECT id FROM worker WHERE alive"):
                keeping.bury(engine.database, worker_id, keeping.Death(ran=()))
            assert gate.wait(20)
            try:
                late(job)
            finally:
                ends.append("first")

    handler = Hooked(before, nothing)
    engine = engines(handler, heartbeat_seconds=0.02)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    job = over(engine, job_id)
    assert (job.status, job.total, job.state, job.error) == (JobStatus.DONE, 1, {}, None)
    gate.set()
    eventually(lambda: ends)
    assert handler.called == ["before 1", "before 1", "after"]
    engine.stop()
    assert engine.job(job_id) == job
    assert sql(engine.database, "SELECT count(*) FROM task") == [(1,)]


def test_one_that_was_taken_for_dead_is_not_heard_even_before_it_knows(engines: Engines) -> None:
    def before(job: Any, attempt: int) -> None:
        if len(handler.called) > 1:
            return
        for (worker_id,) in sql(engine.database, "SELECT id FROM worker WHERE alive"):
            keeping.bury(engine.database, worker_id, keeping.Death(ran=()))
        job.set_state_field("late", 1)

    handler = Hooked(before, nothing)
    engine = engines(handler, heartbeat_seconds=0.5)
    job = over(engine, engine.start_new_job("x", None, blank(1), "work"))
    assert (job.status, job.state, job.error) == (JobStatus.DONE, {}, None)
    assert handler.called == ["before 1", "before 1", "after"]


def test_an_old_callback_that_ends_after_a_retry_takes_no_part_in_it(
    engines: Engines, gate: threading.Event
) -> None:
    second, is_second = threading.Event(), threading.Event()

    def after(job: Any) -> None:
        if handler.called.count("after") == 1:
            assert gate.wait(20)
            with pytest.raises(BaseException, match="no longer owns"):
                job.set_state_field("late", 1)
            return
        is_second.set()
        assert second.wait(20)

    handler = Hooked(nothing, after)
    engine = engines(handler)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    eventually(lambda: "after" in handler.called)
    engine.retry(job_id, "all")
    assert is_second.wait(20)
    gate.set()
    assert engine._running
    eventually(lambda: engine._running._pool.load == 1)  # type: ignore[union-attr]
    assert engine.job(job_id).finishing
    second.set()
    job = over(engine, job_id)
    assert (job.state, job.error) == ({}, None)
    assert handler.called == ["before 1", "after", "before 1", "after"]


def test_an_addition_that_took_too_long_is_made_again(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.finishing.RETRY_SECONDS", 0.01)
    show = adding.show

    def late(connection: Connection, *about: Any) -> bool:
        monkeypatch.setattr(adding, "show", show)
        connection.exec_driver_sql("UPDATE job SET adding_until = '2001-01-01'")
        return show(connection, *about)

    def before(job: Any, attempt: int) -> None:
        if attempt == 1:
            job.add_tasks(blank(6_000))
            monkeypatch.setattr(adding, "show", late)

    handler = Hooked(before, nothing, run=nothing)
    job = over(engine := engines(handler), engine.start_new_job("x", None, blank(1), "work"))
    assert (job.status, job.done) == (JobStatus.DONE, 6_001)
    assert handler.called == ["before 1", "before 2", "after"]
