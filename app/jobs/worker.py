"""One incarnation of a process with an engine: its row, its mark on this host, its lease (B7).

The mark is a file in DATA_DIR/workers that the process keeps locked. The kernel frees the lock
when the process dies, however it dies, so others on the host know at once. The file also says
which tasks were running, and which process watched over this one: where that one died as well, the
whole server was killed, and no task is to blame. From other hosts, only the lease tells.
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
from collections.abc import Mapping
from pathlib import Path

from app.db import Database
from app.fork_safety import close_in_forked_children
from app.jobs.store import keeping
from app.jobs.store.keeping import NewWorker

_SLOT = struct.Struct("=q")
_PARENT = struct.Struct("=qq")  # its process id, and when it was started


class Mark:
    """The locked file of a worker: its parent, then for each thread the task that it runs, or 0."""

    def __init__(self, folder: Path, threads: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = secrets.token_hex(16)
        self._path = folder / self.name
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        close_in_forked_children(self, lambda mark: mark._file)
        size = _PARENT.size + _SLOT.size * threads
        # On a full disk this says so now; a file with holes would kill the process later.
        os.posix_fallocate(self._file, 0, size)
        with self._path.open("r+b") as other:  # for the mapping keeps a copy of what it is given
            self._slots = mmap.mmap(other.fileno(), size)
        _PARENT.pack_into(self._slots, 0, os.getppid(), _started(os.getppid()) or 0)

    def runs(self, slot: int, task_id: int) -> None:
        """Note which task a thread runs now (0: none), so that a crash can be laid at its door."""
        _SLOT.pack_into(self._slots, _PARENT.size + slot * _SLOT.size, task_id)

    def remove(self) -> None:
        """Give the mark up; the process leaves in good order."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)
        self._file = -1


def death_of(folder: Path, mark: str) -> keeping.Death | None:
    """Return how the worker of a mark died, if it is dead for certain; None: not known."""
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
    if len(content) < _PARENT.size:
        return keeping.Death(ran=())  # it died before it had written its mark
    parent, started = _PARENT.unpack_from(content)
    ran = (task_id for (task_id,) in _SLOT.iter_unpack(content[_PARENT.size :]) if task_id)
    return keeping.Death(ran=tuple(ran), blames_tasks=_started(parent) == (started or None))


def _started(pid: int) -> int | None:
    """When a living process was started, in ticks; None for a dead one, and where nobody tells."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] in "ZX" else int(words[19])


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

    def register(self, handlers: Mapping[str, keeping.Declared]) -> None:
        """Begin a new incarnation that can run these handlers; what they declare is stored."""
        self.retire_mark()
        self._mark = Mark(self._folder, self._threads)
        begun = time.monotonic()
        with self._database.writing() as connection:
            keeping.declare_handlers(connection, handlers)
            self.id = keeping.register(
                connection,
                NewWorker(
                    host=self._host,
                    pid=os.getpid(),
                    mark=self._mark.name,
                    handlers=handlers,
                    lease=self._lease,
                    threads=self._threads,
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
        mark = self._mark  # another thread may take it away between two looks
        if mark:
            mark.runs(slot, task_id)

    def bury_the_dead(self) -> list[keeping.Returned]:
        """Mark workers dead whose process is gone or whose lease is over; return what came back."""
        with self._database.reading() as connection:
            others = keeping.living(connection, self.id)
        returned = (self._bury(other) for other in others)
        return [each for each in returned if each is not None]

    def _bury(self, other: keeping.WorkerRow) -> keeping.Returned | None:
        death = death_of(self._folder, other.mark) if other.host == self._host else None
        if death is None and not other.is_late:
            return None
        returned = keeping.bury(self._database, other.id, death)
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
