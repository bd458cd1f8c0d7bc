"""The rows of files: uploads until a job uses them, and what handlers make of their jobs.

A row comes before its file on disk gets its name, and goes after it: nothing on disk is forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, func, insert, or_, select, update

from app.db import now
from app.jobs.errors import BadFile, JobFileNotFound, TaskLost, TooManyUploads, UploadNotGood
from app.jobs.models import File, Job, Task, Worker
from app.jobs.states import TaskStatus
from app.jobs.views import FileRow

#: How long an upload waits to be used, and how many of them one person may have waiting.
UPLOAD_LIFETIME: Final = timedelta(hours=24)
MOST_UPLOADS: Final = 50
#: How long a made file may take from its last byte to its job.
HANDOVER: Final = timedelta(hours=1)
MOST_FILES: Final = 1_000
#: Databases have no larger ids, and SQLite's driver fails when it is asked for one.
LARGEST_ID: Final = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """A file whose bytes are on disk already; `token` is its name there."""

    token: str
    name: str
    size: int
    role: str


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """Which claim of a task makes a file; a lost one makes none."""

    job_id: int
    task_id: int
    worker_id: int
    attempt: int


_ROW = (
    File.id,
    File.token,
    File.name,
    File.size,
    File.role,
    File.uploaded,
    File.created_at,
)


def add_upload(connection: Connection, new: NewFile, by: int | None) -> int:
    """Add an upload that waits to be used; raise TooManyUploads."""
    waiting = select(func.count()).where(_waits_for(by))
    if connection.execute(waiting).scalar_one() >= MOST_UPLOADS:
        raise TooManyUploads(MOST_UPLOADS)
    return _insert(connection, new, uploaded=True, uploaded_by=by, lifetime=UPLOAD_LIFETIME)


def add_made(connection: Connection, new: NewFile) -> int:
    """Add a made file that its job does not have yet."""
    return _insert(connection, new, uploaded=False, uploaded_by=None, lifetime=HANDOVER)


def _insert(
    connection: Connection,
    new: NewFile,
    *,
    uploaded: bool,
    uploaded_by: int | None,
    lifetime: timedelta,
) -> int:
    moment = now()
    row = vars(new) | {"uploaded": uploaded, "uploaded_by": uploaded_by}
    row |= {"created_at": moment, "expires_at": moment + lifetime}
    made: int = connection.execute(insert(File).values(row).returning(File.id)).scalar_one()
    return made


def upload(connection: Connection, file_id: int, by: int | None) -> FileRow:
    """Return an upload of this person that waits to be used; raise UploadNotGood."""
    wanted = select(*_ROW, File.job_id, File.expires_at).where(
        File.id == (file_id if 0 < file_id <= LARGEST_ID else 0), _is_uploaded_by(by)
    )
    row = connection.execute(wanted).first()
    if row is None:
        raise UploadNotGood("There is no such upload of yours; choose the file again")
    if row.expires_at is None:
        raise UploadNotGood("This upload was used for another job; choose the file again")
    if row.expires_at < now():
        raise UploadNotGood("This upload is more than a day old; choose the file again")
    return _view(row)


def use(connection: Connection, job_id: int, names: Sequence[tuple[int, str]], role: str) -> bool:
    """Give a job its uploads, under these names; False: one of them is not to be had any more."""
    for file_id, name in names:
        free = and_(File.id == file_id, File.uploaded, File.expires_at > now())
        owned = update(File).where(free).values(job_id=job_id, name=name, role=role)
        if not connection.execute(owned.values(expires_at=None)).rowcount:
            return False
    return True


def hand_over(connection: Connection, file_id: int, by: Claimed) -> None:
    """Give a made file to its job, in place of one that has its name.

    Raises TaskLost when the claim is not theirs any more who made it.
    """
    if connection.execute(_claim(by)).first() is None:
        raise TaskLost
    name = select(File.name).where(File.id == file_id).scalar_subquery()
    same = and_(File.job_id == by.job_id, File.name == name)
    before = connection.execute(select(File.uploaded, File.name).where(same)).first()
    if before is not None and before.uploaded:
        raise BadFile(f"The job has an upload named {before.name!r}; give the file another name.")
    if before is None and _count(connection, by.job_id) >= MOST_FILES:
        raise BadFile(f"A job may have {MOST_FILES:,} files, and this one has them.")
    connection.execute(update(File).where(same).values(job_id=None, expires_at=None))
    mine = update(File).where(File.id == file_id, File.expires_at > now())
    if not connection.execute(mine.values(job_id=by.job_id, expires_at=None)).rowcount:
        raise BadFile("It took too long until the file was the job's; try again.")
    # Who watches looks again when a job has a newer version.
    connection.execute(update(Job).where(Job.id == by.job_id).values(version=Job.version + 1))


def _claim(by: Claimed) -> Any:
    return (
        select(Task.id)
        .join(Worker, Worker.id == Task.worker_id)
        .where(
            Task.id == by.task_id,
            Task.worker_id == by.worker_id,
            Task.attempt == by.attempt,
            Task.status == TaskStatus.IN_PROGRESS,
            Worker.alive,
        )
        .with_for_update(read=True)
    )


def _count(connection: Connection, job_id: int) -> int:
    return connection.execute(select(func.count()).where(File.job_id == job_id)).scalar_one()


def files(connection: Connection, job_id: int) -> list[FileRow]:
    """Return the files of a job: uploads first, then what it made, each by name."""
    wanted = select(*_ROW).where(File.job_id == job_id)
    found = connection.execute(wanted.order_by(File.uploaded.desc(), File.name))
    return [_view(row) for row in found]


def file(connection: Connection, job_id: int, name: str) -> FileRow:
    """Return a job's file; raise JobFileNotFound."""
    wanted = select(*_ROW).where(File.job_id == job_id, File.name == name)
    row = connection.execute(wanted).first()
    if row is None:
        raise JobFileNotFound(job_id, name)
    return _view(row)


def orphans(connection: Connection, most: int) -> dict[int, str]:
    """Return ids and tokens of files that no job has and nobody may use any more."""
    is_over = or_(File.expires_at.is_(None), File.expires_at < now())
    wanted = select(File.id, File.token).where(File.job_id.is_(None), is_over).limit(most)
    return {row.id: row.token for row in connection.execute(wanted)}


def forget(connection: Connection, file_ids: Iterable[int]) -> None:
    """Remove the rows of files that are gone from disk."""
    connection.execute(delete(File).where(File.id.in_(list(file_ids)), File.job_id.is_(None)))


def orphan(connection: Connection, *, file_ids: Collection[int] = (), job_id: int = 0) -> None:
    """Let go of these files, and of all that a job has; they are removed soon."""
    gone = or_(File.id.in_(list(file_ids)), File.job_id == job_id)
    connection.execute(update(File).where(gone).values(job_id=None, expires_at=None))


def _is_uploaded_by(by: int | None) -> Any:
    return and_(File.uploaded, File.uploaded_by.is_not_distinct_from(by))


def _waits_for(by: int | None) -> Any:
    moment: datetime = now()
    return and_(_is_uploaded_by(by), File.job_id.is_(None), File.expires_at > moment)


def _view(row: Row[*tuple[Any, ...]]) -> FileRow:
    return FileRow(**{column.key: getattr(row, column.key) for column in _ROW})
