"""What became of a transaction whose COMMIT nobody answered.

PostgreSQL remembers. On MariaDB the transaction leaves a mark, which is there if it has come true.
SQLite always tells.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from app.db import iso, now
from app.sql import statement

#: So long a mark is kept: nobody asks for one so late.
KEPT: Final = timedelta(hours=1)

MARK = (
    statement("SELECT NULL")
    .on_postgresql("SELECT CAST(pg_current_xact_id() AS text)")
    .on_mariadb("INSERT INTO mark (token, at) VALUES (:token, :at) RETURNING token")
)
FORGET = statement("DELETE FROM mark WHERE at < :before LIMIT 100")
OUTCOME = statement("SELECT pg_xact_status(CAST(:mark AS xid8))").on_mariadb(
    "SELECT CASE WHEN count(*) = 0 THEN 'aborted' END FROM mark WHERE token = :mark"
)


def mark(connection: Connection) -> str | None:
    """What this transaction is to be known by afterwards; None: its COMMIT is always answered."""
    moment = now()
    if connection.dialect.name == "mariadb":
        connection.execute(FORGET, {"before": iso(moment - KEPT)})
    values = {"token": secrets.token_hex(16), "at": iso(moment)}
    found: str | None = connection.execute(MARK, values).scalar_one()
    return found


def is_committed(connection: Connection, mark: str) -> bool:
    """Whether a transaction with this mark has come true.

    To be asked in its turn, when that transaction, which had the turn before, is over.
    """
    outcome: str | None = connection.execute(OUTCOME, {"mark": mark}).scalar_one()
    return outcome != "aborted"
