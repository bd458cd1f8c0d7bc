"""Run one task, from claimed to handed over; and the pool of threads that does it."""

from __future__ import annotations

import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType

from app.jobs import signals
from app.jobs.context import Add, Call, Task
from app.jobs.deadlines import Deadline, Deadlines, place_of
from app.jobs.errors import TaskCancelled, TaskTimedOut, sentence_of
from app.jobs.facts import JobFacts
from app.jobs.files import Shelf
from app.jobs.finishing import Finisher, Step
from app.jobs.journal import Journal
from app.jobs.registry import Handler
from app.jobs.states import AttemptStatus, TaskStatus
from app.jobs.store.claiming import Claim
from app.jobs.store.recording import TaskWrites, moment
from app.jobs.values import encode, mask_text, storable_text
from app.jobs.worker import Worker

log = logging.getLogger(__name__)

#: Past the lease it is asked so often whether it was renewed, or what waits was taken back.
TRUST_SECONDS = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """A claimed task with all that running it takes."""

    claim: Claim
    facts: JobFacts
    handler: Handler
    worker_id: int
    call: Call = field(default_factory=Call)

    @property
    def job_id(self) -> int:
        """Whose task it is."""
        return self.claim.job_id

    @property
    def mark(self) -> int:
        """What the worker's mark says while this runs."""
        return self.claim.id

    def __str__(self) -> str:
        return f"task {self.claim.index} of job {self.job_id}"

    @property
    def timeout(self) -> float | None:
        """Seconds that this try may take; None: no limit."""
        return self.handler.timeout_of(self.facts)

    def is_tried_again_on(self, error: BaseException) -> bool:
        """Whether there is a retry left for it, if this is what it fails with."""
        own = self.facts.retries
        most = self.handler.retries if own is None else own
        return self.claim.retries < most and self.handler.retries_on(error)


class Executor:
    """Turns a claimed task into an outcome that the journal writes."""

    def __init__(  # noqa: PLR0913 - what a task may ask for comes through here
        self,
        journal: Journal,
        finisher: Finisher,
        *,
        limit: int,
        within: Callable[[], AbstractContextManager[object]],
        add: Add,
        shelf: Shelf,
        engine: object,
        deadlines: Deadlines,
        replace: Callable[[Work, threading.Thread], bool],
    ) -> None:
        self._journal = journal
        self._finisher = finisher
        self._deadlines = deadlines
        self._replace = replace
        self._limit = limit
        self._within = within
        self._add = add
        self._shelf = shelf
        self._engine = engine

    def execute(self, work: Work | Step) -> None:
        """Run a task, or a finish step, and hand over what has come of it.

        Never raises for what a handler does.
        """
        if isinstance(work, Step):
            self._finisher.finish(work)
            return
        outcome = self._timed(work) if work.timeout else self._untimed(work)
        if outcome:
            self._journal.end(outcome)

    def _untimed(
        self, work: Work, begun_at: str | None = None, ends_at: float | None = None
    ) -> TaskWrites | None:
        """Run a task; return its outcome, or None when it belongs to others."""
        outcome = _outcome_of(work, begun_at or moment())
        _tell_of_start(work)
        try:
            outcome.result = self._result(work, ends_at)
            outcome.status = TaskStatus.DONE
        except TaskCancelled:
            outcome.status = TaskStatus.CANCELLED
        except BaseException as error:
            if work.call.lost:
                return None  # what it raises then tells of the loss, not of the task
            _fail(outcome, error, work)
        outcome.finished_at = moment()
        return outcome

    def _timed(self, work: Work) -> TaskWrites | None:
        """The same for one with a timeout: whoever notices first that its time is over says so."""
        begun_at, ends_at = moment(), time.monotonic() + (work.timeout or 0)

        def cut_off(thread: threading.Thread) -> None:
            late = _outcome_of(work, begun_at)
            if place := place_of(thread, __file__, self._result.__name__):
                late.traceback = storable_text(mask_text(place, work.facts.secrets))
            _time_out(late, work)
            self._journal.cut_off(late)

        deadline = Deadline(ends_at, cut_off, partial(self._replace, work))
        self._deadlines.begin(deadline)
        try:
            outcome = self._untimed(work, begun_at, ends_at)
        finally:
            if not self._deadlines.end(deadline):
                self._journal.forget(_outcome_of(work, begun_at))
        if deadline.is_over:
            return None
        if outcome and time.monotonic() >= ends_at:
            _time_out(outcome, work)
        return outcome

    def _result(self, work: Work, ends_at: float | None) -> str | None:
        task = Task(
            work.claim,
            work.facts,
            worker_id=work.worker_id,
            journal=self._journal,
            limit=self._limit,
            call=work.call,
            add=self._add,
            shelf=self._shelf,
            engine=self._engine,
            ends_at=ends_at,
        )
        with self._within():
            result = work.handler.run(task)
        return None if result is None else encode(result, "result", self._limit)


