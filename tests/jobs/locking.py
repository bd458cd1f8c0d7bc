"""Another program that keeps the database locked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from app.db import Database


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Hold SQLite's write lock, as a backup or an impolite script would."""
    connection = sqlite3.connect(str(database.url.database), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()
