"""The kinds of databases that jobs run on: how to connect to each, and what it asks of writers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import starmap
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from app.fork_safety import close_in_forked_children

#: How long a statement waits for a lock. Who gives up then says so and tries again.
LOCK_SECONDS = 5
#: How long a connection may rest in a transaction where the server ends it then: a process that is
#: frozen in one must not keep the others from theirs.
REST_SECONDS = 10
#: What a writer on PostgreSQL does first, to wait until it is alone; the lock's number is ours.
POSTGRESQL_TURN: Final = "pg_advisory_xact_lock(1246708068)"
#: The same on MariaDB, whose named locks outlive a transaction: the lock of a row does not.
MARIADB_TURN: Final = "SELECT id FROM turn WHERE id = 1 FOR UPDATE"
#: Who changes the tables there waits a minute at most for others who do, by a named lock; without
#: it, the statement fails.
MARIADB_MIGRATING: Final = """SELECT CASE WHEN get_lock(concat('jobdeck ', database()), 60) THEN 1
  ELSE (SELECT 1 UNION ALL SELECT 2) END"""
#: How texts are compared there: by their letters, as everywhere else.
MARIADB_COLLATION: Final = "utf8mb4_nopad_bin"

Settings = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What one kind of database needs."""

    connect: Callable[[str], Engine]
    #: Options of an engine on which each statement is a transaction by itself.
    by_itself: Settings = field(default_factory=lambda: {"isolation_level": "AUTOCOMMIT"})
    #: How the transaction of a session begins, with its first write.
    begin: str
    #: Whether the server keeps a cursor for rows that are read little by little, in a transaction.
    has_cursors: bool = False
    #: What a transaction that looks before it writes says first; empty: it is alone anyway.
    turn: str = ""
    #: What a transaction that changes the tables says first, where it is not the same.
    migrating: str = ""
    #: The revision that makes its whole schema, where that is not the first.
    first_revision: str = ""
    #: How often it is looked whether somebody was not told; 0: it tells when it is asked.
    look_seconds: float = 0.0
    #: Whether a job and its tasks are made in one statement, for each costs a way there and back.
    makes_at_once: bool = False
    #: Whether it passes words on from one process to the others.
    passes_on: bool = False


class UnsupportedDatabase(ValueError):
    """Jobs do not run on this kind of database."""


def kind_of(url: str | URL) -> Kind:
    """The kind of a database; raise UnsupportedDatabase, with what to do."""
    try:
        backend = make_url(url).get_backend_name()
    except ArgumentError:  # which would tell the password
        raise UnsupportedDatabase(
            "JOBDECK_DATABASE_URL is no address of a database. Write it as SQLAlchemy does, as in "
            "postgresql+psycopg://user:password@host/name, or leave it empty."
        ) from None
    if backend not in KINDS:
        raise UnsupportedDatabase(
            f"Jobs run on SQLite, PostgreSQL and MariaDB, not on {backend}. Leave "
            "JOBDECK_DATABASE_URL empty, or let it name a database of one of these."
        )
    return KINDS[backend]


def _sqlite_engine(url: str) -> Engine:
    path = make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        # Every thread of the web server and of the pool may need one for a moment.
        pool_size=20,
        max_overflow=200,
        connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(dbapi_connection: Any, _record: object) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite says when and which.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={LOCK_SECONDS * 1000}",
        "recursive_triggers=OFF",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer that begins by reading could lose its snapshot to another one and fail at once,
    # so a writer takes the lock first; a reader of single statements needs no transaction.
    if connection.get_execution_options().get("jobdeck_begins", True):
        driver: Any = connection.connection.dbapi_connection
        try:
            driver.execute("BEGIN IMMEDIATE")  # past what SQLAlchemy does around a statement
        except sqlite3.Error as error:
            raise DBAPIError.instance("BEGIN IMMEDIATE", None, error, sqlite3.Error) from error