def _outcome_of(work: Work, begun_at: str) -> TaskWrites:
    claim = work.claim
    outcome = TaskWrites(work.worker_id, claim.id, claim.job_id, claim.attempt)
    outcome.started_at = begun_at
    outcome.may_end_job = not work.handler.has_finish_step
    return outcome


def _tell_of_start(work: Work) -> None:
    if signals.task_started.receivers:
        claim = work.claim
        facts = {"job_id": claim.job_id, "task_index": claim.index, "attempt": claim.attempt}
        signals.send(signals.task_started, work.handler.name, **facts)


def _fail(outcome: TaskWrites, error: BaseException, work: Work) -> None:
    # The first frames are the executor's own: they tell the author of a handler nothing.
    frames = error.__traceback__
    while frames and frames.tb_next and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    secrets = work.facts.secrets
    outcome.status = TaskStatus.FAILED
    outcome.error = storable_text(mask_text(sentence_of(error), secrets))
    outcome.traceback = storable_text(mask_text("".join(_format(error, frames)), secrets))
    _try_again(outcome, error, work)


def _time_out(outcome: TaskWrites, work: Work) -> None:
    """Let the outcome be that it took too long, whatever else has come of it."""
    outcome.status, outcome.attempt_status = TaskStatus.FAILED, AttemptStatus.TIMED_OUT
    outcome.error = f"It took longer than {work.timeout:g} s, which is its timeout."
    outcome.result = outcome.run_after = None
    outcome.finished_at = moment()
    _try_again(outcome, TaskTimedOut(), work)


def _try_again(outcome: TaskWrites, error: BaseException, work: Work) -> None:
    if work.is_tried_again_on(error):
        outcome.run_after = moment(work.handler.pause(work.claim.retries))


def _format(error: BaseException, frames: TracebackType | None) -> list[str]:
    try:
        return traceback.format_exception(type(error), error, frames)
    except Exception:
        return [f"{type(error).__name__} (its traceback cannot be shown)"]


