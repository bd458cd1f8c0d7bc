"""The statements about files say the same to each kind of database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, insert, update

from app import schema
from app.db import Database, now
from app.jobs.errors import BadFile, JobFileNotFound, TaskLost, TooManyUploads, UploadNotGood
from app.jobs.models import File, Job, Task, Worker
from app.jobs.store import filing
from app.jobs.store.filing import Claimed, NewFile
from app.users.models import User
from tests.rows import fill

CLAIM = Claimed(job_id=1, task_id=1, worker_id=1, attempt=1)


@pytest.fixture
def connection(empty_database: Database) -> Iterator[Connection]:
    """A transaction in a database where worker 1 runs task 1 of job 1."""
    schema.upgrade(empty_database)
    with empty_database.writing() as connection:
        for row in (User, Worker, Job, Task):
            fill(connection, row.__table__)  # type: ignore[arg-type]
        connection.execute(update(Worker).values(alive=True))
        running = {"status": "IN_PROGRESS", "worker_id": 1, "attempt": 1}
        connection.execute(update(Task).values(running))
        yield connection


def new(name: str = "a.csv", token: str = "t") -> NewFile:
    return NewFile(token=token, name=name, size=2**40, role="viewer")


def test_an_upload_is_added_used_and_found(connection: Connection) -> None:
    file_id = filing.add_upload(connection, new(), 1)
    assert filing.upload(connection, file_id, 1).size == 2**40
    for by in (2, None):
        with pytest.raises(UploadNotGood):
            filing.upload(connection, file_id, by)
    assert filing.use(connection, 1, [(file_id, "b.csv")], "superadmin")
    assert not filing.use(connection, 1, [(file_id, "b.csv")], "superadmin")
    (row,) = filing.files(connection, 1)
    assert (row.name, row.role, row.uploaded) == ("b.csv", "superadmin", True)
    assert filing.file(connection, 1, "b.csv") == row
    with pytest.raises(JobFileNotFound):
        filing.file(connection, 1, "a.csv")


def test_uploads_of_nobody_are_counted_too(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filing, "MOST_UPLOADS", 1)
    filing.add_upload(connection, new(token="1"), None)
    filing.add_upload(connection, new(token="2"), 1)
    for by in (None, 1):
        with pytest.raises(TooManyUploads):
            filing.add_upload(connection, new(token="3"), by)


def test_a_made_file_is_handed_over_by_who_has_the_task(connection: Connection) -> None:
    first = filing.add_made(connection, new(token="1"))
    filing.hand_over(connection, first, CLAIM)
    second = filing.add_made(connection, new(token="2"))
    filing.hand_over(connection, second, CLAIM)
    assert [row.token for row in filing.files(connection, 1)] == ["2"]
    assert filing.orphans(connection, 9) == {first: "1"}
    filing.forget(connection, [first, second])
    assert [row.id for row in filing.files(connection, 1)] == [second]
    assert filing.orphans(connection, 9) == {}
    other = Claimed(job_id=1, task_id=1, worker_id=1, attempt=2)
    with pytest.raises(TaskLost):
        filing.hand_over(connection, second, other)


def test_an_upload_keeps_its_name_and_a_deleted_job_lets_go(connection: Connection) -> None:
    upload = filing.add_upload(connection, new(token="1"), 1)
    filing.use(connection, 1, [(upload, "a.csv")], "viewer")
    made = filing.add_made(connection, new(token="2"))
    with pytest.raises(BadFile):
        filing.hand_over(connection, made, CLAIM)
    filing.orphan(connection, file_ids=[made])
    connection.execute(Task.__table__.delete())  # type: ignore[attr-defined]
    connection.execute(Job.__table__.delete())  # type: ignore[attr-defined]
    assert filing.orphans(connection, 9) == {upload: "1", made: "2"}


def test_a_role_that_is_none_is_not_stored(empty_database: Database) -> None:
    schema.upgrade(empty_database)
    row = {"token": "t", "name": "a", "size": 1, "uploaded": False, "role": "king"}
    with (
        pytest.raises(Exception, match="ck_file_role"),
        empty_database.writing() as connection,
    ):
        connection.execute(insert(File).values(row | {"created_at": now()}))
