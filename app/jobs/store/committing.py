"""What became of a transaction whose COMMIT nobody answered: PostgreSQL remembers.

SQLite always tells.
"""

from __future__ import annotations

from sqlalchemy import Connection

from app.sql import statement

MARK = statement("SELECT NULL").on_postgresql("SELECT CAST(pg_current_xact_id() AS text)")
OUTCOME = statement("SELECT pg_xact_status(CAST(:mark AS xid8))")


def mark(connection: Connection) -> str | None:
    """What this transaction is to be known by afterwards; None: its COMMIT is always answered."""
    found: str | None = connection.execute(MARK).scalar_one()
    return found


def is_committed(connection: Connection, mark: str) -> bool:
    """Whether a transaction with this mark has come true.

    To be asked in its turn, when that transaction, which had the turn before, is over.
    """
    outcome: str | None = connection.execute(OUTCOME, {"mark": mark}).scalar_one()
    return outcome != "aborted"
