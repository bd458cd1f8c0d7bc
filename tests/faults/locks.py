"""Whether a process that was stopped is in a transaction that others would have to wait for."""

from __future__ import annotations

import os
import sqlite3

from sqlalchemy.exc import OperationalError

from app.db import Database
from app.engines import MARIADB_TURN
from tests.jobs.looking import sql

BUSY = "SELECT count(*) FROM pg_stat_activity WHERE application_name = :name AND state <> 'idle'"


def sign(pid: int) -> str:
    """The name by which PostgreSQL knows the connections of a process."""
    return f"life {pid}"


def sign_connections() -> None:
    """Let PostgreSQL know which connections are this process's."""
    os.environ["PGAPPNAME"] = sign(os.getpid())


def is_free(database: Database, pid: int) -> bool:
    """Whether this process, which is stopped, holds no lock."""
    if database.is_sqlite:
        return _a_writer_gets_its_turn(str(database.url.database))
    if database.url.get_backend_name() == "mariadb":
        return _a_turn_is_free(database)
    return sql(database, BUSY, name=sign(pid)) == [(0,)]


def _a_turn_is_free(database: Database) -> bool:
    try:
        with database.engine.begin() as connection:
            connection.exec_driver_sql(f"{MARIADB_TURN} NOWAIT")
    except OperationalError:
        return False
    return True


def _a_writer_gets_its_turn(file: str) -> bool:
    probe = sqlite3.connect(file, timeout=0.2, isolation_level=None)
    try:
        probe.execute("BEGIN IMMEDIATE")
        probe.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        probe.close()
    return True
