"""What happens to jobs and tasks, as Python signals (B9).

Each is sent in the process in which it happens, after the commit that made it true, and on the
thread that did it: a listener must be quick, or give its work to others. One that raises is
logged and harms nothing. A process that dies between the commit and the signal tells nobody: what
must not be missed belongs into a callback of the handler.

The sender is the handler's name. Those of jobs bring `job`, a JobRow; those of tasks `job_id`,
`task_index` and `attempt`, and of a failure its `error`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, TypeVar

from blinker import NamedSignal, Namespace

from app.db import Database, iso
from app.jobs.states import JobStatus, TaskStatus
from app.jobs.store import inspecting, reading
from app.jobs.store.inspecting import Fate
from app.jobs.store.recording import TaskWrites
from app.jobs.views import JobRow

log = logging.getLogger(__name__)

_named: Final = Namespace().signal
job_created: Final = _named("job-created", "A job is stored, with all its tasks.")
job_started: Final = _named("job-started", "A job got a slot of its handler.")
job_progress: Final = _named("job-progress", "Tasks of a job ended; sent once for each commit.")
job_finished: Final = _named("job-finished", "A job ended, with or without errors.")
job_cancelled: Final = _named("job-cancelled", "A job that somebody cancelled ended.")
job_stalled: Final = _named("job-stalled", "A worker died under a job, which goes on.")
task_started: Final = _named("task-started", "A task is about to run.")
task_done: Final = _named("task-done", "A task ended well.")
task_failed: Final = _named("task-failed", "A task failed for good.")
task_retrying: Final = _named("task-retrying", "A task failed, and will be tried again.")

Told = TypeVar("Told")
_OF_TASKS: Final = (task_done, task_failed, task_retrying)
_OF_OUTCOMES: Final = (*_OF_TASKS, job_progress)


def send(signal: NamedSignal, handler: str, **facts: Any) -> None:
    """Tell those who listen to this handler, whatever they do."""
    for listener in signal.receivers_for(handler):
        try:
            listener(handler, **facts)
        except BaseException:
            log.exception("A listener of %s failed", signal.name)


def tell_of_jobs(
    database: Database, signal: NamedSignal, job_ids: Collection[int], at: str | None = None
) -> None:
    """Send a signal of these jobs; with `at`, only of those that were started just then."""
    if signal.receivers and job_ids:
        for job in _quietly(lambda: _jobs(database, job_ids)):
            if at is None or (job.started_at and iso(job.started_at) == at):
                send(signal, job.handler, job=job)


def tell_of_ends(database: Database, job_ids: Collection[int], at: str | None = None) -> None:
    """Say of those of these jobs that have ended how; with `at`, only if they did just then."""
    if job_ids and (job_finished.receivers or job_cancelled.receivers):
        for job in _quietly(lambda: _jobs(database, job_ids)):
            if job.is_final and job.finished_at and at in (None, iso(job.finished_at)):
                is_cancelled = job.status == JobStatus.CANCELLED
                send(job_cancelled if is_cancelled else job_finished, job.handler, job=job)


def tell_of_outcomes(database: Database, group: Iterable[TaskWrites]) -> None:
    """Say what became of the tasks that a group of writes has ended, and how far their jobs are."""
    if not any(each.receivers for each in _OF_OUTCOMES):
        return
    ended = {writes.task_id: writes for writes in group if writes.status}
    if any(each.receivers for each in _OF_TASKS):
        for fate in _quietly(lambda: _fates(database, ended)):
            _tell_of_outcome(ended[fate.id], fate)
    tell_of_jobs(database, job_progress, {writes.job_id for writes in ended.values()})


def _tell_of_outcome(writes: TaskWrites, fate: Fate) -> None:
    facts = {"job_id": writes.job_id, "task_index": fate.index, "attempt": writes.attempt}
    if writes.status == TaskStatus.DONE:
        send(task_done, fate.handler, **facts)
    elif writes.status == TaskStatus.FAILED:
        is_over = (fate.status, fate.attempt) == (TaskStatus.FAILED, writes.attempt)
        signal = task_failed if is_over or not writes.run_after else task_retrying
        send(signal, fate.handler, **facts, error=writes.error)


def _jobs(database: Database, job_ids: Collection[int]) -> list[JobRow]:
    with database.reading() as connection:
        return reading.jobs_of(connection, job_ids)


def _fates(database: Database, task_ids: Collection[int]) -> list[Fate]:
    with database.reading() as connection:
        return inspecting.fates(connection, task_ids)


def _quietly(look: Callable[[], list[Told]]) -> list[Told]:
    """What is to be told of; nothing when that cannot be read, for what happened has happened."""
    try:
        return look()
    except Exception:
        log.exception("Listeners are not told of what happened")
        return []
