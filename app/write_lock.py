"""The write lock of a process on SQLite, which lets one connection write at a time."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from app import engines

#: How long a writer waits for the others of its process, each of whom may be waiting like that.
LOCK_TIMEOUT = 5.0
#: A session's transaction that rests for so long is ended where somebody else wants to write, as
#: servers end it.
IDLE_TIMEOUT = 10.0
#: What is left for the lock itself to a writer that has waited so long for its turn.
MIN_BUSY_TIMEOUT: Final = 0.5


class SessionHoldsWriteLock(RuntimeError):
    """A session has changes that are not committed, and keeps its own thread from writing.

    Call db.session.commit() or db.session.rollback() first: SQLite has one writer at a time, so
    this would wait for itself.
    """

    def __init__(self) -> None:
        super().__init__(" ".join((self.__doc__ or "").split()))


class Transaction(Protocol):
    """A write transaction of a session, as far as the lock must know it."""

    def is_of_this_thread(self) -> bool:
        """Tell whether the calling thread, or the handler that it works for, has begun it."""

    def idle_seconds(self) -> float:
        """Return for how long it has carried out nothing; 0.0 while it does."""

    def end(self, error: BaseException) -> None:
        """Roll it back and release its lock; from then on it raises the error."""


class WriteLock:
    """A lock that a thread may take again while it has it. A session's transaction may have it,
    too, and may be ended by whatever thread."""

    def __init__(self) -> None:
        self.forget_owner()

    def forget_owner(self) -> None:
        """Be free, in a forked process where whoever had it does not run."""
        self._lock = threading.Lock()
        self._owner: int | Transaction | None = None
        self._depth = 0

    def acquire(self, transaction: Transaction | None = None) -> float:
        """Wait for the other writers, and return for how many seconds.

        Raise OperationalError when they take too long, SessionHoldsWriteLock where the caller
        would wait for itself.
        """
        owner = threading.get_ident() if transaction is None else transaction
        if self._owner == owner:
            self._depth += 1
            return 0.0
        self.refuse_to_wait_for_itself()
        if transaction is not None and self._owner == threading.get_ident():
            raise SessionHoldsWriteLock
        begun = time.monotonic()
        if not self._lock.acquire(timeout=LOCK_TIMEOUT):
            self._end_idle_owner()
            if not self._lock.acquire(blocking=False):
                raise _locked()
        self._owner, self._depth = owner, 1
        return time.monotonic() - begun

    def release(self) -> None:
        """Let the next one write, once it is released as often as it was acquired."""
        self._depth -= 1
        if not self._depth:
            self._owner = None
            self._lock.release()

    def refuse_to_wait_for_itself(self) -> None:
        """Raise SessionHoldsWriteLock when a session of the calling thread keeps others waiting."""
        owner: Any = self._owner
        if owner is not None and not isinstance(owner, int) and owner.is_of_this_thread():
            raise SessionHoldsWriteLock

    def _end_idle_owner(self) -> None:
        owner: Any = self._owner
        if owner is None or isinstance(owner, int) or owner.idle_seconds() < IDLE_TIMEOUT:
            return
        said = (
            f"a session had changes that were not committed for {IDLE_TIMEOUT:g} s and kept all "
            "others from writing, so they were rolled back. Commit before what takes long"
        )
        owner.end(OperationalError("ROLLBACK", None, sqlite3.OperationalError(said)))


def _locked() -> OperationalError:
    # What SQLite says to a writer of another process: whoever expects that, expects this.
    said = (
        f"database is locked: somebody else in this process has been writing for {LOCK_TIMEOUT:g} s"
    )
    return OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError(said))


@contextmanager
def patience_left(connection: Connection, waited: float) -> Iterator[None]:
    """Let a writer that has waited for its turn wait the less for the lock."""
    if waited < MIN_BUSY_TIMEOUT:
        yield
        return
    _wait_at_most(connection, max(engines.LOCK_SECONDS - waited, MIN_BUSY_TIMEOUT))
    try:
        yield
    finally:
        _wait_at_most(connection, engines.LOCK_SECONDS)


def _wait_at_most(connection: Connection, seconds: float) -> None:
    # Beside the transaction, which has not begun or is over.
    connection.connection.cursor().execute(f"PRAGMA busy_timeout={seconds * 1000:.0f}")
