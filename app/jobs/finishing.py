"""The finish step: the callbacks of a job whose tasks have all ended, and its end (A11).

It is claimed and fenced like a task, and in no count. A crash anywhere repeats what of it is due.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.db import Database
from app.jobs import signals
from app.jobs.adding import add_with, new_tasks
from app.jobs.call import Call
from app.jobs.context import Change, apply
from app.jobs.coroutines import result_of
from app.jobs.deadlines import Deadline, Deadlines, place_of
from app.jobs.errors import (
    AddingInterrupted,
    JobEnded,
    TaskCancelled,
    TaskLost,
    TaskTimedOut,
    sentence_of,
)
from app.jobs.facts import JobFacts, KnownJob
from app.jobs.patience import Patience
from app.jobs.registry import Callback, Handler
from app.jobs.store import ending, reading, recording
from app.jobs.store.adding import Adder
from app.jobs.store.claiming import StepClaim
from app.jobs.store.creating import NewTask
from app.jobs.store.ending import MOST_CRASHES
from app.jobs.store.recording import JobState
from app.jobs.surroundings import Within, entered
from app.jobs.values import decode, mask_text, storable_text

log = logging.getLogger(__name__)

#: While the database cannot be written, what a callback has to say is tried again so often.
RETRY_SECONDS = 0.25
#: What is called at which stage of a finish step.
NAMES: Final = {"before": "before_job_finish", "after": "on_all_tasks_done"}

Written = TypeVar("Written")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What finish steps need of the engine; a value may take `limit` bytes."""

    database: Database
    announce: Callable[[Collection[int]], None]
    limit: int
    within: Within
    deadlines: Deadlines
    #: As Pool.replace() and Pool.submit().
    replace: Callable[[Step, threading.Thread], bool]
    go_on: Callable[[Step], None]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A claimed finish step with all that doing it takes."""

    claim: StepClaim
    facts: JobFacts
    handler: Handler
    worker_id: int
    call: Call = field(default_factory=Call)

    def __str__(self) -> str:
        return f"a callback of job {self.job_id}"

    @property
    def timeout(self) -> float | None:
        """Seconds that each callback may take; None: no limit."""
        return self.handler.timeout_of(self.facts)

    @property
    def rest(self) -> Step:
        """What is left of this step after the end of the job, as if that had just been claimed."""
        return replace(self, claim=replace(self.claim, stage="after", crashes=0))

    @property
    def job_id(self) -> int:
        """Whose step it is."""
        return self.claim.job_id

    @property
    def mark(self) -> int:
        """What the worker's mark says while this runs: below 0, where tasks have none."""
        return -self.claim.job_id

    def end(self, error: str | None = None) -> ending.StepEnd:
        """What it has come to."""
        return ending.StepEnd(
            job_id=self.job_id, worker_id=self.worker_id, run=self.claim.run, error=error,
            is_owed=self.handler.all_tasks_done is not None,
            reschedule=self.handler.reschedule,
        )  # fmt: skip


