"""What somebody began and did not end is gone on with: dead workers' tasks, cancels, retries."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence

from app.db import Database, iso, now
from app.jobs import adding, signals
from app.jobs.files import Shelf
from app.jobs.patience import Patience
from app.jobs.store import ending, removing, reopening, steering
from app.jobs.store.ending import LeftBehind
from app.jobs.views import Pause
from app.jobs.worker import Worker

log = logging.getLogger(__name__)

#: How often the host is searched for dead workers; a file lock tells it, so that costs little.
SEARCH_SECONDS = 1.0
CLEAN_SECONDS = 60.0
#: For so long one who asks for something goes on with it by himself; then schedulers do.
PATIENCE_SECONDS = 1.0


class Every:
    """Tells when it is time again."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    def is_due(self) -> bool:
        """Whether it is time; if so, the next time is set."""
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + self._seconds
        return True

    def again(self) -> None:
        """Be due at the next question."""
        self._next = 0.0


class Housekeeper:
    """Looks after what is left behind, a little at a time, so that nothing else waits for it."""

    def __init__(
        self,
        database: Database,
        worker: Worker,
        shelf: Shelf,
        announce: Callable[[Collection[int]], None],
        handlers: Sequence[str],
    ) -> None:
        self._database = database
        self._worker = worker
        self._shelf = shelf
        self._announce = announce
        self._handlers = handlers
        self._search = Every(SEARCH_SECONDS)
        self._clean = Every(CLEAN_SECONDS)
        #: Jobs that have ended, but for a last callback whose worker is gone.
        self.owed: list[LeftBehind] = []
        #: What is paused: nothing of it is claimed anyway, but it may have been before.
        self.pauses: list[Pause] = []

    def hurry(self) -> None:
        """Be due at the next turn; callable from every thread."""
        self._search.again()

    def keep(self) -> bool:
        """Do what is due; tell whether there may be something to claim now."""
        if self._clean.is_due() and (clean(self._database) or self._shelf.clean()):
            self._clean.again()  # a chunk each turn, so that nothing else waits for all of it
        if not self._search.is_due():
            return False
        for returned in self._worker.bury_the_dead():
            log.warning("A worker died; %s jobs go on.", len(returned.job_ids))
            self._announce(returned.job_ids)
            signals.tell_of_jobs(self._database, signals.job_stalled, returned.job_ids)
        self._go_on_with_what_is_left()
        return True

    def _go_on_with_what_is_left(self) -> None:
        with self._database.reading() as connection:
            left = ending.left_behind(connection, self._handlers)
            self.pauses = steering.pauses(connection)
        self.owed = [each for each in left if each.what == "finish"]
        if [each for each in left if go_on(self._database, each)]:
            self._search.again()
        self._announce({each.job_id for each in left})


def go_on(database: Database, left: LeftBehind) -> bool:
    """Go on with something for a moment; tell whether there is more to do."""
    if left.what == "add":
        adding.remove_overdue(Patience(database), left.job_id)
        return False
    if left.what == "cancel":
        return _cancel_some(database, left.job_id)
    if left.what == "retry":
        with database.writing() as connection:
            return reopening.reopen_chunk(connection, left.job_id)
    return False


def _cancel_some(database: Database, job_id: int) -> bool:
    at = iso(now())
    with database.writing() as connection:
        more = ending.cancel_chunk(connection, job_id, at)
    signals.tell_of_ends(database, [job_id], at)
    return more


def clean(database: Database) -> bool:
    """Remove some of a job that is to be removed; tell whether there may be more."""
    job_id = removing.abandoned(database)
    return job_id is not None and (remove_some(database, job_id) or True)


def remove_some(database: Database, job_id: int) -> bool:
    """Remove some of an invisible job, or the job with the last of it; tell whether it is left."""
    if removing.remove_tasks_chunk(database, job_id):
        return True
    removing.remove_job(database, job_id)
    return False


def work_off(step: Callable[[], bool]) -> None:
    """Repeat a step while there is more to do, for a second; schedulers do what is left then."""
    end = time.monotonic() + PATIENCE_SECONDS
    while step() and time.monotonic() < end:
        pass
