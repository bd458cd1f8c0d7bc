"""What PostgreSQL passes on from one process to the others. That there is work, a trigger tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from app.db import Database
from app.sql import statement

TELL = statement("SELECT pg_notify(:channel, :said)")


def tell(connection: Connection, channel: str, said: str) -> None:
    """Say something to all who listen; 8,000 bytes at most."""
    connection.execute(TELL, {"channel": channel, "said": said})


@contextmanager
def listening(database: Database, channel: str) -> Iterator[Any]:
    """A connection of the driver on which arrives what is said, until the block is left."""
    with database.reading() as connection:
        driver = connection.connection.driver_connection
        connection.detach()  # from the pool, where nobody else should be told
        connection.exec_driver_sql(f"LISTEN {channel}")
        yield driver
