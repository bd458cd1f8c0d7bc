"""Run one task, from claimed to handed over; and the pool of threads that does it."""

from __future__ import annotations

import logging
import queue
import threading
import traceback
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from weakref import WeakValueDictionary

from app.jobs.context import Add, Call, Task
from app.jobs.errors import TaskCancelled, sentence_of
from app.jobs.facts import JobFacts
from app.jobs.files import Shelf
from app.jobs.finishing import Finisher, Step
from app.jobs.journal import Journal
from app.jobs.registry import Handler
from app.jobs.states import TaskStatus
from app.jobs.store.claiming import Claim
from app.jobs.store.recording import TaskWrites, moment
from app.jobs.values import encode, mask_text, storable_text
from app.jobs.worker import Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """A claimed task with all that running it takes."""

    claim: Claim
    facts: JobFacts
    handler: Handler
    worker_id: int

    @property
    def job_id(self) -> int:
        """Whose task it is."""
        return self.claim.job_id

    @property
    def mark(self) -> int:
        """What the worker's mark says while this runs."""
        return self.claim.id


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
    ) -> None:
        self._journal = journal
        self._finisher = finisher
        self._limit = limit
        self._within = within
        self._add = add
        self._shelf = shelf
        self._engine = engine

    def execute(self, work: Work | Step, call: Call) -> None:
        """Run a task, or a finish step, and hand over what has come of it.

        Never raises for what a handler does. `call` tells when the task is ours no more, and when
        its job is cancelled.
        """
        if isinstance(work, Step):
            self._finisher.finish(work, call)
            return
        claim = work.claim
        outcome = TaskWrites(work.worker_id, claim.id, claim.job_id, claim.attempt)
        outcome.started_at = moment()
        try:
            outcome.result = self._result(work, call)
            outcome.status = TaskStatus.DONE
        except TaskCancelled:
            outcome.status = TaskStatus.CANCELLED
        except BaseException as error:
            if call.lost:
                return  # what it raises then tells of the loss, not of the task
            _fail(outcome, error, work.facts.secrets)
        outcome.finished_at = moment()
        outcome.may_end_job = not work.handler.has_callbacks
        self._journal.end(outcome)

    def _result(self, work: Work, call: Call) -> str | None:
        task = Task(
            work.claim,
            work.facts,
            worker_id=work.worker_id,
            journal=self._journal,
            limit=self._limit,
            call=call,
            add=self._add,
            shelf=self._shelf,
            engine=self._engine,
        )
        with self._within():
            result = work.handler.run(task)
        return None if result is None else encode(result, "result", self._limit)


def _fail(outcome: TaskWrites, error: BaseException, secrets: Sequence[str]) -> None:
    # The first frames are the executor's own: they tell the author of a handler nothing.
    frames = error.__traceback__
    while frames and frames.tb_next and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    outcome.status = TaskStatus.FAILED
    outcome.error = storable_text(mask_text(sentence_of(error), secrets))
    outcome.traceback = storable_text(mask_text("".join(_format(error, frames)), secrets))


def _format(error: BaseException, frames: TracebackType | None) -> list[str]:
    try:
        return traceback.format_exception(type(error), error, frames)
    except Exception:
        return [f"{type(error).__name__} (its traceback cannot be shown)"]


class Pool:
    """Threads that execute tasks one after another. The scheduler feeds it, nobody else."""

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
        self._waiting: dict[Work | Step, Call] = {}
        self._in_hand: set[Work | Step] = set()
        # One for each job that has something in hand; who runs a task of it keeps it alive.
        self._calls: WeakValueDictionary[int, Call] = WeakValueDictionary()
        #: Tasks that have ended here since the start.
        self.ended = 0
        self._one_ended = threading.Event()
        self._members: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads. They are daemons: a task that never ends must not keep the process."""
        for slot in range(self.threads):
            member = threading.Thread(
                target=self._serve, args=(slot,), name=f"jobdeck-pool-{slot}", daemon=True
            )
            self._members.append(member)
            member.start()

    def submit(self, works: Iterable[Work | Step]) -> None:
        """Queue claimed tasks for the next free threads."""
        call, job_id = Call(), 0
        for work in works:
            if work.job_id != job_id:
                job_id = work.job_id
                call = self._call(job_id)
            self._in_hand.add(work)
            self._waiting[work] = call
            self._queue.put(work)

    def _call(self, job_id: int) -> Call:
        call = self._calls.get(job_id)
        if call is None or call.cancelled:  # a cancelled job that is tried again
            call = self._calls[job_id] = Call()
        return call

    def cancel(self, job_ids: Collection[int]) -> list[Work | Step]:
        """Tell what runs of these jobs that they were cancelled; take back what has not begun."""
        for job_id in job_ids:
            call = self._calls.get(job_id)
            if call is not None and not call.cancelled:
                call.cancel()
        return self._take([each for each in list(self._waiting) if each.job_id in job_ids])

    @property
    def waiting(self) -> int:
        """Claimed tasks that no thread has begun."""
        return len(self._waiting)

    @property
    def load(self) -> int:
        """Claimed tasks that have not ended."""
        return len(self._in_hand)

    def take_back(self) -> list[Work | Step]:
        """Take back what no thread has begun."""
        return self._take(list(self._waiting))

    def _take(self, some: Iterable[Work | Step]) -> list[Work | Step]:
        taken = [each for each in some if self._waiting.pop(each, None) is not None]
        self._in_hand.difference_update(taken)
        self._one_ended.set()  # who waits for the end of all may be waiting for these
        return taken

    def lose_all(self) -> None:
        """Begin no task that waits, and tell those that run that they belong to others now."""
        self.take_back()
        lost, self._calls = self._calls, WeakValueDictionary()
        for call in list(lost.values()):
            call.lose()

    def _serve(self, slot: int) -> None:
        while work := self._queue.get():
            # Work that is not among the waiting any more was taken back meanwhile.
            call = self._waiting.pop(work, None)
            if call is not None:
                self._run(slot, work, call)

    def _run(self, slot: int, work: Work | Step, call: Call) -> None:
        try:
            self._worker.runs(slot, work.mark)
            self._executor.execute(work, call)
        except Exception:
            # A thread of the pool outlives whatever it is; a restart returns the task.
            log.exception("The engine failed to run a part of job %s.", work.job_id)
        finally:
            self._worker.runs(slot, 0)
            self._in_hand.discard(work)
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
        for _ in self._members:
            self._queue.put(None)