class FinishingJob(KnownJob):
    """The job as its callbacks see it: all its tasks have ended. `is_over`: it has ended, too."""

    def __init__(self, parts: Parts, step: Step, *, is_over: bool) -> None:
        super().__init__(step.facts)
        self._parts = parts
        self._step = step
        self._call = step.call
        self._is_over = is_over
        #: By the monotonic clock: from then on nothing that the callback says is stored.
        self.ends_at = math.inf
        self._patience = Patience(parts.database, self._rest)
        self._added: list[NewTask] = []

    @property
    def counts(self) -> Mapping[str, int]:
        """How many tasks ended how: total, done, failed, cancelled, skipped."""
        return self._patience.read(lambda connection: reading.job(connection, self.id).counts)

    @property
    def cancelled(self) -> bool:
        """Whether somebody cancelled the job meanwhile: end soon."""
        if self._call.cancelled:
            return True
        return self._patience.read(lambda connection: ending.is_cancelled(connection, self.id))

    @property
    def state(self) -> Mapping[str, Any]:
        """The job's stored state. Read only: set_state_field() changes it."""
        return MappingProxyType(decode(self._stored().state))

    @property
    def seconds_left(self) -> float | None:
        """How long the callback may still take, 0.0 at the least; None: it has no timeout (B5)."""
        left = max(0.0, self.ends_at - time.monotonic())
        return None if left == math.inf else left

    def get_state_field(self, key: str, default: Any = None) -> Any:
        """Return one field of the job's stored state."""
        return self.state.get(key, default)

    def set_state_field(self, key: str, value: Any) -> None:
        """Set one field of the job's state; it is durable when this returns."""
        self.update_fields_atomically(lambda state: state.update({key: value}))

    def update_fields_atomically(self, change: Change) -> dict[str, Any]:
        """Change the job's state by what it is just now; return the new one, once durable (A9)."""
        while True:
            seen = self._stored()
            newer, text = apply(change, seen.state, self._parts.limit)
            if self._patience.write(partial(self._move, JobState(self.id, seen.base, text))):
                self._parts.announce([self.id])
                return newer

    def add_tasks(self, tasks: Iterable[Mapping[str, Any]]) -> None:
        """Let the job go on with these tasks, `{"state": {...}}`, when the callback returns.

        They are stored together with the end of the callback: one that crashes adds none, and
        adds them when it is repeated. Raises JobEnded in `on_all_tasks_done`.
        """
        if self._is_over:
            raise JobEnded(self.id, "all its tasks are done", "extended")
        self._stop_if_timed_out()
        self._added += new_tasks(tasks, self._parts.limit)

    @property
    def added(self) -> list[NewTask]:
        """What add_tasks() was given (for the core)."""
        return self._added

    def _stop_if_timed_out(self) -> None:
        if time.monotonic() >= self.ends_at:
            raise TaskTimedOut

    def _stored(self) -> JobState:
        return self._patience.read(lambda connection: recording.job_state(connection, self.id))

    def _move(self, newer: JobState, connection: Connection) -> bool:
        self._stop_if_timed_out()
        fence = (self._step.worker_id, self._step.claim.run)
        if recording.move_job_state(connection, newer, fence):
            return True
        if not ending.owns_step(connection, self._step.end()):
            raise TaskLost
        return False

    def _rest(self, seconds: float) -> None:
        """Wait while the database is away, as long as it is worth it."""
        if self._call.lost:
            raise TaskLost
        self._stop_if_timed_out()
        threading.Event().wait(seconds)


def patiently(call: Call, write: Callable[[], Written], *passing: type[Exception]) -> Written:
    """Write, again and again while that fails in a way that passes; TaskLost: it is others' now."""
    while not call.lost:
        try:
            return write()
        except passing as error:
            log.warning("What a callback has to say cannot be written yet: %s", error)
            threading.Event().wait(RETRY_SECONDS)
    raise TaskLost


