"""The pool of threads that execute what was claimed."""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable

from app.jobs.executor import Executor, Work
from app.jobs.finishing import Step
from app.jobs.worker import Worker

log = logging.getLogger(__name__)

#: Past the lease it is asked so often whether it was renewed, or what waits was taken back.
TRUST_SECONDS = 0.02
#: One that begins all tasks, and is at one and the same for so long, is held up.
HELD_UP_SECONDS = 0.02


class Pool:
    """Threads that execute tasks one after another. The scheduler feeds it; a step whose callback
    takes too long comes once more by itself.

    A thread that hangs has its place taken by another one, and ends when its handler returns.
    """

    #: Whether only one thread begins tasks, see crowd.py.
    is_alone = False

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
        self._all_begin = threading.Event()
        self._first_since = math.inf  # when the first thread has begun what it is at
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
        while has_its_place and (work := self._next(slot)):
            self._await_trust(work)
            # Work that is not among the waiting any more was taken back meanwhile.
            if self._take_one(work):
                has_its_place = self._run(slot, work)
        self._members.pop(threading.current_thread())

    def _next(self, slot: int) -> Work | Step | None:
        """What to do next. While one begins all, the others wait, unless it is held up."""
        while self.is_alone and slot:
            if self._all_begin.wait(HELD_UP_SECONDS) or self._is_held_up():
                break
        return self._queue.get()

    def _is_held_up(self) -> bool:
        return bool(self.waiting) and time.monotonic() - self._first_since > HELD_UP_SECONDS

    def let_one_begin(self) -> None:
        """Let one thread begin all tasks from now on."""
        self._all_begin.clear()
        self.is_alone = True

    def let_all_begin(self) -> None:
        """Let every thread begin tasks again."""
        self.is_alone = False
        self._all_begin.set()

    def _await_trust(self, work: Work | Step) -> None:
        """Past the lease nothing is begun: after a SIGCONT, say, others may have taken it (B7)."""
        while not self._worker.is_trusted and work in self._waiting:
            threading.Event().wait(TRUST_SECONDS)

    def _run(self, slot: int, work: Work | Step) -> bool:
        """Run something; tell whether no other thread has taken the place of this one meanwhile."""
        if not slot:
            self._first_since = time.monotonic()
        try:
            self._worker.runs(slot, work.mark)
            self._executor.execute(work)
        except BaseException:
            # A thread of the pool outlives whatever it is; a restart returns the task.
            log.exception("The engine failed to run a part of job %s.", work.job_id)
        if work not in self._in_hand:
            return False
        if not slot:
            self._first_since = math.inf
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
        self.let_all_begin()
        for _ in list(self._members):
            self._queue.put(None)
