"""Changes that other processes made: looked for while somebody watches, and only then."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.jobs import Engine

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25


class Lookout:
    """Compares the versions of jobs, four times a second, and announces what moved."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._watchers = 0
        self._thread: threading.Thread | None = None
        self._nobody = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look out until the block is left, together with all others who watch."""
        with self._lock:
            self._watchers += 1
            if self._thread is None:
                self._nobody = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._nobody,), name="jobdeck-lookout", daemon=True
                )
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._watchers -= 1
                if not self._watchers:
                    self._nobody.set()
                    self._thread = None

    def _run(self, nobody: threading.Event) -> None:
        # Nothing is known at first: a change may come between a watcher's first look and this one.
        known: dict[int, int] = {}
        trouble = self._engine.trouble
        while not nobody.wait(LOOK_SECONDS):
            found = self._look()
            if found is None:
                continue
            moved = {id_ for id_, version in found.items() if known.get(id_) != version}
            moved |= known.keys() - found.keys()
            if self._engine.trouble != trouble:
                trouble = self._engine.trouble
                moved |= found.keys()
            self._engine.bus.announce(moved)
            known = found

    def _look(self) -> dict[int, int] | None:
        try:
            return self._engine.active_versions()
        except Exception:
            log.exception("Other processes' changes cannot be seen just now")
            return None