class Finisher:
    """Does finish steps: calls what is due, and records what has come of it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def finish(self, step: Step) -> None:
        """Do what of a finish step is due; never raises for what a callback does.

        When the step is lost to others, what it has come to is not recorded: they repeat it, or go
        on with it when its callback has taken too long.
        """
        with contextlib.suppress(TaskLost):
            if step.claim.stage == "before" and not self._before(step):
                return
            self._after(step)

    def _before(self, step: Step) -> bool:
        """Call `before_job_finish`, and record its end; tell whether `on_all_tasks_done` is due."""
        job = FinishingJob(self._parts, step, is_over=False)
        error = None
        if step.handler.finish_hook and not job.cancelled:
            hook = partial(step.handler.finish_hook, job, step.claim.rounds + 1)
            error = self._outcome(step, "before", job, hook)
        return self._end_job(step, error, [] if error else job.added)

    def _end_job(self, step: Step, error: str | None, tasks: list[NewTask]) -> bool:
        ended = self._record(step, lambda: self._end(step, error, tasks))
        signals.tell_of_ends(self._parts.database, [step.job_id])
        if ended.successor:
            self._parts.announce([ended.successor])
            signals.tell_of_jobs(self._parts.database, signals.job_created, [ended.successor])
        return ended.is_owed

    def _after(self, step: Step) -> None:
        error = None
        if step.handler.all_tasks_done:
            job = FinishingJob(self._parts, step, is_over=True)
            hook = partial(step.handler.all_tasks_done, job)
            error = self._outcome(step, "after", job, hook)
        self._record(step, lambda: self._let_go(step, error))

    def _outcome(self, step: Step, stage: str, job: FinishingJob, hook: Callback) -> str | None:
        """Call a callback, if it is to be called; return what went wrong, as a sentence."""
        if step.claim.stage == stage and step.claim.crashes >= MOST_CRASHES:
            return (
                f"{NAMES[stage]} is not called again: its worker process died {step.claim.crashes} "
                "times while it ran."
            )
        call = partial(self._called, step, stage, hook)
        if step.timeout:
            job.ends_at = time.monotonic() + step.timeout
            error = self._timed(step, stage, job.ends_at, call)
        else:
            error = call()
        if error:
            log.error("Job %s: %s", step.job_id, error)
        return error

    def _called(self, step: Step, stage: str, hook: Callback) -> str | None:
        try:
            with entered(self._parts.within, step.call):
                result_of(hook(), step.call)
        except TaskCancelled:
            return None  # and the job ends as cancelled
        except BaseException as error:  # noqa: BLE001 - as for tasks: whatever it raises
            return _told(step, stage, error)
        return None

    def _timed(
        self, step: Step, stage: str, ends_at: float, call: Callable[[], str | None]
    ) -> str | None:
        """The same for one with a timeout; TaskLost: another thread goes on with the step."""
        late = f"{NAMES[stage]} took longer than {step.timeout:g} s, which is its timeout."

        def cut_off(thread: threading.Thread) -> None:
            place = place_of(thread, __file__, Finisher._called.__name__) or ""
            log.error("Job %s: %s %s", step.job_id, late, mask_text(place, step.facts.secrets))
            step.call.time_out()
            # The lock of all deadlines is held here, and writing may take a while.
            threading.Thread(
                target=self._go_on_without,
                args=(step, stage, late),
                name="jobdeck-late",
                daemon=True,
            ).start()

        deadline = Deadline(ends_at, cut_off, partial(self._parts.replace, step))
        self._parts.deadlines.begin(deadline)
        try:
            error = call()
        finally:
            is_ours = self._parts.deadlines.end(deadline)
        if not is_ours:
            raise TaskLost
        return late if time.monotonic() >= ends_at else error

    def _go_on_without(self, step: Step, stage: str, late: str) -> None:
        """Record what a callback has come to that is not over, and let the pool do the rest."""
        with contextlib.suppress(TaskLost):
            if stage == "after":
                self._record(step, lambda: self._let_go(step, late))
            elif self._end_job(step, late, []):
                self._parts.go_on(step.rest)

    def _end(self, step: Step, error: str | None, tasks: list[NewTask]) -> ending.Ended:
        end = step.end(error)

        def end_if_owned(connection: Connection) -> ending.Ended:
            if not ending.owns_step(connection, end):
                raise TaskLost  # and nothing is added
            return ending.end_step(connection, end)

        return add_with(self._patience(step), Adder(job_id=step.job_id), tasks, end_if_owned)

    def _let_go(self, step: Step, error: str | None) -> None:
        end = step.end(error)
        self._patience(step).write(lambda connection: ending.let_go(connection, end))

    def _patience(self, step: Step) -> Patience:
        """What writes the end of a step once, whatever is answered, as long as it is ours."""

        def rest(seconds: float) -> None:
            if step.call.lost:
                raise TaskLost
            threading.Event().wait(seconds)

        return Patience(self._parts.database, rest)

    def _record(self, step: Step, write: Callable[[], Written]) -> Written:
        written = patiently(step.call, write, DBAPIError, AddingInterrupted)
        self._parts.announce([step.job_id])
        return written


def _told(step: Step, stage: str, error: BaseException) -> str:
    *_, last = traceback.extract_tb(error.__traceback__)
    said = f"{NAMES[stage]} failed: {sentence_of(error)} ({last.filename}, line {last.lineno})"
    return storable_text(mask_text(said, step.facts.secrets))
