"""Who wants to know that a job changed. An announcement carries ids; the database is the truth."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

log = logging.getLogger(__name__)

#: Announced when something changed that belongs to no job, as what is paused: ids begin at 1.
NO_JOB: Final = 0

#: Called with the ids of jobs that changed, on the thread that changed them: it must not wait.
Listener = Callable[[Collection[int]], None]


class Others(Protocol):
    """The other processes, as far as they can be told. Telling must not wait either."""

    def tell_of_work(self) -> None:
        """Say that there may be something to do."""
        ...

    def tell_of_changes(self, job_ids: Collection[int]) -> None:
        """Say that these jobs are not what they were."""
        ...


class Bus:
    """Announce that jobs changed, after the change is durable; watch for such announcements."""

    def __init__(self, others: Others | None = None) -> None:
        self._others = others
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()

    def announce(self, job_ids: Collection[int]) -> None:
        """Tell all who watch these jobs, and every scheduler that there may be something to do."""
        self.note(job_ids)
        if job_ids and self._others:
            self._others.tell_of_work()

    def note(self, job_ids: Collection[int]) -> None:
        """Tell all who watch these jobs of a change that gives other processes nothing to do."""
        self.pass_on(job_ids)
        if job_ids and self._others:
            self._others.tell_of_changes(job_ids)

    def pass_on(self, job_ids: Collection[int]) -> None:
        """Tell those of this process who watch these jobs what another process has done."""
        if not job_ids:
            return
        for listener in self._listeners:
            try:
                listener(job_ids)
            except Exception:
                # Whoever announces has stored something, and must go on.
                log.exception("Somebody who watches jobs failed")

    @contextmanager
    def watching(self, listener: Listener) -> Iterator[None]:
        """Call `listener` with each announcement until the block is left."""
        with self._lock:
            self._listeners = (*self._listeners, listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners = tuple(each for each in self._listeners if each is not listener)
