"""Signals to a running try or callback: cancelled, timed out, lost to another worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Call:
    """Signals to one running try or callback, which it hears at its next call."""

    __slots__ = ("_listeners", "_told", "cancelled", "lost", "timed_out")

    def __init__(self) -> None:
        self.lost = False  # it belongs to others now
        self.cancelled = False  # a person cancelled its job
        self.timed_out = False  # it has taken longer than it may, and nothing of it counts
        self._told: threading.Event | None = None
        self._listeners: tuple[Callable[[], None], ...] = ()

    def lose(self) -> None:
        """Tell it that it belongs to others now."""
        self.lost = True
        self._tell()

    def cancel(self) -> None:
        """Tell it that its job was cancelled."""
        self.cancelled = True
        self._tell()

    def time_out(self) -> None:
        """Tell it that its time is over."""
        self.timed_out = True
        self._tell()

    @contextmanager
    def listening(self, hear: Callable[[], None]) -> Iterator[None]:
        """Call a function, on whatever thread, when there is something to be told."""
        self._listeners += (hear,)
        try:
            if self.lost or self.cancelled or self.timed_out:
                hear()  # who tells looks for listeners after it has told
            yield
        finally:
            self._listeners = tuple(each for each in self._listeners if each is not hear)

    def wait(self, seconds: float) -> None:
        """Wait until there is something to be told, or for so many seconds."""
        # Made by the few that wait, and before they look: who tells them looks after it has told.
        told = self._told = self._told or threading.Event()
        if not (self.lost or self.cancelled):
            told.wait(seconds)

    def _tell(self) -> None:
        if self._told:
            self._told.set()
        for hear in self._listeners:
            hear()
