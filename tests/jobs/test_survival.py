"""Threads of the core outlive whatever happens in them: without them nothing would run."""

from __future__ import annotations

import struct
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from app.db import Database
from app.jobs import Handler, JobStatus
from app.jobs.errors import EngineStopped, TaskLost
from app.jobs.executor import Executor
from app.jobs.gathering import Gathering
from app.jobs.group import Group, Ticket
from app.jobs.journal import Journal
from app.jobs.scheduler import Scheduler
from app.jobs.store import claiming, keeping, recording
from app.jobs.store.recording import JobState, TaskWrites
from app.jobs.worker import death_of
from app.jobs.writing import Writer
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended, sql

WORK = Handler(name="work", run=lambda task: task.id, parallel_limit=None, concurrency_limit=None)


class Once:
    """Raise once, then do what was there before."""

    def __init__(self, real: Any, error: Exception) -> None:
        self._real, self._errors = real, [error]

    def __call__(self, *args: Any, **named: Any) -> Any:
        if self._errors:
            raise self._errors.pop()
        return self._real(*args, **named)


@pytest.mark.parametrize(
    "error", [MemoryError("no memory"), IntegrityError("x", {}, Exception("odd"))], ids=repr
)
def test_the_journal_tries_again_and_says_so(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(recording, "write_group", Once(recording.write_group, error))
    engine = engines(WORK)
    done(engine, engine.start_new_job("x", None, blank(5), "work"))
    assert engine.trouble is None


def test_who_is_taken_for_dead_while_the_database_is_away_goes_on_as_another_worker(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_away = threading.Event()
    write = recording.write_group

    def write_or_fail(*group: Any) -> str:
        if is_away.is_set():
            raise OperationalError("x", {}, Exception("database is locked"))
        return write(*group)

    monkeypatch.setattr(recording, "write_group", write_or_fail)
    is_away.set()
    engine = engines(WORK)
    job_id = engine.start_new_job("x", None, blank(5), "work")
    eventually(lambda: engine.trouble)
    assert engine._running
    keeping.bury(engine.database, engine._running._worker.id, None)
    is_away.clear()
    done(engine, job_id)
    assert engine.trouble is None


@pytest.mark.parametrize(
    "error", [RuntimeError("odd"), IntegrityError("x", {}, Exception("odd"))], ids=repr
)
def test_the_scheduler_tries_again(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(claiming, "claim", Once(claiming.claim, error))
    engine = engines(WORK)
    done(engine, engine.start_new_job("x", None, blank(5), "work"))


def test_what_was_claimed_is_read_whatever_it_takes(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = IntegrityError("x", {}, Exception("disk I/O error"))
    monkeypatch.setattr(claiming, "claimed", Once(claiming.claimed, error))
    engine = engines(WORK)
    job_id = engine.start_new_job("x", None, blank(5), "work")
    done(engine, job_id)
    assert {task.attempt for task in engine.tasks(job_id, limit=9)} == {1}


def test_a_stop_does_not_wait_for_claims_that_cannot_be_read(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def broken(*_: object) -> None:
        asked.append(1)
        raise IntegrityError("x", {}, Exception("disk I/O error"))

    engine = engines(WORK)
    with monkeypatch.context() as patch:
        patch.setattr(claiming, "claimed", broken)
        job_id = engine.start_new_job("x", None, blank(5), "work")
        eventually(lambda: asked)
        engine.stop()
    assert engine.job(job_id).scheduled == 5
    engine.run()
    done(engine, job_id)


def test_a_thread_of_the_pool_goes_on_with_the_next_task(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, errors = Executor.execute, [RuntimeError("odd")]

    def execute(*args: Any) -> None:
        if errors:
            raise errors.pop()
        really(*args)

    monkeypatch.setattr(Executor, "execute", execute)
    engine = engines(WORK, threads=1)
    job_id = engine.start_new_job("x", None, blank(3), "work")
    eventually(lambda: engine.job(job_id).done == 2)
    assert engine.job(job_id).in_progress == 1
    engine.stop()
    engine.run()
    done(engine, job_id)


def test_a_task_whose_stored_state_is_broken_fails(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    sql(engine.database, "UPDATE task SET state = '{broken'")
    engine.run()
    eventually(lambda: sql(engine.database, "SELECT status FROM task") == [("FAILED",)])
    sql(engine.database, "UPDATE task SET state = '{}'")
    assert ended(engine, job_id).status == JobStatus.DONE_WITH_ERRORS
    assert "JSONDecodeError" in (engine.task(job_id, 0).error or "")


def test_whoever_watches_and_fails_harms_nobody(engines: Engines) -> None:
    heard: list[int] = []

    def fails(job_ids: Collection[int]) -> None:
        heard.extend(job_ids)
        raise RuntimeError("odd")

    engine = engines(WORK)
    with engine.bus.watching(fails):
        job_id = engine.start_new_job("x", None, blank(5), "work")
        done(engine, job_id)
    assert set(heard) == {job_id}
    engine.bus.announce([])
    count = len(heard)
    done(engine, engine.start_new_job("y", None, blank(5), "work"))
    assert len(heard) == count


def test_a_mark_that_was_never_finished_blames_nobody(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"\0" * 7)
    death = death_of(tmp_path, "short")
    assert death is not None
    assert death.ran == ()
    assert death_of(tmp_path, "missing") is None
    assert struct.calcsize("=qq") == 16


def test_many_jobs_do_not_fill_the_memory(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.scheduler.MOST_FACTS", 3)
    engine = engines(WORK)
    for _ in range(10):
        done(engine, engine.start_new_job("x", None, blank(3), "work"))
    assert engine._running
    assert isinstance(engine._running._scheduler, Scheduler)
    assert len(engine._running._scheduler._facts) <= 3


@pytest.fixture
def silent(database: Database) -> Journal:
    """A journal without a thread: what is handed over stays where it is."""
    journal = Journal(database, lambda _: None)
    journal._worker_id = 1
    return journal


def test_a_journal_that_has_ended_takes_nothing_more(silent: Journal) -> None:
    claim = TaskWrites(1, 1, 1, 1)
    ticket = silent.offer_job_state(JobState(1, 0, "{}"), '{"a":1}', claim, None)
    assert ticket
    silent.stop(0)
    with pytest.raises(EngineStopped):
        silent.await_ticket(ticket)
    with pytest.raises(EngineStopped):
        silent.hand_over(claim)
    with pytest.raises(EngineStopped):
        silent.flush(claim)


def test_a_change_made_from_what_is_no_longer_the_newest_is_not_taken(silent: Journal) -> None:
    claim, seen = TaskWrites(1, 1, 1, 1), JobState(1, 0, "{}")
    assert silent.offer_job_state(seen, '{"a":1}', claim, None)
    assert silent.offer_job_state(seen, '{"a":2}', claim, None) is None
    assert silent.newest_job_state(1).state == '{"a":1}'
    silent.write_for(0)
    with pytest.raises(TaskLost):
        silent.hand_over(claim)
    silent.stop(5)


def test_what_a_thread_says_in_the_moment_of_its_timeout_is_void_when_it_has_ended(
    silent: Journal,
) -> None:
    claim = TaskWrites(1, 1, 1, 1)
    silent.cut_off(TaskWrites(1, 1, 1, 1, status="FAILED"))
    silent._gathering.say(TaskWrites(1, 1, 1, 1, state="late"))  # it was asked just before
    silent.forget(claim)
    silent.give_up(claim)  # as any look at what was said
    assert silent._gathering.take(1, 0.0).writes[1].state is None


def test_states_that_follow_each_other_wait_for_nobody_while_nothing_is_written(
    silent: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.journal.MOST_WAITING", 5)
    for number in range(50):
        silent.hand_over(TaskWrites(1, 1, 1, 1, state=f"{number}"))
    with silent._collected():
        assert len(silent._gathering) == 1


def test_a_task_knows_its_id(engines: Engines) -> None:
    engine = engines(WORK)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    done(engine, job_id)
    assert engine.task(job_id, 0).result == engine.task(job_id, 0).id


def test_what_is_to_be_made_again_when_the_engine_gives_up_ends_the_writing(
    database: Database,
) -> None:
    def again() -> None:
        raise EngineStopped

    gathering = Gathering()
    gathering.lost[Ticket(TaskWrites(1, 1, 1, 1), again)] = None
    writer = Writer(database, gathering, threading.Condition(), threading.Event())
    with pytest.raises(EngineStopped):
        writer.write(Group(1, {}, {}))
    assert writer.trouble is None  # the database is not to blame