#: What a server, a database or a role may have other defaults for, and a connection has none of.
#: Anybody may set these.
_POSTGRESQL_SETTINGS: Final = {
    # How values are written and read.
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    # What is asked of its catalogues, and of views.
    "quote_all_identifiers": "off",
    "restrict_nonsystem_relation_kind": "",
    # Each statement sees what is committed by then. No time but our own ends one or a connection.
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_session_timeout": "0",
    # The ways that rows are found by. To compile a statement takes longer than any of ours.
    "jit": "off",
    "force_parallel_mode": "off",
    "debug_parallel_query": "off",
    "plan_cache_mode": "auto",
    "from_collapse_limit": "8",
    "join_collapse_limit": "8",
    **dict.fromkeys(
        (
            *("enable_seqscan", "enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"),
            *("enable_nestloop", "enable_hashjoin", "enable_mergejoin", "enable_hashagg"),
            *("enable_sort", "enable_incremental_sort", "enable_material", "enable_memoize"),
        ),
        "on",
    ),
}
#: The schemas of the search path as they are, after the one that Jobdeck is in; where it is in none
#: yet, after the first in which its tables may be made. Who has no search path has `public`.
_SEARCH_PATH: Final = """WITH listed AS (
    SELECT name, min(place) AS place
    FROM unnest(current_schemas(false) || CAST('public' AS name)) WITH ORDINALITY AS t (name, place)
    WHERE name !~ '^pg_' GROUP BY name
  ), able AS (
    SELECT listed.*,
           (SELECT count(*) FROM pg_class WHERE relnamespace = pg_namespace.oid
            AND relname IN ('alembic_version', 'one_time_link')) = 2 AS is_ours,
           has_schema_privilege(pg_namespace.oid, 'CREATE') AS takes_tables
    FROM listed JOIN pg_namespace ON nspname = name
    WHERE has_schema_privilege(pg_namespace.oid, 'USAGE')
  ), chosen AS (
    SELECT name FROM able ORDER BY is_ours DESC, takes_tables DESC, place LIMIT 1
  )
  SELECT string_agg(quote_ident(name), ', ' ORDER BY name <> (SELECT name FROM chosen), place)
  FROM able"""


def _postgresql_engine(url: str) -> Engine:
    settings = {
        **_POSTGRESQL_SETTINGS,
        "lock_timeout": f"{LOCK_SECONDS * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{REST_SECONDS * 1000:.0f}",
    }
    engine = _engine_of_a_server(
        url,
        {
            "client_encoding": "UTF8",
            # A plan is made for what the tables hold now, not for when the connection was young.
            "prepare_threshold": None,
        },
    )

    def prepare(connection: Any, _record: object) -> None:
        _prepare_postgresql(connection, settings)

    # First of all: SQLAlchemy asks a new connection for its schema and its isolation.
    event.listen(engine, "connect", prepare, insert=True)
    return engine


def _prepare_postgresql(connection: Any, settings: Mapping[str, str]) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        connection.close()
        raise UnsupportedDatabase(
            f"The database's encoding is {encoding}, in which not every text can be kept. Make one "
            "with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0, and let "
            "JOBDECK_DATABASE_URL name it."
        )
    said = ", ".join(starmap(_set_if_known, settings.items()))
    path = f"set_config('search_path', coalesce(({_SEARCH_PATH}), 'public'), false)"
    # In no transaction, for what is set in one is gone when it is rolled back.
    connection.autocommit = True
    connection.execute(f"SELECT {said}, {path}")
    connection.autocommit = False


def _set_if_known(name: str, value: str) -> str:
    """Not every version of the server has every setting."""
    known = f"current_setting('{name}', true) IS NOT NULL"
    return f"CASE WHEN {known} THEN set_config('{name}', '{value}', false) END"


#: Quotes, `||` and assignments as in standard SQL; what does not fit is refused, never cut.
_MARIADB_MODE: Final = ",".join(
    (
        "ANSI_QUOTES",
        "PIPES_AS_CONCAT",
        "SIMULTANEOUS_ASSIGNMENT",
        "STRICT_ALL_TABLES",
        "ERROR_FOR_DIVISION_BY_ZERO",
        "NO_ENGINE_SUBSTITUTION",
    )
)


def _mariadb_engine(url: str) -> Engine:
    settings = {
        "sql_mode": f"'{_MARIADB_MODE}'",
        "time_zone": "'+00:00'",
        "innodb_lock_wait_timeout": f"{max(LOCK_SECONDS, 1):.0f}",
        "lock_wait_timeout": f"{max(LOCK_SECONDS, 1):.0f}",
        # Each statement sees what is committed by then, as on PostgreSQL.
        "tx_isolation": "'READ-COMMITTED'",
        "idle_transaction_timeout": f"{REST_SECONDS:.0f}",
        # Claims gather their lists in such texts; a long list of ids is looked up all the same.
        "group_concat_max_len": "16777216",
        "in_predicate_conversion_threshold": "0",
        # What a server may have other defaults for, and a connection has none of.
        "tx_read_only": "0",
        "completion_type": "NO_CHAIN",
        "max_statement_time": "0",
        "wait_timeout": "28800",
        "sql_select_limit": "18446744073709551615",
        "sql_safe_updates": "0",
        "sql_auto_is_null": "0",
        "foreign_key_checks": "1",
        "unique_checks": "1",
        "default_regex_flags": "''",
        "default_storage_engine": "InnoDB",
    }
    said = ", ".join(f"{name} = {value}" for name, value in settings.items())
    engine = _engine_of_a_server(
        url,
        {
            "init_command": f"SET SESSION {said}",
            "charset": "utf8mb4",
            "collation": MARIADB_COLLATION,
            "autocommit": True,
        },
    )
    event.listen(engine, "begin", _begin_mariadb)
    event.listen(engine, "handle_error", _name_rightly, retval=True)
    return engine


