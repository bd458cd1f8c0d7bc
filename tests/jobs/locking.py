"""Others that keep the database locked, break connections to it, or refuse rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from app.db import Database
from app.engines import MARIADB_TURN, POSTGRESQL_TURN
from tests.jobs.looking import sql


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Keep others from writing, as a backup or an impolite script would."""
    other = Database(str(database.url))
    try:
        with other.engine.begin() as connection:
            for statement in LOCKS[database.url.get_backend_name()]:
                connection.exec_driver_sql(statement)
            yield
    finally:
        other.dispose()


TABLES = ("handler", "worker", "job", "task")
LOCKS = {
    "sqlite": (),
    "postgresql": (
        "SET LOCAL lock_timeout = '20s'",
        f"SELECT {POSTGRESQL_TURN}",
        f"LOCK TABLE {', '.join(TABLES)} IN EXCLUSIVE MODE",
    ),
    "mariadb": (MARIADB_TURN, *(f"SELECT * FROM {table} FOR UPDATE" for table in TABLES)),
}


def cut_connections(database: Database) -> None:
    """Break those of all others to a server's database, whatever they are at."""
    if database.url.get_backend_name() == "postgresql":
        sql(
            database,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user"
            " AND pid <> pg_backend_pid()",
        )
        return
    others = "SELECT id FROM information_schema.processlist WHERE db = database()"
    for (other,) in sql(database, f"{others} AND id <> connection_id()"):
        with contextlib.suppress(DBAPIError):  # it has ended by itself
            sql(database, f"KILL {other}")


def refuse(database: Database, when: str, table: str = "task", on: str = "UPDATE") -> None:
    """Have the database refuse rows, as a check of its own would."""
    if database.is_sqlite:
        what = "BEGIN SELECT RAISE(ABORT, 'no such thing here'); END"
        sql(database, f"CREATE TRIGGER refused BEFORE {on} ON {table} WHEN {when} {what}")
        return
    if database.url.get_backend_name() == "mariadb":
        no = "SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 4025, MESSAGE_TEXT = 'no such thing here'"
        each = f"BEFORE {on} ON {table} FOR EACH ROW IF {when} THEN {no}; END IF"
        sql(database, f"CREATE OR REPLACE TRIGGER refused {each}")
        return
    sql(
        database,
        "CREATE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE EXCEPTION 'no such thing here'; END $$",
    )
    sql(
        database,
        f"CREATE TRIGGER refused BEFORE {on} ON {table} FOR EACH ROW WHEN ({when})"
        " EXECUTE FUNCTION refused()",
    )


def refuse_no_more(database: Database, table: str = "task") -> None:
    """Let it take any row again."""
    is_there = database.url.get_backend_name() == "postgresql"
    sql(database, f"DROP TRIGGER refused{f' ON {table}' if is_there else ''}")
