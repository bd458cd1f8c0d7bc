"""Another program that keeps the database locked, and one that refuses rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.db import POSTGRESQL_TURN, Database
from tests.jobs.looking import sql


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Keep others from writing, as a backup or an impolite script would."""
    other = Database(str(database.url))
    try:
        with other.engine.begin() as connection:
            if not database.is_sqlite:
                connection.exec_driver_sql(LOCK)
            yield
    finally:
        other.dispose()


LOCK = f"""
    SET LOCAL lock_timeout = '20s';
    SELECT {POSTGRESQL_TURN};
    LOCK TABLE handler, worker, job, task IN EXCLUSIVE MODE;
"""


def refuse(database: Database, when: str, table: str = "task", on: str = "UPDATE") -> None:
    """Have the database refuse rows, as a check of its own would."""
    if database.is_sqlite:
        what = "BEGIN SELECT RAISE(ABORT, 'no such thing here'); END"
        sql(database, f"CREATE TRIGGER refused BEFORE {on} ON {table} WHEN {when} {what}")
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
    sql(database, f"DROP TRIGGER refused{'' if database.is_sqlite else f' ON {table}'}")
