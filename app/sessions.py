"""Sessions: connections whose transaction begins with their first write, and where they end.

What only reads is in no transaction. On SQLite it then keeps nobody from writing, and it has no
snapshot that it could lose to another writer when it begins to write; on a server it does not rest
in a transaction that the server ends. Each statement sees what is committed by then, everywhere.
"""

from __future__ import annotations

import re
import threading
import time
from contextvars import ContextVar, Token
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.exc import DBAPIError

from app.engines import Kind
from app.write_lock import WriteLock, patience_left

#: What only asks begins with one of these words.
_READS: Final = ("SELECT", "VALUES", "PRAGMA", "SHOW", "WITH")
#: Unless it also says one of these: it locks rows, or writes in passing.
_WRITES: Final = re.compile(
    r"\b(?:INSERT|UPDATE|DELETE|MERGE|INTO|FOR\s+(?:KEY\s+)?SHARE|LOCK\s+IN\s+SHARE\s+MODE"
    r"|pg_(?:try_)?advisory_xact\w*|set_config)\b",
    re.IGNORECASE,
)
#: SQLite refuses to write with what was read before another one wrote (SQLITE_BUSY_SNAPSHOT).
_OLD_SNAPSHOT: Final = 517
_KEY: Final = "jobdeck_transaction"
_OVER: Final = (
    "The try, or the callback, to which this session belonged is over. "
    "A thread of its own needs a session of its own: with app.app_context(): ..."
)


class SessionOver(RuntimeError):
    """The try, or the callback, to which a session belongs is over."""

    def __init__(self) -> None:
        super().__init__(_OVER)


