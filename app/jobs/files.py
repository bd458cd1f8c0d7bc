"""Files of jobs: what people upload for them, and what handlers make (P5).

A file lies in DATA_DIR/files under a random token, never under a person's name for it. It is
written in `parts/`, brought to the disk, and renamed: a crash leaves no half file behind that
anybody could see, and what it does leave, `Shelf.clean` removes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import io
import os
import secrets
import shutil
import time
import unicodedata
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, Any, Final

from app.config import Settings
from app.db import Database
from app.fork_safety import close_in_forked_children
from app.jobs.errors import BadFile, FileTooLarge, JobFileNotFound
from app.jobs.store import filing
from app.jobs.store.filing import Claimed, NewFile
from app.jobs.uploads import within
from app.jobs.views import FileRow
from app.users.permissions import Role

#: How many rows are cleaned at once, and how long a part that nobody locks may be just begun.
CHUNK: Final = 100
JUST_BEGUN_SECONDS: Final = 60
#: The longest name of a file, in characters; the columns and most disks take 255 bytes.
LONGEST_NAME: Final = 200

#: Which role a made file asks for; a function is asked when the file is whole.
WantedRole = str | Callable[[], str]


class Part(io.FileIO):
    """A file that is being written. It is locked meanwhile, and gone when it is closed unkept."""

    def __init__(self, folder: Path, name: str, *, most_mb: int, setting: str) -> None:
        self.token = secrets.token_hex(16)
        self.place = folder / f"{self.token}.part"
        self._limit = name, most_mb, setting
        opened = os.open(self.place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(opened, fcntl.LOCK_EX)
        super().__init__(opened, "r+")
        close_in_forked_children(self, io.FileIO.fileno)

    def write(self, data: Any) -> int:
        """Write all of it, or raise FileTooLarge, or OSError for a disk that is full."""
        rest = memoryview(data).cast("B")
        whole, (name, most_mb, setting) = len(rest), self._limit
        if self.tell() + whole > most_mb * 2**20:
            raise FileTooLarge(f"The file {name!r}", most_mb, setting)
        while rest:
            rest = rest[super().write(rest) :]
        return whole

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return os.fstat(self.fileno()).st_size

    def sync(self) -> None:
        """Return once all of it is on the disk."""
        os.fsync(self.fileno())

    def keep(self, place: Path) -> None:
        """Let it be seen under its name, for good."""
        self.place.rename(place)
        _sync_folder(place.parent)

    def close(self) -> None:
        """Close it; without keep() nothing of it is left."""
        if not self.closed:
            self.place.unlink(missing_ok=True)
        super().close()


class Shelf:
    """The files of one data directory; `announce` hears of jobs that got one."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        announce: Callable[[Collection[int]], None] = lambda _: None,
    ) -> None:
        self.most_upload_mb = settings.max_upload_mb
        self._most_mb = settings.max_file_mb
        self._database = database
        self._announce = announce
        self._folder = settings.data_dir.absolute() / "files"
        self._parts = self._folder / "parts"

    # Uploads

    def begin_upload(self, name: str = "") -> Part:
        """Return what the bytes of an upload are written to: add_upload() keeps it."""
        return self._part(clean_name(name), self.most_upload_mb, "JOBDECK_MAX_UPLOAD_MB")

    def add_upload(self, part: Part, name: str, by: int | None) -> FileRow:
        """Keep an upload for its uploader, for a day and for one job; raise TooManyUploads."""
        with part:
            part.sync()  # before the write lock is held: that may take a while
            new = NewFile(
                token=part.token, name=clean_name(name), size=part.size, role=Role.OPERATOR
            )
            with self._database.writing() as connection:
                file_id = filing.add_upload(connection, new, by)
            part.keep(self._path(part.token))
        return self.upload(file_id, by)

    def upload(self, file_id: int, by: int | None) -> FileRow:
        """Return an upload of this person that waits to be used; raise UploadNotGood."""
        with self._database.reading() as connection:
            return self._found(filing.upload(connection, file_id, by))

    def copy(self, job_id: int, name: str, by: int | None) -> int:
        """Make an upload of a job's file, for another job; return its id.

        Raises JobFileNotFound, TooManyUploads.
        """
        source = self.file(job_id, name)
        most_mb = max(self.most_upload_mb, self._most_mb)
        with self._part(name, most_mb, "JOBDECK_MAX_FILE_MB") as part:
            with open(str(source.path), "rb") as file:
                shutil.copyfileobj(file, part, 2**20)
            return self.add_upload(part, name, by).id

    # The files of a job

    def files(self, job_id: int) -> list[FileRow]:
        """Return the files of a job, uploads first."""
        with self._database.reading() as connection:
            return filing.files(connection, job_id)

    def file(self, job_id: int, name: str) -> FileRow:
        """Return a file of a job, with its path; raise JobFileNotFound."""
        with self._database.reading() as connection:
            found = self._found(filing.file(connection, job_id, name))
        if found.path is None or not found.path.is_file():
            raise JobFileNotFound(job_id, name)
        return found

    @contextlib.contextmanager
    def new_file(self, by: Claimed, name: str, role: WantedRole, mode: str) -> Iterator[IO[Any]]:
        """Give a file to write to, and its job that file once the block has ended well.

        Raises BadFile, FileTooLarge, TaskLost; then the job has what it had before.
        """
        part = self._part(checked_name(name), self._most_mb, "JOBDECK_MAX_FILE_MB")
        with part:
            out = _writer(part, mode)
            try:
                yield out
                out.flush()
                self._give(part, by, name, role() if callable(role) else role)
            finally:
                # What is not written yet must not be written when the writer is thrown away.
                with contextlib.suppress(FileTooLarge, OSError, ValueError):
                    out.close()
        self._announce([by.job_id])

    def _give(self, part: Part, by: Claimed, name: str, role: str) -> None:
        part.sync()
        new = NewFile(token=part.token, name=name, size=part.size, role=Role(role))
        with self._database.writing() as connection:
            file_id = filing.add_made(connection, new)
        part.keep(self._path(part.token))
        try:
            with self._database.writing() as connection:
                filing.hand_over(connection, file_id, by)
        except BaseException:
            self._let_go(file_ids=[file_id])
            raise

    # Params

    def reading(self, read: Callable[[], Any]) -> Callable[[], Any]:
        """Let stored params be read so that uploads among them know where they lie."""

        def read_here() -> Any:
            with within(self._folder):
                return read()

        return read_here

    # Cleaning

    def remove_of(self, job_id: int) -> None:
        """Remove the files of a job that is deleted."""
        self._let_go(job_id=job_id)
        self.clean()

    def clean(self) -> bool:
        """Remove some of what nobody needs any more; tell whether there may be more.

        That is: uploads that expired, files of deleted jobs, replaced ones, and parts whose
        writer died.
        """
        with self._database.reading() as connection:
            orphans = filing.orphans(connection, CHUNK)
        for token in orphans.values():
            self._path(token).unlink(missing_ok=True)
        if orphans:
            with self._database.writing() as connection:
                filing.forget(connection, orphans)
        self._remove_dead_parts()
        return len(orphans) == CHUNK

    def _remove_dead_parts(self) -> None:
        for part in self._parts.glob("*.part"):
            with contextlib.suppress(OSError):
                if time.time() - part.stat().st_mtime > JUST_BEGUN_SECONDS and not _is_locked(part):
                    part.unlink()

    def _let_go(self, *, file_ids: Collection[int] = (), job_id: int = 0) -> None:
        with self._database.writing() as connection:
            filing.orphan(connection, file_ids=file_ids, job_id=job_id)

    def _part(self, name: str, most_mb: int, setting: str) -> Part:
        self._parts.mkdir(parents=True, exist_ok=True)
        return Part(self._parts, name, most_mb=most_mb, setting=setting)

    def _path(self, token: str) -> Path:
        return self._folder / token

    def _found(self, row: FileRow) -> FileRow:
        return dataclasses.replace(row, path=self._path(row.token))


def clean_name(name: str) -> str:
    """Return what a browser calls a file as a name: no path, nothing unseen, not endless."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    seen = "".join(each for each in last if unicodedata.category(each)[0] != "C").strip()
    if seen in ("", ".", ".."):
        return "file"
    stem, dot, suffix = seen.rpartition(".")
    if len(seen) <= LONGEST_NAME or not stem:
        return seen[:LONGEST_NAME]
    suffix = dot + suffix[:20]
    return stem[: LONGEST_NAME - len(suffix)] + suffix


def checked_name(name: str) -> str:
    """Return the name that a handler gives a file, or raise BadFile."""
    if name != clean_name(name):
        raise BadFile(
            f"A file cannot be named {name!r}: a name has no slash, nothing unseen, and at most "
            f"{LONGEST_NAME} characters."
        )
    return name


def _writer(part: Part, mode: str) -> IO[Any]:
    buffered = io.BufferedRandom(part, 2**17)
    if mode == "wb":
        return buffered
    if mode == "w":
        return io.TextIOWrapper(buffered, encoding="utf-8", newline="")
    raise ValueError(f"A file is made with mode 'w' or 'wb', not {mode!r}.")


def _is_locked(part: Path) -> bool:
    opened = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(opened)
    return False


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
