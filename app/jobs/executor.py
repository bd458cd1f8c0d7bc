"""Run one task, from claimed to handed over."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType

from app.jobs import signals
from app.jobs.call import Call
from app.jobs.context import Add, Task
from app.jobs.coroutines import is_frame_of_loop, result_of
from app.jobs.current import current_job
from app.jobs.deadlines import Deadline, Deadlines, place_of
from app.jobs.errors import TaskCancelled, TaskTimedOut, sentence_of
from app.jobs.facts import JobFacts
from app.jobs.files import Shelf
from app.jobs.finishing import Finisher, Step
from app.jobs.journal import Journal
from app.jobs.logs import Capture
from app.jobs.registry import Handler
from app.jobs.states import AttemptStatus, TaskStatus
from app.jobs.store.claiming import Claim
from app.jobs.store.recording import TaskWrites, moment
from app.jobs.surroundings import Within, entered
from app.jobs.values import encode, mask_text, storable_text


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
        within: Within,
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
        current_job.set(work.job_id)
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
            work.call.time_out()

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
        with Capture(task.take_line), entered(self._within, work.call):
            returned = work.handler.run(task)
            result = result_of(returned, work.call, hear_cancel=task.hear_cancel)
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
    while frames and frames.tb_next and _is_own(frames):
        frames = frames.tb_next
    secrets = work.facts.secrets
    outcome.status = TaskStatus.FAILED
    outcome.error = storable_text(mask_text(sentence_of(error), secrets))
    outcome.traceback = storable_text(mask_text("".join(_format(error, frames)), secrets))
    _try_again(outcome, error, work)


def _is_own(frames: TracebackType) -> bool:
    file = frames.tb_frame.f_code.co_filename
    return file == __file__ or is_frame_of_loop(file)


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
