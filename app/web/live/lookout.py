"""What happens elsewhere: jobs that other processes changed, and people who are not who they were.

Looked for while somebody watches, and only then: once for all sockets of this process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from app.jobs import Engine, Pause
from app.jobs.events import NO_JOB
from app.users.people import Person

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.25
#: Who is signed in is asked at each of so many looks: a second must not pass.
ASK_EVERY: Final = 3

WhoAre = Callable[[Collection[str]], Mapping[str, Person]]


class Watching(Protocol):
    """Somebody for whom the lookout looks. It is called on the lookout's thread: be quick."""

    def know(self, person: Person | None) -> None:
        """Hear who is behind the sign-in now."""
        ...

    def job_ids(self) -> set[int]:
        """The jobs that are watched one by one, however old they are."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look has found: the versions of jobs, what is paused, what living workers have."""

    versions: dict[int, int]
    pauses: Sequence[Pause]
    served: frozenset[str]

    @property
    def state(self) -> tuple[object, ...]:
        """All that jobs may wait for, beside each other."""
        return (self.pauses, self.served)


class Lookout:
    """Hears what other processes change, and looks four times a second for what was not heard.

    Once a second it asks who is signed in.
    """

    def __init__(self, engine: Engine, who_are: WhoAre) -> None:
        self._engine = engine
        self._who_are = who_are
        self._lock = threading.Lock()
        self._watchers: dict[Watching, str] = {}
        self._thread: threading.Thread | None = None
        self._nobody = threading.Event()

    @contextmanager
    def watching(self, key: str, watcher: Watching) -> Iterator[None]:
        """Look out until the block is left, also for the person who signed in with this key."""
        with self._lock:
            self._watchers[watcher] = key
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
                del self._watchers[watcher]
                if not self._watchers:
                    self._nobody.set()
                    self._thread = None

    def _run(self, nobody: threading.Event) -> None:
        with self._engine.hearing_others():
            self._look_out(nobody)

    def _look_out(self, nobody: threading.Event) -> None:
        # Nothing is known at first: a change may come between a watcher's first look and this one.
        known: dict[int, int] = {}
        state: tuple[object, ...] = (self._engine.trouble,)
        looks = 0
        while not nobody.wait(LOOK_SECONDS):
            looks += 1
            if looks % ASK_EVERY == 0:
                self._ask()
            found = self._look()
            if found is None:
                continue
            versions = found.versions
            moved = {id_ for id_, version in versions.items() if known.get(id_) != version}
            moved |= known.keys() - versions.keys()
            if (now := (self._engine.trouble, *found.state)) != state:
                state = now
                moved |= {NO_JOB, *versions}
            self._engine.bus.pass_on(moved)
            known = versions

    def _look(self) -> Seen | None:
        try:
            also = set().union(*(watcher.job_ids() for watcher in self._all()))
            versions = self._engine.active_versions(also)
            return Seen(versions, self._engine.pauses(), self._engine.served_handlers())
        except Exception:
            log.exception("Other processes' changes cannot be seen just now")
            return None

    def _ask(self) -> None:
        watchers = self._all()
        try:
            people = self._who_are(set(watchers.values()))
        except Exception:
            # Each watcher asks by itself when it is not told.
            log.exception("Who is signed in cannot be seen just now")
            return
        for watcher, key in watchers.items():
            watcher.know(people.get(key))

    def _all(self) -> dict[Watching, str]:
        with self._lock:
            return dict(self._watchers)
