"""Handlers read and write their author's own tables with db.session, as Flask people do."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import pytest
from flask import Flask, current_app
from pydantic import BaseModel, model_validator
from sqlalchemy import func, select

from app.db import Database
from app.extensions import db
from app.jobs import Engine, Handler, JobDetail, JobStatus, Task
from app.jobs.errors import InvalidParams
from app.jobs.store.creating import CHUNK
from tests.admin.conftest import library
from tests.eventually import eventually
from tests.jobs.conftest import gate
from tests.jobs.looking import blank, done, ended
from tests.library import Author

__all__ = ["gate", "library"]

pytestmark = pytest.mark.conformance


@pytest.fixture
def engine(app: Flask, library: Database) -> Iterator[Engine]:
    """The engine of the application; `start` lets it run."""
    engine: Engine = app.extensions["jobdeck"]
    yield engine
    engine.begin_stop()
    engine.stop()


def start(engine: Engine, run: Callable[[Task], Any], tasks: int = 1, **options: Any) -> int:
    """A job of such tasks, under way."""
    free: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}
    engine.registry.add(Handler(name="work", run=run, **free | options))
    engine.run()
    return engine.start_new_job("x", None, blank(tasks), "work")


def names(library: Database) -> list[str]:
    """What is committed."""
    with library.reading() as connection:
        return list(connection.scalars(select(Author.name).order_by(Author.id)))


def add(name: str) -> None:
    """Write a row that is not committed."""
    db.session.add(Author(name=name))
    db.session.flush()


def test_what_a_handler_commits_stays_and_the_rest_does_not(
    engine: Engine, library: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def run(task: Task) -> int:
        assert current_app.extensions["jobdeck"] is engine
        add("committed")
        db.session.commit()
        add("not committed")
        return len(db.session.scalars(select(Author)).all())

    with caplog.at_level(logging.WARNING):
        job_id = start(engine, run)
        done(engine, job_id)
    assert engine.task(job_id, 0).result == 2
    assert names(library) == ["committed"]
    assert "Call db.session.commit() where they are to stay." in caplog.text
    assert engine.log(job_id)[0].message in caplog.text


def test_each_try_has_a_session_of_its_own(engine: Engine, library: Database) -> None:
    seen: list[int] = []

    def run(task: Task) -> None:
        session = db.session()
        assert not session.in_transaction()
        seen.append(id(session))
        session.add(Author(name=f"try {task.attempt}"))
        session.flush()
        if task.attempt == 1:
            raise ValueError("once more")
        session.commit()

    job_id = start(engine, run, retries=1, retry_delay=0.01)
    done(engine, job_id)
    assert names(library) == ["try 2"]
    assert len(seen) == 2
    assert not db.session.registry.registry


@pytest.mark.parametrize("end", ["raise", "cancel"])
def test_a_try_that_does_not_end_well_leaves_nothing(
    engine: Engine, library: Database, gate: threading.Event, end: str
) -> None:
    begun = threading.Event()

    def run(task: Task) -> None:
        db.session.execute(select(Author)).all()
        db.session.add(Author(name="lost"))
        begun.set()
        assert gate.wait(20)
        db.session.flush()
        if end == "raise":
            raise ValueError("no")
        eventually(lambda: task.cancelled)
        task.stop_if_cancelled()

    job_id = start(engine, run)
    assert begun.wait(20)
    if end == "cancel":
        engine.cancel(job_id)
    gate.set()
    job = ended(engine, job_id)
    assert job.failed + job.cancelled == 1
    assert names(library) == []


def test_a_coroutine_has_the_session_of_its_try(engine: Engine, library: Database) -> None:
    async def run(task: Task) -> None:
        await asyncio.sleep(0)
        add(f"committed {task.attempt}")
        await asyncio.to_thread(db.session.commit)
        await asyncio.create_task(add_later("lost"))
        await asyncio.sleep(60)

    async def add_later(name: str) -> None:
        add(name)

    job = ended(engine, start(engine, run, timeout=0.5))
    assert job.failed == 1
    assert names(library) == ["committed 1"]


def test_a_try_that_hangs_with_changes_keeps_nobody_waiting(
    engine: Engine, library: Database, gate: threading.Event
) -> None:
    after: list[BaseException] = []

    def run(task: Task) -> None:
        if task.index:
            return
        add("lost")
        assert gate.wait(20)
        try:
            db.session.commit()
        except BaseException as error:
            after.append(error)
            raise

    job_id = start(engine, run, 3, timeout=0.2)
    job = ended(engine, job_id, within=5)
    assert (job.status, job.done, job.failed) == (JobStatus.DONE_WITH_ERRORS, 2, 1)
    gate.set()
    (error,) = eventually(lambda: after)
    assert type(error).__name__ == "TaskTimedOut"
    assert names(library) == []


@pytest.mark.about_sqlite("a server has no write lock")
@pytest.mark.parametrize(
    "wait",
    [
        lambda task: task.flush(),
        lambda task: task.job.update_fields_atomically(lambda state: state.update(a=1)),
        lambda task: task.job.add_tasks([{"state": {}}]),
        lambda task: task.engine.start_new_job("y", None, [], "work"),
    ],
)
def test_who_would_wait_for_its_own_session_is_told_so(
    engine: Engine, library: Database, wait: Callable[[Task], object]
) -> None:
    def run(task: Task) -> None:
        if task.index:
            return
        task.set_state_field("said", "before")
        task.job.set_state_field("said", "before")
        add("a")
        task.set_state_field("said", "meanwhile")
        task.job.set_state_field("said", "meanwhile")
        task.log("meanwhile")
        with pytest.raises(RuntimeError, match=r"Call db\.session\.commit\(\) or"):
            wait(task)
        db.session.commit()
        wait(task)

    job_id = start(engine, run, concurrency_limit=1)
    assert ended(engine, job_id).failed == 0, engine.task(job_id, 0).error
    assert names(library)[0] == "a"


@pytest.mark.about_sqlite("a server has no write lock")
def test_a_change_that_writes_itself_is_told_so(engine: Engine, library: Database) -> None:
    def change(state: dict[str, Any]) -> None:
        state["n"] = 1
        add("lost")

    def run(task: Task) -> None:
        with pytest.raises(RuntimeError, match=r"Call db\.session\.commit\(\) or"):
            task.job.update_fields_atomically(change, {"mark": 1})
        db.session.rollback()
        task.set_state_field("after", 1)
        task.job.update_fields_atomically(lambda state: state.update(n=2))

    job_id = start(engine, run)
    assert done(engine, job_id).state == {"n": 2}
    assert engine.task(job_id, 0).state == {"after": 1}


def test_ten_threads_read_then_write_at_once(engine: Engine, library: Database) -> None:
    def run(task: Task) -> None:
        before = db.session.scalar(select(func.count()).select_from(Author))
        task.set_state_field("before", before)
        add(str(task.index))
        task.log("row %s", task.index)
        db.session.commit()
        task.job.update_fields_atomically(lambda state: state.update(n=state.get("n", 0) + 1))

    job_id = start(engine, run, 200)
    assert done(engine, job_id).state == {"n": 200}
    assert len(set(names(library))) == 200


def over(engine: Engine, job_id: int) -> JobDetail:
    """The job, once its callbacks are over."""
    eventually(lambda: engine.job(job_id).is_final and not engine.job(job_id).finishing, within=20)
    return engine.job(job_id)


def test_callbacks_have_sessions_of_their_own(engine: Engine, library: Database) -> None:
    def before(job: Any, attempt: int) -> None:
        add("lost")
        raise ValueError("no")

    def after(job: Any) -> None:
        add("after")
        db.session.commit()
        job.set_state_field("authors", db.session.scalar(select(func.count()).select_from(Author)))

    hooks: dict[str, Any] = {"finish_hook": before, "all_tasks_done": after}
    job = over(engine, start(engine, lambda _: None, **hooks))
    assert "before_job_finish failed: ValueError: no" in (job.error or "")
    assert job.state == {"authors": 1}
    assert names(library) == ["after"]


def test_a_callback_that_hangs_with_changes_keeps_nobody_waiting(
    engine: Engine, library: Database, gate: threading.Event
) -> None:
    def before(job: Any, attempt: int) -> None:
        add("lost")
        assert gate.wait(20)
        db.session.commit()

    job = over(engine, start(engine, lambda _: None, finish_hook=before, timeout=0.2))
    assert "took longer than 0.2 s" in (job.error or "")
    gate.set()
    eventually(lambda: not db.session.registry.registry)
    assert names(library) == []


class Params(BaseModel):
    """Params that are right for authors that exist."""

    first: str

    @model_validator(mode="after")
    def exists(self) -> Params:
        """Look it up."""
        if not db.session.scalars(select(Author).where(Author.name == self.first)).first():
            raise ValueError("there is no such author")
        add("a validator commits nothing")
        return self


def test_generators_and_validators_leave_the_session_of_a_request_alone(
    app: Flask, engine: Engine, library: Database
) -> None:
    def make(params: Params) -> Iterator[dict[str, Any]]:
        own = db.session()
        for number in range(2 * CHUNK + 1):
            if number % CHUNK == 0:
                add(f"made {number}")
                own.commit()
            yield {}
            assert db.session() is own

    handler = Handler(name="work", run=lambda _: None, params=Params)
    handler.make_tasks = make
    engine.registry.add(handler)
    with app.test_request_context():
        session = db.session()
        session.add(Author(name="Ada"))
        session.commit()
        ada = session.scalars(select(Author)).one()
        ada.name = "not flushed"
        with session.no_autoflush:
            assert engine.preview("work", {"first": "Ada"}).capped
            job_id = engine.start("work", {"first": "Ada"})
            with pytest.raises(InvalidParams, match="no such author"):
                engine.start("work", {"first": "Eve"})
        assert db.session() is session
        assert ada in session.dirty
        session.rollback()
        assert ada.name == "Ada"
    made = [f"made {number}" for number in (0, CHUNK, 2 * CHUNK)]
    assert names(library) == ["Ada", *made[:2], *made]
    assert engine.job(job_id).total == 2 * CHUNK + 1
    assert not db.session.registry.registry


@pytest.mark.about_sqlite("a server has no write lock")
def test_a_generator_that_hands_on_what_it_has_not_committed_is_told_so(
    app: Flask, engine: Engine, library: Database
) -> None:
    def make(params: object) -> Iterator[dict[str, Any]]:
        add("lost")
        for number in range(2 * CHUNK + 1):
            yield {"n": number}

    handler = Handler(name="work", run=lambda _: None)
    handler.make_tasks = make
    engine.registry.add(handler)
    with app.test_request_context(), pytest.raises(RuntimeError, match=r"Call db\.session\.commit"):
        engine.start("work")
    assert names(library) == []
    assert engine.jobs() == []


def test_a_thread_that_a_handler_leaves_behind_has_no_session(
    engine: Engine, library: Database, gate: threading.Event
) -> None:
    errors: list[RuntimeError] = []

    def go_on() -> None:
        assert gate.wait(20)
        try:
            add("lost")
        except RuntimeError as error:
            errors.append(error)

    def run(task: Task) -> None:
        add("kept")
        db.session.commit()
        threading.Thread(target=copy_context().run, args=[go_on]).start()
        threading.Thread(target=go_on).start()

    done(engine, start(engine, run))
    gate.set()
    eventually(lambda: len(errors) == 2)
    told = sorted(map(str, errors))
    assert "The try, or the callback, to which this session belonged is over." in told[0]
    assert "outside of application context" in told[1]
    assert names(library) == ["kept"]
