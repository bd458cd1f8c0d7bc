"""The database: the base of all tables, and the one engine by which a process reads and writes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from sqlalchemy import (
    DDL,
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    String,
    event,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.engines import kind_of
from app.fork_safety import in_forked_children
from app.sessions import SessionEngine
from app.write_lock import WriteLock, patience_left

#: Settings of a function on PostgreSQL that finds each of its rows by a key, whatever the tables
#: held when its connection was young: no way is left to read a table or an index from end to end.
#: By the usual costs one that was small a moment ago is read so, once for each row that is asked
#: for. And a plan that does not depend on the tables is made once: making it took the longest. Ways
#: that are left nevertheless look so dear that they would be compiled, which takes half a second:
#: no connection of ours does that, see app/engines.py.
BY_KEYS: Final = """SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_indexscan = off SET enable_indexonlyscan = off
SET enable_hashjoin = off SET enable_mergejoin = off"""


class Base(DeclarativeBase):
    """The tables' base; constraint names are fixed so that every database gets the same ones."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def made_with_tables(dialect: str, *statements: str) -> None:
    """Have views and triggers made with the tables, on "sqlite" or "postgresql"; for tests.

    A migration has its own copy, and a test compares the two. Where the tables are there already,
    and an author has others made, nothing is made again.
    """

    made = [DDL(each.replace("%", "%%")) for each in statements]  # type: ignore[no-untyped-call]

    def make(_: MetaData, connection: Connection, **of: Any) -> None:
        if connection.dialect.name == dialect and any(each.name == "job" for each in of["tables"]):
            for each in made:
                connection.execute(each)

    event.listen(Base.metadata, "after_create", make)


#: What tells rows apart has 64 bits, as any whole number has on SQLite.
Id = Annotated[int, mapped_column(BigInteger().with_variant(Integer(), "sqlite"))]


