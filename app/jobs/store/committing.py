"""What became of a transaction whose COMMIT nobody answered: it leaves a mark, which tells.

The mark commits with what it marks. SQLite always answers, and needs none.
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

MARK = statement("INSERT INTO mark (token, at) VALUES (:token, :at)")
FORGET = statement("DELETE FROM mark WHERE at < :before")
IS_THERE = statement("SELECT 1 FROM mark WHERE token = :token")


def mark(connection: Connection) -> str | None:
    """What this transaction is to be known by afterwards; None: its COMMIT is always answered."""
    if connection.dialect.name == "sqlite":
        return None
    token, moment = secrets.token_hex(16), now()
    connection.execute(FORGET, {"before": iso(moment - KEPT)})
    connection.execute(MARK, {"token": token, "at": iso(moment)})
    return token


def is_committed(connection: Connection, token: str) -> bool:
    """Whether a transaction with this mark has come true.

    To be asked in its turn, when that transaction, which had the turn before, is over.
    """
    return connection.execute(IS_THERE, {"token": token}).first() is not None
