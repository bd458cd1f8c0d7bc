"""Whether somebody is in the middle of a transaction that others would have to wait for."""

from __future__ import annotations

import sqlite3

from app.db import Database

IN_TRANSACTION = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
      AND backend_type = 'client backend'
"""


def is_free(database: Database) -> bool:
    """Whether a writer would get its turn at once."""
    return _sqlite_is_free(database) if database.is_sqlite else _nobody_is_busy(database)


def _sqlite_is_free(database: Database) -> bool:
    probe = sqlite3.connect(str(database.url.database), timeout=0.05, isolation_level=None)
    try:
        probe.execute("BEGIN IMMEDIATE")
        probe.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        probe.close()
    return True


def _nobody_is_busy(database: Database) -> bool:
    with database.reading() as connection:
        return int(connection.exec_driver_sql(IN_TRANSACTION).scalar_one()) == 0
