"""The alarm: it knows when something is due next, and lets go what has waited for its time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from sqlalchemy import Connection

from app.db import Database, now
from app.jobs.store import retrying, waiting


class Alarm:
    """For the scheduler's thread, which sets it at each look and sleeps no longer than it says.

    It goes by the clock of the host, asked anew each time: one that is set otherwise shows at once.
    """

    def __init__(self, database: Database, announce: Callable[[Collection[int]], None]) -> None:
        self._database = database
        self._announce = announce
        self._next: datetime | None = None

    def set(self, connection: Connection) -> None:
        """Look when something is due next: a job, a task's next try, or the end of a pause."""
        self._next = waiting.next_moment(connection)

    def seconds_left(self, most: float) -> float:
        """How long to sleep: until something is due, and no longer than `most`."""
        if self._next is None:
            return most
        return min(most, max(0.0, (self._next - now()).total_seconds()))

    def rings(self) -> bool:
        """Let go some of what is due; tell whether something was."""
        if self._next is None or self._next > now():
            return False
        due = {*waiting.let_due_start(self._database), *retrying.let_due_go(self._database)}
        self._announce(due)
        with self._database.reading() as connection:
            self.set(connection)
        return True
