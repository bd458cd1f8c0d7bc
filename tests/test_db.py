"""Writers of a process take turns, and none of them waits for ever."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from app import engines
from app.db import Database
from app.engines import UnsupportedDatabase
from tests.visitor import Visitor
from tests.web.jobs.api import refused


@contextmanager
def somebody_writing(database: Database) -> Iterator[None]:
    """Another thread of this process that has its turn and does not end it."""
    has_it, let_go = threading.Event(), threading.Event()

    def write() -> None:
        with database.writing():
            has_it.set()
            assert let_go.wait(20)

    thread = threading.Thread(target=write)
    thread.start()
    assert has_it.wait(20)
    try:
        yield
    finally:
        let_go.set()
        thread.join()


@pytest.mark.parametrize(
    "url", ["mysql+pymysql://u:secret@x/y", "oracle://u:secret@x", "mssql://x"]
)
def test_other_databases_are_refused_with_what_to_do(url: str) -> None:
    with pytest.raises(UnsupportedDatabase, match="SQLite, PostgreSQL and MariaDB, not on") as no:
        Database(url)
    assert "secret" not in str(no.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("secret", "no address of a database"),
        ("://secret@x", "no address of a database"),
        ("postgresql+psycopg2://u:secret@x/y", "driver of JOBDECK_DATABASE_URL"),
        ("postgresql+nothing://u:secret@x/y", "driver of JOBDECK_DATABASE_URL"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_what_to_do(url: str, said: str) -> None:
    with pytest.raises(UnsupportedDatabase, match=said) as refused:
        Database(url)
    assert "secret" not in str(refused.value)


def test_what_is_committed_is_on_the_disk(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "database")
    # As it is without the tests' own haste.
    vars(engines._prepare_sqlite)["__wrapped__"](connection, None)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()


def test_a_writer_gives_up_when_its_turn_does_not_come(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.write_lock.LOCK_TIMEOUT", 0.05)
    with somebody_writing(database):
        for way in (database.writing, database.writing_once):
            with pytest.raises(OperationalError, match="database is locked"), way():
                pass
    with database.writing():
        pass


def test_a_writer_may_write_within_its_own_turn(database: Database) -> None:
    with database.writing_once(), database.writing():
        pass


@pytest.mark.parametrize(("waited", "left"), [(0.1, 5_000), (4.0, 1_000), (4.9, 500)])
def test_who_waited_for_its_turn_waits_the_less_for_the_lock(
    database: Database, monkeypatch: pytest.MonkeyPatch, waited: float, left: int
) -> None:
    clock = SimpleNamespace(monotonic=iter([0.0, waited]).__next__)
    monkeypatch.setattr("app.write_lock.time", clock)
    with database.writing() as connection:
        assert patience_of(connection) == left
    with database.reading() as connection:
        assert patience_of(connection) == 5_000


def patience_of(connection: Connection) -> int:
    """For how many milliseconds a statement waits for the lock of another process."""
    patience: int = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    return patience


def test_a_request_that_cannot_write_is_told_so(
    alice: Visitor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = alice.client.application.extensions["jobdeck_database"]
    monkeypatch.setattr("app.write_lock.LOCK_TIMEOUT", 0.05)
    asked = {"handler": "example_job_handler", "params": {"steps": 1}}
    with somebody_writing(server):
        error = refused(alice.send("POST", "/api/v1/jobs", asked), 503, "database_unavailable")
        assert alice.get("/jobs").status_code == 200
    assert error["message"].startswith("The database does not answer just now.")
    assert alice.send("POST", "/api/v1/jobs", asked).status_code == 201
