"""One incarnation of a process with an engine: its row, its mark on this host, its lease (B7).

The mark is a file in DATA_DIR/workers that the process keeps locked. The kernel frees the lock
when the process dies, however it dies, so others on the host know at once; the file also says
which tasks were running. From other hosts, only a lease that is not renewed tells.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import secrets
import socket
import struct
import time
from pathlib import Path

from app.db import Database
from app.jobs.store import keeping
from app.jobs.store.keeping import NewWorker

_SLOT = struct.Struct("=q")


class Mark:
    """The locked file of a worker; slot n holds the id of the task that thread n runs, or 0."""

    def __init__(self, folder: Path, threads: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = secrets.token_hex(16)
        self._path = folder / self.name
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        os.ftruncate(self._file, _SLOT.size * threads)
        self._slots = mmap.mmap(self._file, _SLOT.size * threads)

    def runs(self, slot: int, task_id: int) -> None:
        """Note which task a thread runs now (0: none), so that a crash can be laid at its door."""
        _SLOT.pack_into(self._slots, slot * _SLOT.size, task_id)

    def remove(self) -> None:
        """Give the mark up; the process leaves in good order."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def tasks_of_the_dead(folder: Path, mark: str) -> list[int] | None:
    """Return what the worker of a mark was running if it is dead for certain; None: not known."""
    try:
        file = os.open(folder / mark, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        content = os.pread(file, os.fstat(file).st_size, 0)
    except BlockingIOError:
        return None
    finally:
        os.close(file)
    return [task_id for (task_id,) in _SLOT.iter_unpack(content) if task_id]


class Worker:
    """This process as a worker. Its id changes when it was taken for dead and begins anew."""

    def __init__(self, database: Database, folder: Path, *, threads: int, lease: float) -> None:
        self.id = 0
        self._database = database
        self._folder = folder
        self._threads = threads
        self._lease = lease
        self._mark: Mark | None = None
        self._trusted_until = 0.0
        self._host = socket.gethostname()

    def register(self, limits: dict[str, int | None]) -> None:
        """Begin a new incarnation that can run these handlers; their limits are stored."""
        self.retire_mark()
        self._mark = Mark(self._folder, self._threads)
        begun = time.monotonic()
        with self._database.writing() as connection:
            keeping.declare_handlers(connection, limits)
            self.id = keeping.register(
                connection,
                NewWorker(
                    host=self._host,
                    pid=os.getpid(),
                    mark=self._mark.name,
                    handlers=limits,
                    lease=self._lease,
                ),
            )
        self._trusted_until = begun + self._lease

    @property
    def is_trusted(self) -> bool:
        """Whether others still hold this worker for alive, as far as it can know by itself."""
        return time.monotonic() < self._trusted_until

    def renew(self) -> bool:
        """Renew the lease; False: this incarnation was taken for dead, and a new one must begin."""
        begun = time.monotonic()
        with self._database.writing_once() as connection:
            renewed = keeping.renew(connection, self.id, self._lease)
        if renewed:
            self._trusted_until = begun + self._lease
        return renewed

    def runs(self, slot: int, task_id: int) -> None:
        """Note which task a thread of the pool runs now; 0 is none."""
        if self._mark:
            self._mark.runs(slot, task_id)

    def bury_the_dead(self) -> list[keeping.Returned]:
        """Mark workers dead whose process is gone or whose lease is over; return what came back."""
        with self._database.reading() as connection:
            others = keeping.living(connection, self.id)
        returned = (self._bury(other) for other in others)
        return [each for each in returned if each is not None]

    def _bury(self, other: keeping.WorkerRow) -> keeping.Returned | None:
        ran = tasks_of_the_dead(self._folder, other.mark) if other.host == self._host else None
        if ran is None and not other.is_late:
            return None
        returned = keeping.bury(self._database, other.id, ran)
        with contextlib.suppress(OSError):
            (self._folder / other.mark).unlink()
        return returned

    def retire(self) -> None:
        """Leave in good order, and hand back what is still claimed.

        When that cannot be stored the mark stays: whoever finds it unlocked hands back instead.
        """
        keeping.retire(self._database, self.id)
        self.retire_mark()

    def retire_mark(self) -> None:
        """Remove the mark of the incarnation that ends."""
        if self._mark:
            self._mark.remove()
            self._mark = None