class Pool:
    """Threads that execute tasks one after another. The scheduler feeds it; a step whose callback
    takes too long comes once more by itself.

    A thread that hangs has its place taken by another one, and ends when its handler returns.
    """

    def __init__(
        self, executor: Executor, worker: Worker, *, threads: int, on_room: Callable[[], None]
    ) -> None:
        self.threads = threads
        #: With so few claimed tasks waiting it asks for more.
        self.low = threads - 1
        self._executor = executor
        self._worker = worker
        self._on_room = on_room
        self._queue: queue.SimpleQueue[Work | Step | None] = queue.SimpleQueue()
        # By claim, not by task: after a loss, another claim of the same task may be in hand, too.
        self._waiting: dict[Work | Step, None] = {}
        self._in_hand: set[Work | Step] = set()
        #: Tasks that have ended here since the start.
        self.ended = 0
        self._one_ended = threading.Event()
        # Each with its slot, those that hang among them.
        self._members: dict[threading.Thread, int] = {}

    @property
    def most(self) -> int:
        """So many threads there may be: as many as there are may hang and be replaced."""
        return 2 * self.threads

    def start(self) -> None:
        """Start the threads. They are daemons: a task that never ends must not keep the process."""
        for slot in range(self.threads):
            self._start(slot)

    def _start(self, slot: int) -> None:
        member = threading.Thread(
            target=self._serve, args=(slot,), name=f"jobdeck-pool-{slot}", daemon=True
        )
        self._members[member] = slot
        member.start()

    def replace(self, work: Work | Step, thread: threading.Thread) -> bool:
        """Let another thread take the place of one that hangs in what others see to (B5).

        False: as many hang already as may be replaced. Not to be called once its work has ended.
        """
        is_possible = len(self._members) < self.most
        then = "another one takes its place" if is_possible else "too many do. Restart this process"
        log.error("A thread hangs in %s: %s.", work, then)
        if not is_possible:
            return False
        self._in_hand.discard(work)
        self._start(self._members[thread])
        self._tell_of_end()
        return True

    def submit(self, works: Iterable[Work | Step]) -> None:
        """Queue claimed tasks for the next free threads."""
        for work in works:
            self._in_hand.add(work)
            self._waiting[work] = None
            self._queue.put(work)

    def cancel(self, job_ids: Collection[int]) -> list[Work | Step]:
        """Tell what runs of these jobs that they were cancelled; take back what has not begun."""
        for work in list(self._in_hand):
            if work.job_id in job_ids and not work.call.cancelled:
                work.call.cancel()
        return self._take([each for each in list(self._waiting) if each.job_id in job_ids])

    @property
    def waiting(self) -> int:
        """Claimed tasks that no thread has begun."""
        return len(self._waiting)

    @property
    def load(self) -> int:
        """Claimed tasks that have not ended."""
        return len(self._in_hand)

    def take_back(self, handlers: Collection[str] | None = None) -> list[Work | Step]:
        """Take back what no thread has begun: all, or what these handlers would do."""
        waiting = list(self._waiting)
        if handlers is not None:
            waiting = [each for each in waiting if each.handler.name in handlers]
        return self._take(waiting)

    def _take(self, some: Iterable[Work | Step]) -> list[Work | Step]:
        taken = [each for each in some if self._take_one(each)]
        self._in_hand.difference_update(taken)
        self._one_ended.set()  # who waits for the end of all may be waiting for these
        return taken

    def _take_one(self, work: Work | Step) -> bool:
        """Whether it was still waiting, and for whoever asks first."""
        return self._waiting.pop(work, work) is None

    def lose_all(self) -> None:
        """Begin no task that waits, and tell those that run that they belong to others now."""
        self.take_back()
        for work in list(self._in_hand):
            work.call.lose()

    def _serve(self, slot: int) -> None:
        has_its_place = True
        while has_its_place and (work := self._queue.get()):
            self._await_trust(work)
            # Work that is not among the waiting any more was taken back meanwhile.
            if self._take_one(work):
                has_its_place = self._run(slot, work)
        self._members.pop(threading.current_thread())

    def _await_trust(self, work: Work | Step) -> None:
        """Past the lease nothing is begun: after a SIGCONT, say, others may have taken it (B7)."""
        while not self._worker.is_trusted and work in self._waiting:
            threading.Event().wait(TRUST_SECONDS)

    def _run(self, slot: int, work: Work | Step) -> bool:
        """Run something; tell whether no other thread has taken the place of this one meanwhile."""
        try:
            self._worker.runs(slot, work.mark)
            self._executor.execute(work)
        except BaseException:
            # A thread of the pool outlives whatever it is; a restart returns the task.
            log.exception("The engine failed to run a part of job %s.", work.job_id)
        if work not in self._in_hand:
            return False
        self._worker.runs(slot, 0)
        self._in_hand.discard(work)
        self._tell_of_end()
        return True

    def _tell_of_end(self) -> None:
        self.ended += 1
        if not self._one_ended.is_set():
            self._one_ended.set()
        if self.waiting <= self.low:
            self._on_room()

    def wait_for_end(self, seconds: float) -> None:
        """Wait until a task ends, or for so many seconds."""
        self._one_ended.clear()
        if self._in_hand:
            self._one_ended.wait(seconds)

    def stop(self) -> None:
        """Let each thread end after the task that it runs."""
        for _ in list(self._members):
            self._queue.put(None)