class Moment(TypeDecorator[datetime]):
    """A point in time, UTC and aware. PostgreSQL has a type for it; the others keep the ISO 8601
    text that the API shows."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """A timestamp with time zone where there is one, else text."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        return dialect.type_descriptor(String(27))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse a naive time: it would mean a different moment on every machine."""
        if value is None or dialect.name == "postgresql":
            return value
        return iso(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give back an aware time in UTC."""
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        return value.astimezone(UTC) if value is not None else None


def iso(moment: datetime) -> str:
    """The one textual form of a time, fixed in width so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def now() -> datetime:
    """The time of this host, aware and in UTC."""
    return datetime.now(UTC)


_minute: tuple[int, str] = (-1, "")


def stamp() -> str:
    """The time of this host as iso() writes it, in a fraction of the time that this takes."""
    global _minute
    seconds, micros = divmod(time.time_ns() // 1_000, 1_000_000)
    minute, second = divmod(seconds, 60)
    known = _minute
    if known[0] != minute:
        known = _minute = (minute, iso(datetime.fromtimestamp(minute * 60, UTC))[:17])
    return f"{known[1]}{second:02}.{micros:06}Z"


def why(error: DBAPIError) -> str:
    """What the database says of a failure, without a number, or where in its code that is."""
    said = error.orig.args[-1] if error.orig and error.orig.args else error.orig
    return str(said).partition("\n")[0]


class DatabaseUsedAfterFork(RuntimeError):
    """A forked process cannot use the SQLite database of its parent."""

    def __init__(self) -> None:
        super().__init__(
            "A forked process cannot use SQLite, whose locks do not survive a fork. Return what is "
            "to be stored to the process of the handler, or begin this one by the method 'spawn'."
        )


class Database:
    """The one engine of a process. Reading waits for nobody; writers take turns.

    SQLite lets one connection write at a time and makes the others poll with growing naps; a
    lock in the process wakes the next writer at once. On a server a transaction that looks before
    it writes takes a lock that all such transactions take, in whatever process: what holds of one
    database then holds of the others, too.
    """

    def __init__(self, url: str) -> None:
        self.kind = kind_of(url)
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self.kind.connect(url)
        self._write_lock = WriteLock() if self.is_sqlite else None
        #: The same connections, on which each statement is a transaction by itself.
        self.by_itself = self.engine.execution_options(**self.kind.by_itself)
        #: The same for sessions, whose transactions begin with their first write.
        self.for_sessions = SessionEngine(self.engine, self.kind, self._write_lock).engine
        in_forked_children(self, Database._leave_to_parent)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for reading; each statement sees the newest committed rows."""
        with self.by_itself.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its first statement to its commit.

        Raises OperationalError within six seconds when others do not let it begin.
        """
        with self._turn(self.engine) as connection, connection.begin():
            if self.kind.turn:
                connection.exec_driver_sql(self.kind.turn)
            yield connection

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """The same for who changes the tables, in one of which a turn may be kept."""
        if not self.kind.migrating:
            with self.writing() as connection:
                yield connection
            return
        with self.engine.connect() as connection:
            try:
                with connection.begin():
                    connection.exec_driver_sql(self.kind.migrating)
                    yield connection
            finally:
                connection.invalidate()  # the lock is the connection's, and outlives a transaction

    @contextmanager
    def writing_once(self) -> Iterator[Connection]:
        """A connection for one statement that is a whole transaction by itself.

        The lock is then held inside the database only, never while Python waits for its turn:
        with ten busy threads that is the difference between half a millisecond and half a second.
        """
        with self._turn(self.by_itself) as connection:
            yield connection

    def writing_one(self) -> AbstractContextManager[Connection]:
        """The same for a statement that must be alone, as all are on SQLite."""
        return self.writing_once() if self.is_sqlite else self.writing()

    @contextmanager
    def _turn(self, engine: Engine) -> Iterator[Connection]:
        with (
            self.turn() as waited,
            engine.connect() as connection,
            patience_left(connection, waited),
        ):
            yield connection

    @contextmanager
    def turn(self) -> Iterator[float]:
        """Wait for the other writers of this process, and tell for how many seconds."""
        if self._write_lock is None:
            yield 0.0
            return
        waited = self._write_lock.acquire()
        try:
            yield waited
        finally:
            self._write_lock.release()

    def refuse_to_wait_for_own_session(self) -> None:
        """Raise SessionHoldsWriteLock where nobody can write because of the caller's session.

        Asked by who is about to wait for another thread to write something.
        """
        if self._write_lock:
            self._write_lock.refuse_to_wait_for_itself()

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _leave_to_parent(self) -> None:
        """Use no connection of the process that has forked this one."""
        self.engine.dispose(close=False)
        if self._write_lock:
            self._write_lock.forget_owner()  # who is not here
            event.listen(self.engine, "do_connect", _refuse_after_fork)


def _refuse_after_fork(*_: object) -> None:
    raise DatabaseUsedAfterFork


class Line:
    """A connection that one thread keeps, for what it asks and writes hundreds of times a second.

    To take one from the pool and give it back takes longer than most of what is asked.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """As Database.reading()."""
        if self._connection is None:
            self._connection = self._database.by_itself.connect()
        try:
            yield self._connection
        except DBAPIError:
            self.close()  # it may be broken; the next one is not
            raise

    @contextmanager
    def writing_once(self) -> Iterator[Connection]:
        """As Database.writing_once()."""
        with (
            self._database.turn() as waited,
            self.reading() as connection,
            patience_left(connection, waited),
        ):
            yield connection

    def close(self) -> None:
        """Give the connection back; the next use takes another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class Changes:
    """Tells whether others may have written since it was asked last. For one thread.

    SQLite tells of any write, in microseconds, on a connection that does not write itself. A server
    tells nobody who does not listen: there the answer is yes each time that it is to be looked.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._seen = -1

    def have_come(self) -> bool:
        """Whether there may be changes; at the first question there are."""
        version = self._version() if self._database.is_sqlite else self._moment()
        before, self._seen = self._seen, version
        return version != before

    def _moment(self) -> int:
        return int(time.monotonic() / self._database.kind.look_seconds)

    def _version(self) -> int:
        if self._connection is None:
            self._connection = self._database.by_itself.connect()
            self._seen = -1
        try:
            seen: int = self._connection.exec_driver_sql("PRAGMA data_version").scalar_one()
        except DBAPIError:
            self.close()  # What was told meanwhile is lost; the first answer of the next is yes.
            raise
        return seen

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