class Scope:
    """A try of a task, a callback, or a generator: what its sessions did ends with it.

    The sessions of the context that enters it belong to it until it is left.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._transactions: set[SessionTransaction] = set()
        self._token: Token[Scope | None] | None = None

    def __enter__(self) -> Scope:
        self._token = _scope.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        _scope.reset(self._token)
        self.end(SessionOver())

    @property
    def writes(self) -> bool:
        """Whether a session has written what is not committed."""
        return bool(self._transactions)

    def add(self, transaction: SessionTransaction) -> None:
        """Note a transaction that has begun."""
        self._transactions.add(transaction)

    def discard(self, transaction: SessionTransaction) -> None:
        """Forget a transaction that is over."""
        self._transactions.discard(transaction)

    def end(self, error: BaseException) -> None:
        """Roll back what is not committed; whatever is asked from then on raises the error.

        It may be called from another thread than the one that writes.
        """
        self.error = error
        for each in list(self._transactions):
            each.end(error)


_scope: ContextVar[Scope | None] = ContextVar("jobdeck_session_scope", default=None)


def demand_open_scope() -> None:
    """Raise why nothing more can be asked or written in the scope of this context."""
    here = _scope.get()
    if here and here.error:
        raise here.error


class SessionTransaction:
    """A transaction that a session has begun with its first write."""

    def __init__(self, driver: Any, lock: WriteLock | None) -> None:
        self._driver = driver
        self._lock = lock
        self._scope = _scope.get()
        self._thread = threading.get_ident()
        self._guard = threading.Lock()
        self._is_busy = True
        self._used_at = time.monotonic()
        self._error: BaseException | None = None
        self._is_over = False
        #: Whether it was asked to commit or to roll back.
        self.is_closing = False

    def is_of_this_thread(self) -> bool:
        """Tell whether the calling thread, or the handler that it works for, has begun it."""
        is_same_scope = self._scope is not None and self._scope is _scope.get()
        return is_same_scope or self._thread == threading.get_ident()

    def idle_seconds(self) -> float:
        """Return for how long it has carried out nothing; 0.0 while it does."""
        return 0.0 if self._is_busy else time.monotonic() - self._used_at

    def begin(self) -> float:
        """Take the write lock where there is one, and return for how many seconds that took."""
        waited = self._lock.acquire(self) if self._lock else 0.0
        if self._scope:
            self._scope.add(self)
        return waited

    def resume(self) -> None:
        """Say that a statement is carried out now; raise why it cannot be."""
        with self._guard:
            if self._error:
                raise self._error
            self._is_busy = True

    def rest(self) -> None:
        """Say that nothing is carried out now."""
        self._is_busy, self._used_at = False, time.monotonic()

    def close(self) -> None:
        """Release the write lock; the connection has committed or rolled back."""
        with self._guard:
            self._release()

    def end(self, error: BaseException) -> None:
        """Roll it back and release its lock; from then on it raises the error.

        A server does it by itself after some seconds; SQLite would wait for ever.
        """
        if self._lock and self._is_busy:
            self._driver.interrupt()
        with self._guard:
            if self._is_over:
                return
            self._error = error
            if self._lock:
                self._driver.rollback()
            self._release()

    def _release(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._scope:
            self._scope.discard(self)
        if self._lock:
            self._lock.release()


class SessionEngine:
    """The engine for sessions, on the pool of another one."""

    def __init__(self, engine: Engine, kind: Kind, lock: WriteLock | None) -> None:
        self.engine = engine.execution_options(**kind.by_itself)
        self._kind = kind
        self._lock = lock
        event.listen(self.engine, "before_cursor_execute", self._before)
        event.listen(self.engine, "after_cursor_execute", _rest)
        event.listen(self.engine, "commit", _close_soon)
        event.listen(self.engine, "rollback", _roll_back_soon)
        event.listen(engine, "handle_error", _rest_after_error)
        event.listen(engine.pool, "checkin", _close)

    def _before(
        self,
        connection: Connection,
        _cursor: Any,
        sql: str,
        _parameters: Any,
        context: Any,
        _many: bool,
    ) -> None:
        if sql == self._kind.begin:
            return
        demand_open_scope()
        transaction = _transaction_of(connection)
        if transaction and transaction.is_closing:
            _close(None, connection.connection)
            transaction = None
        if transaction:
            transaction.resume()
        elif self._begins(sql, context):
            self._begin(connection)

    def _begins(self, sql: str, context: Any) -> bool:
        """Tell whether a statement needs a transaction: it writes, locks rows, or has a cursor
        that a server keeps for it."""
        if self._kind.has_cursors and context.execution_options.get("stream_results"):
            return True
        statement = getattr(context.compiled, "statement", None)
        # SQLite has no words for it, and means the same by its write lock.
        return getattr(statement, "_for_update_arg", None) is not None or not only_reads(sql)

    def _begin(self, connection: Connection) -> None:
        pooled = connection.connection
        transaction = SessionTransaction(pooled.dbapi_connection, self._lock)
        waited = transaction.begin()
        try:
            with patience_left(connection, waited):
                connection.exec_driver_sql(self._kind.begin)
            transaction.resume()  # unless its scope has ended meanwhile
        except BaseException as error:
            if self._lock:
                pooled.rollback()
            transaction.close()
            if isinstance(error, DBAPIError) and _has_old_snapshot(error):
                error.add_detail(
                    "Rows are still being read while the session begins to write. Read all of "
                    "them first, as list(...) does."
                )
            raise
        assert pooled.record_info is not None
        pooled.record_info[_KEY] = transaction


@lru_cache(maxsize=2_000)
def only_reads(sql: str) -> bool:
    """Tell whether a statement only asks, by its words. In doubt it does not."""
    return sql.lstrip(" \t\r\n(").upper().startswith(_READS) and not _WRITES.search(sql)


def _transaction_of(connection: Connection) -> SessionTransaction | None:
    if connection.invalidated:  # by an error that ends a thread, such as a timeout's
        return None
    info = connection.connection.record_info
    return info.get(_KEY) if info else None


def _rest(connection: Connection, *_: object) -> None:
    if transaction := _transaction_of(connection):
        transaction.rest()


def _rest_after_error(context: ExceptionContext) -> None:
    if context.connection is not None:
        _rest(context.connection)


def _close_soon(connection: Connection) -> None:
    if transaction := _transaction_of(connection):
        transaction.resume()
        transaction.is_closing = True


def _roll_back_soon(connection: Connection) -> None:
    if transaction := _transaction_of(connection):
        transaction.is_closing = True


def _close(_driver: object, pooled: Any) -> None:
    """Take the mark off a connection that goes back to the pool, or begins anew."""
    transaction = pooled.record_info.pop(_KEY, None)
    if transaction is not None:
        transaction.close()


def _has_old_snapshot(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlite_errorcode", None) == _OLD_SNAPSHOT
