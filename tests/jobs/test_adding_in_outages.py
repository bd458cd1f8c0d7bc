"""A task that adds tasks while the database is away waits for it, and adds them once (A10)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from app.db import Database
from app.jobs import Handler, Task
from app.jobs.errors import TaskLost, TaskTimedOut
from app.jobs.store import creating
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.locking import cut_connections, locked, refuse
from tests.jobs.looking import blank, done, ended, recounted, running, sql

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}
AWAY = "The database is away, and is tried again soon"
FEW, MANY = 3, 35


@pytest.fixture(autouse=True)
def _small_and_swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creating, "CHUNK", 10)
    monkeypatch.setattr("app.engines.LOCK_SECONDS", 0.05)
    monkeypatch.setattr("app.jobs.patience.RETRY_SECONDS", 0.02)


@pytest.mark.conformance
@pytest.mark.parametrize("count", [FEW, MANY])
def test_it_waits_until_the_database_is_back(
    engines: Engines, gate: threading.Event, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    def body(task: Task) -> object:
        assert gate.wait(20)
        return task.index or task.job.add_tasks(blank(count))

    engine = engines(Handler(name="work", run=body, **FREE))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    running(engine, job_id, 1)
    with locked(engine.database):
        gate.set()
        eventually(lambda: AWAY in caplog.text)
    job = done(engine, job_id)
    assert engine.task(job_id, 0).result == list(range(1, count + 1))
    assert (job.done, job.counts) == (count + 1, recounted(engine.database, job_id))


class Commits:
    """Counts the transactions of one thread; some of them get no answer to their COMMIT."""

    def __init__(self, *numbers: int, is_carried_out: bool) -> None:
        self.numbers = numbers
        self.is_carried_out = is_carried_out
        self.count = 0
        self.thread: threading.Thread | None = None

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Count from now on, in this thread."""
        self.thread = threading.current_thread()
        real = Database.writing

        @contextmanager
        def writing(database: Database) -> Iterator[Connection]:
            with real(database) as connection:
                yield connection
                is_lost = self._is_to_be_lost()
                if is_lost and not self.is_carried_out:
                    raise LOST
            if is_lost:
                raise LOST

        monkeypatch.setattr(Database, "writing", writing)

    def _is_to_be_lost(self) -> bool:
        if threading.current_thread() is not self.thread:
            return False
        self.count += 1
        return self.count in self.numbers


LOST = OperationalError("COMMIT", None, Exception("the connection is lost"))
#: Three tasks are added in one transaction; 35 are announced, written in four and shown.
EACH_COMMIT = [(FEW, 1), *((MANY, number) for number in range(1, 7))]


def add_with_a_commit_lost(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, count: int, commits: Commits
) -> None:
    """Add so many, and find them added once."""

    def body(task: Task) -> object:
        if task.index:
            return None
        commits.watch(monkeypatch)
        return task.job.add_tasks(blank(count))

    engine = engines(Handler(name="work", run=body, **FREE))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    job = done(engine, job_id)
    assert commits.count > max(commits.numbers)
    assert engine.task(job_id, 0).result == list(range(1, count + 1))
    assert (job.total, job.counts) == (count + 1, recounted(engine.database, job_id))
    assert sql(engine.database, "SELECT count(*) FROM task") == [(count + 1,)]


@pytest.mark.conformance
@pytest.mark.parametrize(("count", "number"), EACH_COMMIT)
def test_what_is_not_committed_is_added_again(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, count: int, number: int
) -> None:
    commits = Commits(number, is_carried_out=False)
    add_with_a_commit_lost(engines, monkeypatch, count, commits)


@pytest.mark.about_servers("between SQLite and who asks it no answer is lost")
@pytest.mark.parametrize(("count", "number"), EACH_COMMIT)
def test_what_is_committed_and_not_answered_is_not_added_again(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, count: int, number: int
) -> None:
    commits = Commits(number, is_carried_out=True)
    add_with_a_commit_lost(engines, monkeypatch, count, commits)


@pytest.mark.about_servers("between SQLite and who asks it no answer is lost")
def test_nor_when_it_is_not_answered_what_became_of_it(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = Commits(1, 2, 3, is_carried_out=True)
    add_with_a_commit_lost(engines, monkeypatch, FEW, commits)


@pytest.mark.about_servers("SQLite's connections cannot be cut")
def test_every_addition_is_made_once_however_often_connections_break(engines: Engines) -> None:
    added: list[int] = []

    def body(task: Task) -> None:
        if task.get_state_field("adds"):
            for _ in range(30):
                added.extend(task.job.add_tasks(blank(FEW)))
            added.extend(task.job.add_tasks(blank(MANY)))

    engine = engines(Handler(name="work", run=body, **FREE), threads=8)
    looker = engines(Handler(name="work", run=print), runs=False)
    tasks = [{"state": {"adds": True}}] * 4
    job_id = engine.start_new_job("x", None, tasks, "work")
    for many in range(20, 320, 25):
        eventually(lambda many=many: len(added) >= many, within=30)  # type: ignore[misc]
        cut_connections(looker.database)
    job = done(looker, job_id, within=60)
    assert sorted(added) == list(range(4, 504))
    assert (job.done, job.counts) == (504, recounted(looker.database, job_id))


def test_it_waits_no_longer_than_its_timeout_and_leaves_nothing_behind(
    engines: Engines, gate: threading.Event
) -> None:
    heard: list[str] = []

    def body(task: Task) -> None:
        with ExitStack() as away:

            def tasks() -> Iterator[Any]:
                yield from blank(25)
                away.enter_context(locked(engine.database))
                yield from blank(10)

            with pytest.raises(TaskTimedOut):
                task.job.add_tasks(tasks())
            heard.append("timed out")

    engine = engines(Handler(name="work", run=body, timeout=0.3))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    job = ended(engine, job_id)
    assert (heard, job.total, job.failed) == (["timed out"], 1, 1)
    assert len(engine.tasks(job_id, limit=99)) == 1


def test_it_hears_that_the_engine_stops(engines: Engines, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    def body(task: Task) -> None:
        with locked(engine.database):
            with pytest.raises(TaskLost):
                task.job.add_tasks(blank(1))
            heard.append("lost")

    engine = engines(Handler(name="work", run=body), grace_seconds=0.05)
    engine.start_new_job("x", None, blank(1), "work")
    eventually(lambda: AWAY in caplog.text)
    engine.stop()
    eventually(lambda: heard)


def test_what_the_database_refuses_is_told_at_once(
    engines: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    def body(task: Task) -> None:
        refuse(engine.database, "NEW.idx > 0", on="INSERT")
        with pytest.raises(DBAPIError, match="no such thing here"):
            task.job.add_tasks(blank(1))

    engine = engines(Handler(name="work", run=body))
    job = done(engine, engine.start_new_job("x", None, blank(1), "work"))
    assert (job.total, AWAY in caplog.text) == (1, False)


def test_a_person_who_adds_tasks_does_not_wait(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=print), runs=False)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    with locked(engine.database), pytest.raises(OperationalError):
        engine.add_new_tasks_to_existing_job(job_id, blank(1))
    assert engine.add_new_tasks_to_existing_job(job_id, blank(1)) == [1]
