"""The finish step: the callbacks of a job whose tasks have all ended, and its end (A11).

It is claimed and fenced like a task, and in no count. A crash anywhere repeats what of it is due.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.db import Database
from app.jobs.adding import add_with, new_tasks
from app.jobs.context import Call, Change, JobFacts, StartedBy, apply
from app.jobs.errors import TaskLost
from app.jobs.registry import Callback, Handler
from app.jobs.store import ending, reading, recording
from app.jobs.store.adding import Adder
from app.jobs.store.claiming import StepClaim
from app.jobs.store.creating import NewTask
from app.jobs.store.ending import MOST_CRASHES
from app.jobs.store.recording import JobState
from app.jobs.values import decode, mask_text, storable_text

log = logging.getLogger(__name__)

#: While the database cannot be written, what a callback has come to is tried again so often.
RETRY_SECONDS = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A claimed finish step with all that doing it takes."""

    claim: StepClaim
    facts: JobFacts
    handler: Handler
    worker_id: int

    @property
    def job_id(self) -> int:
        """Whose step it is."""
        return self.claim.job_id

    @property
    def mark(self) -> int:
        """What the worker's mark says while this runs: below 0, where tasks have none."""
        return -self.claim.job_id


class FinishingJob:
    """The job as its callbacks see it: all its tasks have ended."""

    def __init__(self, database: Database, step: Step, call: Call, limit: int) -> None:
        self._database = database
        self._step = step
        self._call = call
        self._limit = limit
        self._added: list[NewTask] = []

    @property
    def id(self) -> int:
        """The job's id."""
        return self._step.job_id

    @property
    def name(self) -> str:
        """The job's name when its finish step was claimed."""
        return self._step.facts.name

    @property
    def params(self) -> Any:
        """The params as the handler's own model, or a dict for a handler without one."""
        return self._step.facts.params

    @property
    def started_by(self) -> StartedBy | None:
        """Who started the job; None is nobody (a program)."""
        return self._step.facts.started_by

    @property
    def counts(self) -> Mapping[str, int]:
        """How many tasks ended how: total, done, failed, cancelled, skipped."""
        with self._database.reading() as connection:
            return reading.job(connection, self.id).counts

    @property
    def cancelled(self) -> bool:
        """Whether somebody cancelled the job meanwhile: end soon."""
        return self._call.cancelled

    @property
    def state(self) -> Mapping[str, Any]:
        """The job's stored state. Read only: set_state_field() changes it."""
        return MappingProxyType(decode(self._stored().state))

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
            newer, text = apply(change, seen.state, self._limit)
            moved = JobState(self.id, seen.base, text)
            with self._database.writing_once() as connection:
                if recording.move_job_state(connection, moved, self._step.worker_id):
                    return newer
                if not ending.owns_step(connection, self._step_of()):
                    raise TaskLost

    def add_tasks(self, tasks: Iterable[Mapping[str, Any]]) -> None:
        """Let the job go on with these tasks, `{"state": {...}}`, when the callback returns.

        They are stored together with the end of the callback: one that crashes adds none, and
        adds them when it is repeated.
        """
        self._added += new_tasks(tasks, self._limit)

    @property
    def added(self) -> list[NewTask]:
        """What add_tasks() was given (for the core)."""
        return self._added

    def _stored(self) -> JobState:
        with self._database.reading() as connection:
            return recording.job_state(connection, self.id)

    def _step_of(self) -> ending.Step:
        return ending.Step(job_id=self.id, worker_id=self._step.worker_id)


class Finisher:
    """Does finish steps: calls what is due, and records what has come of it."""

    def __init__(
        self,
        database: Database,
        announce: Callable[[Collection[int]], None],
        *,
        limit: int,
        within: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._database = database
        self._announce = announce
        self._limit = limit
        self._within = within

    def finish(self, step: Step, call: Call) -> None:
        """Do what of a finish step is due; never raises for what a callback does."""
        if step.claim.stage == "before" and not self._before(step, call):
            return
        job = FinishingJob(self._database, step, call, self._limit)
        error = self._called(step, "on_all_tasks_done", step.handler.all_tasks_done, job)
        self._record(step, call, lambda: self._let_go(step, error))

    def _before(self, step: Step, call: Call) -> bool:
        """Call `before_job_finish`, and record its end; tell whether `on_all_tasks_done` is due."""
        job = FinishingJob(self._database, step, call, self._limit)
        rounds = step.claim.rounds + 1
        error = self._called(step, "before_job_finish", step.handler.finish_hook, job, rounds)
        is_due = False

        def end() -> None:
            nonlocal is_due
            is_due = self._end(step, error, [] if error else job.added)

        return self._record(step, call, end) and is_due

    def _called(self, step: Step, name: str, callback: Callback | None, *given: Any) -> str | None:
        """Call a callback; return what went wrong, as a sentence."""
        if callback is None:
            return None
        if step.claim.crashes >= MOST_CRASHES:
            return (
                f"{name} is not called again: its worker process died {step.claim.crashes} times "
                "while it ran."
            )
        try:
            with self._within():
                callback(*given)
        except BaseException as error:  # noqa: BLE001 - as for tasks: whatever it raises
            return self._told(step, name, error)
        return None

    def _told(self, step: Step, name: str, error: BaseException) -> str:
        frames = traceback.extract_tb(error.__traceback__)
        place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
        said = f"{name} failed: {type(error).__name__}: {error}{place}"
        said = storable_text(mask_text(said, step.facts.secrets))
        log.error("Job %s: %s", step.job_id, said)
        return said

    def _end(self, step: Step, error: str | None, tasks: list[NewTask]) -> bool:
        ended = ending.Step(
            job_id=step.job_id,
            worker_id=step.worker_id,
            error=error,
            is_owed=step.handler.all_tasks_done is not None,
        )

        def end(connection: Connection) -> bool:
            if not ending.owns_step(connection, ended):
                raise TaskLost  # and nothing is added
            return ending.end_step(connection, ended)

        with contextlib.suppress(TaskLost):
            return add_with(self._database, Adder(job_id=step.job_id), tasks, end)
        return False

    def _let_go(self, step: Step, error: str | None) -> None:
        over = ending.Step(job_id=step.job_id, worker_id=step.worker_id, error=error)
        with self._database.writing() as connection:
            ending.let_go(connection, over)

    def _record(self, step: Step, call: Call, write: Callable[[], None]) -> bool:
        """Write what has come of it, again and again; False: it belongs to others now."""
        while not call.lost:
            try:
                write()
            except DBAPIError as error:
                log.warning("The end of job %s cannot be written yet: %s", step.job_id, error.orig)
                threading.Event().wait(RETRY_SECONDS)
            else:
                self._announce([step.job_id])
                return True
        return False
