"""Group commit: one thread writes what all threads hand over, then announces it (A5).

Handing over returns at once; `flush` waits until what was handed over is durable. While a group
is being written the next one gathers, so a busy engine commits a few hundred tasks at a time and
an idle one a single task at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from app.db import Database, why
from app.fork_safety import in_forked_children
from app.jobs import signals
from app.jobs.errors import (
    EngineStopped,
    TaskLost,
    TaskTimedOut,
    TaskUsedAfterFork,
    ValueNotStorable,
)
from app.jobs.gathering import Gathering
from app.jobs.group import Group, Ticket
from app.jobs.store import recording
from app.jobs.store.recording import Fenced, JobState, TaskWrites
from app.jobs.writing import Writer

log = logging.getLogger(__name__)

#: Handed-over writes that may wait before those who hand over more have to wait too.
MOST_WAITING = 10_000
#: A group gathers this long when the last one is just written and more is to come.
LINGER_SECONDS = 0.002
#: A state that cannot be read is asked for again after so long.
READ_SECONDS = 0.5


class Journal:
    """The writer of one process. `announce` gets the ids of changed jobs after each commit."""

    def __init__(
        self,
        database: Database,
        announce: Callable[[Collection[int]], None],
        *,
        more_to_come: Callable[[], bool] = lambda: False,
        on_fenced: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._announce = announce
        self._more_to_come = more_to_come
        self._on_fenced = on_fenced
        self._changed = threading.Condition()
        self._worker_id = 0
        self._gathering = Gathering()
        self._is_idle = False  # it waits for words,
        self._is_resting = False  # but no longer than states rest: one more needs not wake it
        self._writing: Group | None = None
        self._stop_asked = threading.Event()
        self._given_up = threading.Event()
        self._writer = Writer(database, self._gathering, self._changed, self._given_up)
        self._thread: threading.Thread | None = None
        self._is_forked = False
        in_forked_children(self, Journal._leave_to_parent)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written just now, as a sentence; None when all is well."""
        return self._writer.trouble

    # What handlers and their contexts call

    def hand_over(self, writes: TaskWrites) -> None:
        """Add to what a claim has to say; waits only while there is far too much.

        Raises TaskLost when the claim is no longer ours, TaskTimedOut when it was cut off,
        ValueNotStorable when the database has refused what it said before, EngineStopped when
        nothing is written any more.
        """
        if len(self._gathering) >= MOST_WAITING:
            with self._collected():
                self._wait_for_room()
        self._demand_ours(writes)
        self._gathering.say(writes)
        if self._is_idle and not (self._is_resting and writes.state is not None):
            self._wake_all()

    def end(self, outcome: TaskWrites) -> None:
        """Hand over the last word of a claim. Nobody waits, and nothing is raised."""
        self._gathering.say(outcome)
        if self._is_idle:
            self._wake_all()

    def flush(self, claim: TaskWrites) -> None:
        """Return once all that this claim has handed over is durable; raise as hand_over() does.

        Raises SessionHoldsWriteLock where a session of the caller would keep it waiting.
        """
        self._database.refuse_to_wait_for_own_session()
        with self._collected():
            self._demand_not_cut_off(claim)
            self._gathering.end_rest(claim.task_id)
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._is_on_its_way(claim) or self._is_over)
            self._demand_ours(claim)

    def cut_off(self, outcome: TaskWrites) -> None:
        """Take the outcome of a try whose thread goes on; whatever that says from now on is void.

        Waits for nobody. Of a claim that is no longer ours nothing is taken.
        """
        with self._collected():
            if outcome.worker_id == self._worker_id:
                self._gathering.cut_off(outcome)
                self._changed.notify_all()

    def forget(self, claim: TaskWrites) -> None:
        """Say that the thread of a try that was cut off has ended."""
        with self._collected():
            self._gathering.forget(claim)

    def newest_job_state(self, job_id: int) -> JobState:
        """Return a job's newest state, also one that is not durable yet; raise JobNotFound.

        While the database cannot be read it waits, as what is handed over does; EngineStopped when
        that is over.
        """
        with self._changed:
            newest = self._gathering.newest(job_id)
        return newest or self._stored_job_state(job_id)

    def _stored_job_state(self, job_id: int) -> JobState:
        """Read it, again and again while the database does not answer."""
        while True:
            try:
                with self._database.reading() as connection:
                    return recording.job_state(connection, job_id)
            except OperationalError as error:
                log.warning("The state of job %s cannot be read yet: %s", job_id, why(error))
            if self._given_up.wait(READ_SECONDS):
                raise EngineStopped

    def offer_job_state(
        self, seen: JobState, state: str, writes: TaskWrites, again: Callable[[], None] | None
    ) -> Ticket | None:
        """Hand over a job's next state, made from `seen`; None: somebody was faster, begin again.

        It commits together with what the same claim has handed over before, or neither does.
        """
        if again is None:  # the caller waits for it
            self._database.refuse_to_wait_for_own_session()
        with self._collected():
            self._wait_for_room()
            self._demand_ours(writes)
            ticket = self._gathering.offer(seen, state, writes, again)
            self._changed.notify_all()
            return ticket

    def await_ticket(self, ticket: Ticket) -> bool:
        """Wait until a change is durable; False: it was lost to somebody else, begin again."""
        with self._changed:
            self._changed.wait_for(
                lambda: ticket.stored is not None or ticket.refused or self._is_over
            )
            if ticket.refused:
                raise ValueNotStorable(ticket.refused)
            if ticket.stored is None:
                raise EngineStopped
            return ticket.stored

    def begin_change(self, claim: TaskWrites) -> None:
        """Keep back what a claim has said until it offers a change, or gives it up.

        Raises SessionHoldsWriteLock where a session of the caller would keep the change waiting.
        """
        self._database.refuse_to_wait_for_own_session()
        with self._collected():
            self._demand_not_cut_off(claim)
            self._gathering.hold(claim.task_id)

    def give_up(self, claim: TaskWrites) -> None:
        """Say that a change will not be made after all."""
        with self._collected():
            self._gathering.give_up(claim)
            self._changed.notify_all()

    @contextmanager
    def _collected(self) -> Iterator[None]:
        """Hold the lock, with all that was said so far among what is gathered."""
        with self._changed:
            self._gathering.collect(self._worker_id, time.monotonic())
            yield

    def _wait_for_room(self) -> None:
        if not self._is_own_thread and not self._has_room():
            self._database.refuse_to_wait_for_own_session()
            self._changed.wait_for(lambda: self._has_room() or self._stop_asked.is_set())

    def _has_room(self) -> bool:
        self._gathering.collect(self._worker_id, time.monotonic())
        return len(self._gathering) < MOST_WAITING

    def _demand_ours(self, claim: TaskWrites) -> None:
        if claim.worker_id != self._worker_id:
            raise TaskUsedAfterFork if self._is_forked else TaskLost
        if not self._is_own_thread:
            self._demand_not_cut_off(claim)
        reason = self._gathering.refusal(claim)
        if reason:
            raise ValueNotStorable(reason)
        if self._is_over:
            raise EngineStopped

    @property
    def _is_own_thread(self) -> bool:
        return threading.current_thread() is self._thread

    def _demand_not_cut_off(self, claim: TaskWrites) -> None:
        if self._gathering.is_cut_off(claim):
            raise TaskTimedOut

    def _is_on_its_way(self, claim: TaskWrites) -> bool:
        if self._gathering.is_cut_off(claim):
            return False  # what is on its way is not what its thread has said
        if self._writing and claim.task_id in self._writing.writes:
            return True
        return claim.task_id in self._gathering

    # The life of the thread

    def write_for(self, worker_id: int) -> None:
        """Write for this worker from now on; what its predecessor had to say is dropped."""
        with self._changed:
            self._gathering.clear()
            self._worker_id = worker_id
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="jobdeck-journal", daemon=True
                )
                self._thread.start()

    def stop(self, patience: float) -> None:
        """Write what waits, for `patience` seconds at most, then end."""
        self._stop_asked.set()
        self._wake_all()
        if self._thread:
            self._thread.join(patience)
            if self._thread.is_alive():
                log.warning("Not all results could be written; those tasks will run again.")
        self._given_up.set()
        self._wake_all()

    def _leave_to_parent(self) -> None:
        """Refuse whatever is said here: this is a fork, in which no thread writes."""
        self._is_forked, self._worker_id = True, -1
        self._changed, self._given_up = threading.Condition(), threading.Event()
        self._given_up.set()

    def _wake_all(self) -> None:
        with self._changed:
            self._changed.notify_all()

    @property
    def _is_over(self) -> bool:
        return self._given_up.is_set()

    def _run(self) -> None:
        try:
            self._write_groups()
        finally:
            self._writer.close()

    def _write_groups(self) -> None:
        written_at = 0.0
        while group := self._next_group(written_at):
            try:
                self._writer.write(group)
            except Fenced:
                self._drop(group)
            except EngineStopped:
                return  # What is not written must not be overtaken by what came later.
            else:
                self._done_with(group)
            written_at = time.monotonic()

    def _next_group(self, written_at: float) -> Group | None:
        with self._changed:
            if not self._wait_for_words():
                return None
        if time.monotonic() - written_at < 5 * LINGER_SECONDS and self._more_to_come():
            self._stop_asked.wait(LINGER_SECONDS)
        with self._collected():
            self._writing = self._gathering.take(self._worker_id, time.monotonic())
            self._changed.notify_all()
            return self._writing

    def _wait_for_words(self) -> bool:
        """Wait until there is something to write; False: there will be nothing any more."""
        self._is_idle = True  # said before each look: who says something later wakes this thread
        while (seconds := self._seconds_of_rest()) != 0:
            if self._stop_asked.is_set():
                self._gathering.end_rest()
                return self._gathering.rest(time.monotonic()) == 0
            self._is_resting = seconds is not None
            self._changed.wait(seconds)
        self._is_idle = False
        return True

    def _seconds_of_rest(self) -> float | None:
        self._is_resting = False
        now, was_full = time.monotonic(), len(self._gathering) >= MOST_WAITING
        self._gathering.collect(self._worker_id, now)
        if was_full:
            self._changed.notify_all()
        return self._gathering.rest(now)

    def _done_with(self, group: Group) -> None:
        with self._changed:
            self._writing = None
            self._gathering.is_stored(group)
            self._changed.notify_all()
        self._announce(group.job_ids)
        signals.tell_of_outcomes(self._database, group.writes.values())
        signals.tell_of_ends(self._database, group.ending, group.written_at)

    def _drop(self, group: Group) -> None:
        """Forget a group whose worker was taken for dead, and all else that worker had to say."""
        log.warning("Worker %s was taken for dead; what it had to say is void.", group.worker_id)
        with self._changed:
            self._writing = None
            for head in group.heads.values():
                head.settle(stored=False)
            # Another incarnation may write by now: then this is old news.
            is_news = self._worker_id == group.worker_id
            if is_news:
                self._worker_id = 0
                self._gathering.clear()
            self._changed.notify_all()
        if is_news:
            self._on_fenced(group.worker_id)
