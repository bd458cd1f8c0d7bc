"""A window of tasks, read in several statements: what changes meanwhile is not missed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app import schema
from app.config import Settings
from app.db import Database
from app.jobs import Engine, Handler, Registry, TaskRow
from app.users.people import Person
from app.users.permissions import Role
from app.web.live import topics
from app.web.live.topics import Address, TaskUpdates

VERA = Person(id=1, email="vera@example.com", role=Role.VIEWER)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    settings = Settings(data_dir=tmp_path)
    database = Database(settings.database)
    schema.upgrade(database)
    return Engine(database, settings, Registry([Handler(name="work", run=lambda _: None)]))


def test_a_task_that_changes_while_others_are_read_is_told_next(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = engine.start_new_job("x", None, [{} for _ in range(4)], "work")
    monkeypatch.setattr(topics, "ROWS", 2)
    topic = TaskUpdates(engine, Address(job_id=job_id, query={"limit": "4"}))
    fail_after_the_first_page(engine, monkeypatch, 0, 3)
    topic.look(VERA, ())
    monkeypatch.undo()
    assert statuses(topic.look(VERA, ()))[0] == "FAILED"


def test_what_lies_outside_of_a_window_is_not_read(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = engine.start_new_job("x", None, [{} for _ in range(9)], "work")
    topic = TaskUpdates(engine, Address(job_id=job_id, query={"from": "2", "limit": "3"}))
    assert list(statuses(topic.look(VERA, ()))) == [2, 3, 4]
    fail(engine, job_id, 8)
    read = note_what_is_read(engine, monkeypatch)
    assert topic.look(VERA, ()) == []
    assert read == [(2, 5)]


def fail_after_the_first_page(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, *indexes: int
) -> None:
    real, waiting = engine.tasks, list(indexes)

    def tasks(job_id: int, **which: Any) -> list[TaskRow]:
        rows = real(job_id, **which)
        while waiting:
            fail(engine, job_id, waiting.pop(0))
        return rows

    monkeypatch.setattr(engine, "tasks", tasks)


def note_what_is_read(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    real, read = engine.tasks, []

    def tasks(job_id: int, **which: Any) -> list[TaskRow]:
        read.append((which["first"], which["before"]))
        return real(job_id, **which)

    monkeypatch.setattr(engine, "tasks", tasks)
    return read


def fail(engine: Engine, job_id: int, index: int) -> None:
    with engine.database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE task SET status = 'FAILED', version = "
            "(SELECT version + 1 FROM job WHERE id = task.job_id) "
            f"WHERE job_id = {job_id} AND idx = {index}"
        )


def statuses(messages: list[topics.Message]) -> dict[int, str]:
    return {each["taskIndex"]: each["status"] for said in messages for each in said["data"]}
