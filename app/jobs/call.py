"""What may be told to something that runs: by the scheduler, by a deadline, by a person."""

from __future__ import annotations

import threading


class Call:
    """What may be told to something that runs here: stop, or you are lost."""

    __slots__ = ("_told", "cancelled", "lost")

    def __init__(self) -> None:
        self.lost = False  # it belongs to others now
        self.cancelled = False  # a person cancelled its job
        self._told: threading.Event | None = None

    def lose(self) -> None:
        """Tell it that it belongs to others now."""
        self.lost = True
        self._tell()

    def cancel(self) -> None:
        """Tell it that its job was cancelled."""
        self.cancelled = True
        self._tell()

    def wait(self, seconds: float) -> None:
        """Wait until there is something to be told, or for so many seconds."""
        # Made by the few that wait, and before they look: who tells them looks after it has told.
        told = self._told = self._told or threading.Event()
        if not (self.lost or self.cancelled):
            told.wait(seconds)

    def _tell(self) -> None:
        if self._told:
            self._told.set()
