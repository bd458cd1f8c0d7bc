"""What processes tell each other, so that nobody has to wait until somebody looks.

A hint may be lost: what is true is in the database, and whoever hears hints looks there now and
then anyway. There are two kinds of them. That there is work is told at once. What changed is told
to those who watch, and a busy engine gathers it first.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from app.db import Database
from app.jobs.datagrams import Datagrams
from app.jobs.notices import Notices

log = logging.getLogger(__name__)

WORK: Final = "work"
CHANGES: Final = "changes"
#: After the first change in quiet, those of so many seconds are told together.
GATHER_SECONDS: Final = 0.1
#: The thread that tells of changes ends when there were none for so long.
IDLE_SECONDS: Final = 5.0
#: Ids in one hint: PostgreSQL takes 8,000 bytes. Who watches others is told by their next look.
MOST_IDS: Final = 500


class Wire(Protocol):
    """The way from one process to the others; what a process says, it does not hear itself."""

    def tell(self, kind: str, said: str) -> None:
        """Say something to all who hear this kind of hints."""
        ...

    def hearing(self, kind: str, hear: Callable[[str], None]) -> AbstractContextManager[None]:
        """Call `hear` on a thread of its own with what others say, until the block is left."""
        ...


class Hints:
    """Tells other processes, and hears from them."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._lock = threading.Lock()
        self._changed: set[int] = set()
        self._has_changed = threading.Event()
        self._pause = threading.Event()  # set: no time to gather any more
        self._is_telling = False
        self._is_over = False
        self._thread: threading.Thread | None = None

    def tell_of_work(self) -> None:
        """Say that there may be something to do."""
        self._tell(WORK, "")

    def tell_of_changes(self, job_ids: Collection[int]) -> None:
        """Say soon that these jobs changed: the caller is busy and must not wait."""
        with self._lock:
            self._changed.update(job_ids)
            begins, self._is_telling = not self._is_telling, True
            if begins:
                self._thread = threading.Thread(target=self._run, name="jobdeck-hints", daemon=True)
                self._thread.start()
        if not begins and not self._has_changed.is_set():
            self._has_changed.set()

    def stop(self) -> None:
        """Tell what is left to be told; returns when no thread does so any more."""
        self._is_over = True
        self._has_changed.set()
        self._pause.set()
        if self._thread:
            self._thread.join()

    def hearing_of_work(self, hear: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `hear` when there may be something to do, until the block is left."""
        return self._wire.hearing(WORK, lambda _: hear())

    def hearing_of_changes(
        self, hear: Callable[[Collection[int]], None]
    ) -> AbstractContextManager[None]:
        """Call `hear` with the ids of jobs that others changed, until the block is left."""
        return self._wire.hearing(CHANGES, lambda said: hear(_ids_in(said)))

    def _run(self) -> None:
        while changed := self._next_changes():
            self._tell(CHANGES, ",".join(map(str, changed)))
            self._pause.wait(GATHER_SECONDS)

    def _next_changes(self) -> list[int]:
        """What changed since the last time, waiting for it a while; nothing when this may end."""
        for is_last in (False, True):
            self._has_changed.wait(IDLE_SECONDS if is_last and not self._is_over else 0.0)
            with self._lock:
                self._has_changed.clear()
                changed, self._changed = self._changed, set()
                self._is_telling = bool(changed) or not is_last
            if changed:
                break
        return sorted(changed)[-MOST_IDS:]

    def _tell(self, kind: str, said: str) -> None:
        try:
            self._wire.tell(kind, said)
        except Exception as error:  # noqa: BLE001 - who says something has stored it, and must go on
            log.warning("Other processes were not told, and will look by themselves: %s", error)


def hints_of(database: Database, folder: Path) -> Hints:
    """The hints of a process: by the database where it passes them on, else by sockets in `folder`.

    These reach the processes of one host; others see what has changed when they look.
    """
    token = secrets.token_hex(8)
    return Hints(Notices(database, token) if database.kind.passes_on else Datagrams(folder, token))


def _ids_in(said: str) -> list[int]:
    return [int(word) for word in said.split(",") if word.isdecimal()]
