"""The alarm: it knows when the next job is due, and lets those start whose time has come (B2)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from sqlalchemy import Connection

from app.db import Database, now
from app.jobs.store import waiting


class Alarm:
    """For the scheduler's thread, which sets it at each look and sleeps no longer than it says.

    It goes by the clock of the host, asked anew each time: one that is set otherwise shows at once.
    """

    def __init__(self, database: Database, announce: Callable[[Collection[int]], None]) -> None:
        self._database = database
        self._announce = announce
        self._next: datetime | None = None

    def set(self, connection: Connection) -> None:
        """Look when the next job is due."""
        self._next = waiting.next_due(connection)

    def seconds_left(self, most: float) -> float:
        """How long to sleep: until the next job is due, and no longer than `most`."""
        if self._next is None:
            return most
        return min(most, max(0.0, (self._next - now()).total_seconds()))

    def rings(self) -> bool:
        """Let some of the jobs start that are due; tell whether there were any."""
        if self._next is None or self._next > now():
            return False
        with self._database.reading() as connection:
            due = waiting.due_jobs(connection)
        if due:
            with self._database.writing_once() as connection:
                waiting.let_start(connection, due)
            self._announce(due)
        with self._database.reading() as connection:
            self.set(connection)
        return bool(due)