def _begin_mariadb(connection: Connection) -> None:
    # To change the mode of a connection costs a way there and back, at each use and after it.
    if connection.get_execution_options().get("jobdeck_begins", True):
        connection.exec_driver_sql("START TRANSACTION")


#: What MariaDB says when it is worth while to try again: it is locked, full, busy or away. Its
#: driver takes for that whatever it has no other name for, such as a violated CHECK.
_OUTAGES: Final = frozenset(
    (
        *(1021, 1030, 1037, 1038, 1040, 1041, 1042, 1043, 1053, 1077, 1079, 1080, 1114, 1129),
        *(1152, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1203, 1205, 1206, 1213),
        *(1226, 1290, 1317, 1792, 1836, 1927, 1969, 4031, *range(2000, 2100)),
    )
)


def rightly_named(error: Exception, driver: Any) -> Exception:
    """An error of MariaDB's driver, as one about what was said if it is no outage."""
    if isinstance(error, driver.OperationalError) and error.args[0] not in _OUTAGES:
        return driver.DatabaseError(*error.args)  # type: ignore[no-any-return]
    return error


def _name_rightly(context: ExceptionContext) -> BaseException | None:
    driver: Any = context.dialect.loaded_dbapi
    error = context.original_exception
    named = rightly_named(error, driver) if isinstance(error, Exception) else error
    if named is error:
        return None
    return DBAPIError.instance(
        context.statement, None, named, driver.Error, dialect=context.dialect
    )


#: How each server says that its user lacks a right.
_FORBIDDEN: Final = frozenset(("42501", 1044, 1142, 1143, 1227, 1370, 1419))


def is_forbidden(error: DBAPIError) -> bool:
    """Whether the database's user lacks the right to what was asked."""
    said = error.orig
    code = getattr(said, "sqlstate", None) or (said.args[0] if said and said.args else None)
    return code in _FORBIDDEN


def _engine_of_a_server(url: str, connect_args: Settings) -> Engine:
    try:
        engine = create_engine(
            url,
            pool_size=10,
            max_overflow=80,
            pool_pre_ping=True,  # those of before a restart of the server are of no use
            connect_args={"connect_timeout": 5, **connect_args},
        )
    except (ImportError, NoSuchModuleError) as error:
        raise UnsupportedDatabase(
            f"The driver of JOBDECK_DATABASE_URL cannot be loaded: {error}. Use "
            "postgresql+psycopg:// or mariadb+pymysql://, with Jobdeck's extra `postgresql` or "
            "`mariadb` installed."
        ) from error
    event.listen(engine, "connect", _close_in_forked_children)
    return engine


def _close_in_forked_children(dbapi_connection: Any, _record: object) -> None:
    # The server keeps the locks of a dead process until its connection is closed everywhere.
    close_in_forked_children(dbapi_connection, _socket_number)


def _socket_number(dbapi_connection: Any) -> int:
    asked: Any = getattr(dbapi_connection, "_sock", dbapi_connection)  # PyMySQL's does not say it
    return int(asked.fileno())


#: What begins a transaction by itself, see _begin_sqlite() and _begin_mariadb(), does not.
_NOT_BEGUN: Final = {"jobdeck_begins": False}
KINDS: Final[Mapping[str, Kind]] = {
    "sqlite": Kind(
        connect=_sqlite_engine,
        by_itself=_NOT_BEGUN,
        begin="BEGIN IMMEDIATE",
    ),
    "postgresql": Kind(
        connect=_postgresql_engine,
        begin="BEGIN",
        has_cursors=True,
        turn=f"SELECT {POSTGRESQL_TURN}",
        look_seconds=2.0,
        makes_at_once=True,
        passes_on=True,
    ),
    "mariadb": Kind(
        connect=_mariadb_engine,
        by_itself=_NOT_BEGUN,
        begin="START TRANSACTION",
        turn=MARIADB_TURN,
        migrating=MARIADB_MIGRATING,
        first_revision="0010",
        look_seconds=0.5,
    ),
}
