"""Corners of the core that only a rare order of events reaches."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from app.db import Database
from app.jobs import Engine, Handler, Task, TaskStatus
from app.jobs.call import Call
from app.jobs.errors import CreationInterrupted
from app.jobs.gathering import Gathering
from app.jobs.group import Group, Head, Ticket
from app.jobs.refusals import refused
from app.jobs.store import candidates, creating, keeping, recording
from app.jobs.store.claiming import Order
from app.jobs.store.recording import JobState, TaskWrites
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.locking import locked, refuse
from tests.jobs.looking import blank, done, sql


def claim(task_id: int = 1) -> TaskWrites:
    return TaskWrites(1, task_id, 1, 1)


def said(state: str, task_id: int = 1) -> TaskWrites:
    writes = claim(task_id)
    writes.state = state
    return writes


@pytest.fixture
def gathering() -> Gathering:
    return Gathering()


def test_what_is_said_while_a_change_is_made_waits_for_that_change(gathering: Gathering) -> None:
    gathering.add_state(said("marked"), now=0.0)
    gathering.hold(1)
    gathering.add_state(said("later"), now=0.0)
    assert gathering.rest(9.0) is None
    assert gathering.offer(JobState(1, 0, "{}"), '{"sum":1}', claim(), None)
    group = gathering.take(1, now=9.0)
    assert group.writes[1].state == "later"
    assert group.job_states == [JobState(1, 0, '{"sum":1}')]


def test_a_refused_change_takes_along_what_is_kept_back(gathering: Gathering) -> None:
    gathering.add(said("marked"))
    gathering.hold(1)
    ticket = gathering.offer(JobState(1, 0, "{}"), '{"bad":1}', claim(), again=print)
    assert ticket
    group = gathering.take(1, now=9.0)
    assert group.writes == {}
    gathering.fail(group, {1: "no such thing"})
    assert group.writes[1].status == "FAILED"
    assert (ticket.refused, group.job_states) == ("no such thing", [])


def test_a_state_rests_a_moment_and_no_longer_however_often_it_is_set(
    gathering: Gathering,
) -> None:
    gathering.add_state(said("a"), now=0.0)
    assert gathering.rest(0.0) == pytest.approx(0.025)
    gathering.add_state(said("b"), now=0.02)
    gathering.add_state(said("c"), now=0.04)
    assert gathering.rest(0.04) == pytest.approx(0.005)
    assert gathering.take(1, now=0.04).writes == {}
    assert gathering.take(1, now=0.05).writes[1].state == "c"


def test_a_job_removed_just_before_its_last_chunk_is_not_shown(database: Database) -> None:
    job = creating.NewJob(name="x", handler="work")
    with database.writing() as connection, pytest.raises(CreationInterrupted):
        creating._show(connection, job, 77, creating.Written(5, 0))


def test_a_worker_retires_once(database: Database) -> None:
    worker = keeping.NewWorker(host="here", pid=1, mark="m", handlers=[], lease=60)
    with database.writing() as connection:
        worker_id = keeping.register(connection, worker)
    keeping.retire(database, worker_id)
    keeping.retire(database, worker_id)
    assert sql(database, "SELECT alive FROM worker") == [(0,)]


def test_a_look_for_what_is_refused_writes_nothing_and_minds_nobody(database: Database) -> None:
    worker = keeping.NewWorker(host="here", pid=1, mark="m", handlers=[], lease=60)
    with database.writing() as connection:
        worker_id = keeping.register(connection, worker)
    moved = [JobState(77, 0, "{}")]
    assert recording.refusal(database, worker_id, [claim()]) is None
    assert recording.refusal(database, worker_id, [], moved) is None


def test_a_locked_database_is_not_taken_for_a_refusal(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engines.LOCK_SECONDS", 0.05)
    other = Database(str(database.url))
    with locked(database), pytest.raises(OperationalError):
        recording.refusal(other, 1, [claim()])
    other.dispose()


def test_only_those_who_changed_a_refused_state_fail(database: Database) -> None:
    worker = keeping.NewWorker(host="here", pid=1, mark="m", handlers=[], lease=60)
    with database.writing() as connection:
        worker_id = keeping.register(connection, worker)
    good, bad = (
        creating.create_job(database, creating.NewJob(name="x", handler="work"), [])
        for _ in range(2)
    )
    refuse(database, "NEW.state = 'bad'", "job")
    heads = {
        good: Head(JobState(good, 0, "good"), [Ticket(claim(1), None)]),
        bad: Head(JobState(bad, 0, "bad"), [Ticket(claim(2), None)]),
    }
    assert refused(database, Group(worker_id, {}, heads)) == {2: "no such thing here"}


def test_nobody_waits_for_the_end_of_nothing(engines: Engines) -> None:
    engine = engines()
    assert engine._running
    begun = time.monotonic()
    engine._running._pool.wait_for_end(60)
    assert time.monotonic() - begun < 30


def test_a_suspect_waits_until_nobody_would_die_with_it(
    engines: Engines, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[int, Sequence[int]] | None] = []
    look = candidates.suspect_task
    monkeypatch.setattr("app.jobs.housekeeping.SEARCH_SECONDS", 0.01)

    def look_and_tell(*about: Any) -> tuple[int, Sequence[int]] | None:
        found.append(look(*about))
        return found[-1]

    monkeypatch.setattr(candidates, "suspect_task", look_and_tell)
    ran: list[str] = []

    def body(task: Task) -> None:
        if task.job.name == "slow":
            ran.append("slow")
            assert gate.wait(20)
        ran.append(task.job.name)

    work = Handler(name="work", run=body, parallel_limit=None, concurrency_limit=None)
    engine = engines(work)
    slow = engine.start_new_job("slow", None, blank(1), "work")
    eventually(lambda: ran)
    put_a_suspect_beside(engine)
    suspect = eventually(lambda: [job for job in engine.jobs() if job.name == "suspect"])[0].id
    eventually(lambda: any(found))
    assert not engine.task(suspect, 0).attempts
    gate.set()
    done(engine, slow)
    done(engine, suspect)
    assert ran == ["slow", "slow", "suspect"]


def put_a_suspect_beside(engine: Engine) -> None:
    """Put a job with a task that has killed two workers beside what runs."""
    job_id = engine.start_new_job("suspect", None, blank(1), "work", auto_start=False)
    sql(
        engine.database,
        "UPDATE task SET crashes = 2 WHERE job_id = :id AND status = :status",
        id=job_id,
        status=TaskStatus.SCHEDULED,
    )
    sql(engine.database, "UPDATE job SET held = false WHERE id = :id", id=job_id)


def test_what_cannot_be_handed_back_at_once_is_handed_back_at_the_end(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    monkeypatch.setattr("app.engines.LOCK_SECONDS", 0.05)
    begun: list[int] = []

    def body(task: Task) -> None:
        begun.append(task.index)
        assert gate.wait(20)

    engine = engines(
        Handler(name="work", run=body, parallel_limit=None), threads=1, poll_seconds=30
    )
    job_id = engine.start_new_job("x", None, blank(30), "work")
    eventually(lambda: begun)
    assert engine._running
    pool = engine._running._pool
    with locked(engine.database):
        monkeypatch.setattr(pool, "take_back", lambda: [1, 2])
        engine.begin_stop()
    monkeypatch.undo()
    gate.set()
    engine.stop()
    assert engine.job(job_id).in_progress == 0


def test_a_change_that_was_made_from_an_older_state_is_not_offered(gathering: Gathering) -> None:
    stored = {job_id: Head(JobState(job_id, 4, "{}")) for job_id in range(1, 1_003)}
    gathering.is_stored(Group(1, {}, stored))
    newest = 1_002
    assert gathering.offer(JobState(newest, 4, "{}"), '{"sum":1}', claim(), None) is None
    assert gathering.newest(newest) is None
    assert gathering.offer(JobState(newest, 5, "{}"), '{"sum":1}', claim(), None)
    # Of jobs that were changed long ago nobody remembers it: such a change is refused when written.
    assert gathering.offer(JobState(1, 4, "{}"), '{"sum":1}', claim(), None)


def test_who_does_not_wait_is_told_all_the_same() -> None:
    call = Call()
    call.cancel()
    call.wait(20)
    assert (call.cancelled, call.lost) == (True, False)


def test_a_worker_that_was_taken_for_dead_settles_nothing(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines(Handler(name="work", run=lambda _: None))
    assert engine._running
    scheduler = engine._running._scheduler
    monkeypatch.setattr(scheduler, "_claim", lambda _: None)
    monkeypatch.setattr(scheduler, "_take", lambda _: pytest.fail("its claims are others' now"))
    scheduler._unsure.append(Order())
    scheduler._settle()
    assert scheduler._unsure == [Order()]
