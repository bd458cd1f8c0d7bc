"""Group commit: one thread writes what all threads hand over, then announces it (A5).

Handing over returns at once; `flush` waits until what was handed over is durable. While a group
is being written the next one gathers, so a busy engine commits a few hundred tasks at a time and
an idle one a single task at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError, OperationalError

from app.db import Database
from app.jobs.errors import EngineStopped, JobNotFound, TaskLost, ValueNotStorable
from app.jobs.store import recording
from app.jobs.store.recording import Fenced, JobState, StateMoved, TaskWrites

log = logging.getLogger(__name__)

#: Handed-over writes that may wait before those who hand over more have to wait too.
MOST_WAITING = 10_000
#: A group gathers this long when the last one is just written and more is to come.
LINGER_SECONDS = 0.002
#: After a failure the same group is tried again, at first soon.
RETRY_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)


@dataclass(eq=False, slots=True)
class Ticket:
    """A change of a job's state that was handed over; `stored` is None until that is known.

    A lost one is made again: by `again` if it has that, else by the thread that waits for it.
    """

    job_id: int
    writes: TaskWrites
    again: Callable[[], None] | None
    stored: bool | None = None
    refused: str | None = None


@dataclass(slots=True)
class _Head:
    """The newest state of a job handed over here, and the version it must find stored."""

    newest: JobState
    tickets: list[Ticket] = field(default_factory=list)


@dataclass(slots=True)
class _Group:
    """What is written in one statement."""

    last: int
    writes: dict[int, TaskWrites]
    heads: dict[int, _Head]

    @property
    def job_states(self) -> list[JobState]:
        return [head.newest for head in self.heads.values()]

    @property
    def job_ids(self) -> set[int]:
        return {each.job_id for each in self.writes.values()} | set(self.heads)


class Journal:
    """The writer of one process. `announce` gets the ids of changed jobs after each commit."""

    def __init__(
        self,
        database: Database,
        announce: Callable[[Collection[int]], None],
        *,
        more_to_come: Callable[[], bool] = lambda: False,
        on_fenced: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._announce = announce
        self._more_to_come = more_to_come
        self._on_fenced = on_fenced
        self._changed = threading.Condition()
        self._worker_id = 0
        self._pending: dict[int, TaskWrites] = {}
        self._held: dict[int, TaskWrites] = {}
        self._heads: dict[int, _Head] = {}
        self._handed_over = 0
        self._durable = 0
        self._stopping = False
        self._stop_asked = threading.Event()
        self._thread: threading.Thread | None = None
        #: Why nothing can be written just now, as a sentence; None when all is well.
        self.trouble: str | None = None

    # What handlers and their contexts call

    def hand_over(self, writes: TaskWrites) -> None:
        """Add to what a claim has to say; raise TaskLost when the claim is no longer ours."""
        with self._changed:
            self._check(writes)
            self._gather(writes)
            self._handed_over += 1
            self._changed.notify_all()

    def flush(self) -> None:
        """Return once all that was handed over before this call is durable."""
        with self._changed:
            target = self._handed_over
            self._changed.wait_for(lambda: self._durable >= target or self._is_over)
            if self._durable < target:
                raise EngineStopped

    def newest_job_state(self, job_id: int) -> JobState:
        """Return a job's newest state, also one that is not durable yet; raise JobNotFound."""
        with self._changed:
            head = self._heads.get(job_id)
            if head:
                return head.newest
        with self._database.reading() as connection:
            return recording.job_state(connection, job_id)

    def offer_job_state(
        self, seen: JobState, state: str, writes: TaskWrites, again: Callable[[], None] | None
    ) -> Ticket | None:
        """Hand over a job's next state, made from `seen`; None: somebody was faster, begin again.

        It commits together with what the same claim has handed over before, or neither does.
        """
        with self._changed:
            self._check(writes)
            head = self._heads.setdefault(seen.job_id, _Head(seen))
            if head.newest != seen:
                return None
            head.newest = JobState(seen.job_id, seen.base, state)
            ticket = Ticket(seen.job_id, writes, again)
            head.tickets.append(ticket)
            self._gather(writes)
            self._handed_over += 1
            self._changed.notify_all()
            return ticket

    def await_ticket(self, ticket: Ticket) -> bool:
        """Wait until a change is durable; False: it was lost to somebody else, begin again."""
        with self._changed:
            self._changed.wait_for(lambda: ticket.stored is not None or self._is_over)
            if ticket.refused:
                raise ValueNotStorable(ticket.refused)
            if ticket.stored is None:
                raise EngineStopped
            return ticket.stored

    def _check(self, writes: TaskWrites) -> None:
        own = threading.current_thread() is self._thread
        self._changed.wait_for(lambda: own or len(self._pending) < MOST_WAITING or self._stopping)
        if writes.worker_id != self._worker_id:
            raise TaskLost

    def _gather(self, writes: TaskWrites) -> None:
        earlier = self._pending.get(writes.task_id) or self._held.pop(writes.task_id, writes)
        self._pending[writes.task_id] = earlier
        if earlier is not writes:
            earlier.add(writes)

    # The life of the thread

    def write_for(self, worker_id: int) -> None:
        """Write for this worker from now on; what its predecessor had to say is dropped."""
        with self._changed:
            self._worker_id = worker_id
            self._pending.clear()
            self._held.clear()
            for head in self._heads.values():
                self._settle(head, stored=False)
            self._heads.clear()
            self._durable = self._handed_over
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="jobdeck-journal", daemon=True
                )
                self._thread.start()

    def stop(self, patience: float) -> bool:
        """Write what waits, then end; tell whether all was written within `patience` seconds."""
        with self._changed:
            self._stopping = True
            self._stop_asked.set()
            self._changed.notify_all()
        if self._thread:
            self._thread.join(patience)
        return self._durable >= self._handed_over

    @property
    def _is_over(self) -> bool:
        return self._stopping and not (self._thread and self._thread.is_alive())

    def _run(self) -> None:
        written_at = 0.0
        while group := self._next_group(written_at):
            worker_id = self._worker_id
            try:
                self._write_patiently(worker_id, group)
            except Fenced:
                log.warning("Worker %s was taken for dead; what it had to say is void.", worker_id)
                self.write_for(0)
                with self._changed:
                    for head in group.heads.values():
                        self._settle(head, stored=False)
                    self._changed.notify_all()
                self._on_fenced()
            written_at = time.monotonic()

    def _next_group(self, written_at: float) -> _Group | None:
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._stopping)
            if not self._pending:
                self._changed.notify_all()
                return None
        if time.monotonic() - written_at < 5 * LINGER_SECONDS and self._more_to_come():
            self._stop_asked.wait(LINGER_SECONDS)
        with self._changed:
            group = _Group(self._handed_over, self._pending, self._heads)
            self._pending, self._heads = {}, {}
            # A change made while this group is written builds on it.
            self._heads = {
                job_id: _Head(JobState(job_id, head.newest.base + 1, head.newest.state))
                for job_id, head in group.heads.items()
            }
            self._changed.notify_all()
            return group

    # Writing a group

    def _write_patiently(self, worker_id: int, group: _Group) -> None:
        """Write a group, again and again while the database cannot be written."""
        tries = 0
        while True:
            try:
                self._write(worker_id, group)
                break
            except StateMoved:
                self._set_lost_changes_apart(group)
            except OperationalError as error:
                self.trouble = f"The database cannot be written just now: {error.orig}."
                log.warning("%s Results are kept in memory and tried again.", self.trouble)
                if self._stop_asked.wait(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]):
                    return
                tries += 1
            except DBAPIError as error:
                self._write_by_halves(worker_id, group, error)
                break
        self.trouble = None
        self._done_with(group)

    def _write(self, worker_id: int, group: _Group) -> None:
        with self._database.writing_once() as connection:
            recording.write_group(connection, worker_id, group.writes.values(), group.job_states)

    def _write_by_halves(self, worker_id: int, group: _Group, error: DBAPIError) -> None:
        """Find the one row that the database refuses, and fail its own task only."""
        if not group.writes:
            self._refuse(group, str(error.orig))
            return
        if len(group.writes) == 1:
            (only,) = group.writes.values()
            log.error("A result of task %s cannot be stored: %s", only.task_id, error.orig)
            only.fail_unstorable(str(error.orig))
            self._write_patiently(worker_id, _Group(0, {}, group.heads))
            with self._database.writing_once() as connection:
                recording.write_group(connection, worker_id, [only], [])
            return
        ids = list(group.writes)
        for half, heads in ((ids[::2], group.heads), (ids[1::2], {})):
            part = _Group(0, {task_id: group.writes[task_id] for task_id in half}, heads)
            self._write_patiently(worker_id, part)

    def _refuse(self, group: _Group, reason: str) -> None:
        for head in group.heads.values():
            for ticket in head.tickets:
                ticket.refused = f"The database refuses the new state of the job: {reason}"
        log.error("The new state of jobs %s is refused: %s", sorted(group.heads), reason)

    def _set_lost_changes_apart(self, group: _Group) -> None:
        """Take the changes whose base moved out of a group, with all that their claims say."""
        lost = self._lost_tickets(group)
        with self._changed:
            for ticket in lost:
                for source in (group.writes, self._pending):
                    writes = source.pop(ticket.writes.task_id, None)
                    if writes:
                        self._hold(writes)
                if ticket.again is None:
                    ticket.stored = False
            group.last = 0  # what was lost is not durable yet: the next group will tell
            self._changed.notify_all()
        for ticket in lost:
            if ticket.again:
                self._make_again(ticket, ticket.again)

    def _lost_tickets(self, group: _Group) -> list[Ticket]:
        """Take the heads whose base moved out of a group, with those that build on them."""
        lost: list[Ticket] = []
        for job_id, head in list(group.heads.items()):
            if self._stored_version(job_id) == head.newest.base:
                continue
            del group.heads[job_id]
            with self._changed:
                later = self._heads.pop(job_id, None)
            lost += head.tickets + (later.tickets if later else [])
        return lost

    def _make_again(self, ticket: Ticket, again: Callable[[], None]) -> None:
        try:
            again()
        except JobNotFound:
            # The job was deleted: there is no state to change, and what else was said goes on.
            with self._changed:
                self._gather(ticket.writes.blank())

    def _hold(self, writes: TaskWrites) -> None:
        held = self._held.setdefault(writes.task_id, writes)
        if held is not writes:
            held.add(writes)

    def _stored_version(self, job_id: int) -> int | None:
        try:
            with self._database.reading() as connection:
                return recording.job_state(connection, job_id).base
        except JobNotFound:
            return None

    def _done_with(self, group: _Group) -> None:
        with self._changed:
            for job_id, head in group.heads.items():
                self._settle(head, stored=True)
                later = self._heads.get(job_id)
                if later and not later.tickets:
                    del self._heads[job_id]
            self._durable = max(self._durable, group.last)
            self._changed.notify_all()
        self._announce(group.job_ids)

    def _settle(self, head: _Head, *, stored: bool) -> None:
        for ticket in head.tickets:
            ticket.stored = stored
