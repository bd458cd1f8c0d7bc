"""What people and programs see of jobs, tasks, attempts and log lines: values, no rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from app.jobs.states import JOB_FINAL, TASK_FINAL, PendingCode, TaskStatus


@dataclass(frozen=True, slots=True)
class Person:
    """Who did something."""

    id: int
    email: str


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A handler of which nothing may begin just now, or all of them (B11)."""

    handler: str
    paused_at: datetime
    paused_by: Person | None
    reason: str
    #: When it ends by itself; None: when somebody resumes it.
    until: datetime | None


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How much may run at once: just now, and as the handler's code declares; None is no limit."""

    now: int | None
    declared: int | None
    is_set: bool


@dataclass(frozen=True, kw_only=True)
class HandlerRow:
    """A handler as it stands just now. `queued` counts up to 1,001; `workers` are alive."""

    name: str
    parallel_limit: Limit
    concurrency_limit: Limit
    limits_set_at: datetime | None
    limits_set_by: Person | None
    running: int
    queued: int
    workers: int
    pause: Pause | None


@dataclass(frozen=True, kw_only=True)
class WorkerRow:
    """A worker that is not known to be dead; `is_late`: its lease is over, so it may be."""

    id: int
    host: str
    pid: int
    threads: int
    handlers: Sequence[str]
    started_at: datetime
    renewed_at: datetime | None
    is_late: bool


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """A job as a list shows it."""

    id: int
    name: str
    handler: str
    status: str
    #: Percent of its tasks that were processed, rounded down; the database computes it.
    progress: int
    total: int
    scheduled: int
    in_progress: int
    done: int
    failed: int
    cancelled: int
    skipped: int
    #: How many of those scheduled wait for their next try.
    waiting: int
    version: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    started_by: Person | None
    cancel_requested_by: Person | None
    #: Tasks have indexes below this; after a deletion there are fewer of them.
    end_index: int
    #: Whether a callback runs, or is due, since all its tasks have ended.
    finishing: bool
    #: Its place in the queue: lower comes first.
    priority: int
    #: Not to start before; whether it is still to wait for that.
    due_at: datetime | None
    is_waiting: bool
    no_worker: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.status in JOB_FINAL

    @property
    def is_cancelling(self) -> bool:
        """Whether a cancel was asked for that has not come true yet."""
        return self.cancel_requested_at is not None and not self.is_final

    @property
    def final(self) -> int:
        """How many tasks have ended."""
        return self.done + self.failed + self.cancelled + self.skipped

    @property
    def processed(self) -> int:
        """How many tasks have ended, but not by a cancel of the job: what `progress` counts."""
        return self.final - (0 if self.cancel_requested_at is None else self.cancelled)

    @property
    def unfinished(self) -> int:
        """How many tasks ended, but not well: they failed or were cancelled."""
        return self.failed + self.cancelled

    @property
    def counts(self) -> dict[str, int]:
        """The tasks by status, and in all."""
        return {"total": self.total} | {s.lower(): getattr(self, s.lower()) for s in TaskStatus}


@dataclass(frozen=True, kw_only=True)
class JobDetail(JobRow):
    """A job with all that is known of it; secret params are masked."""

    params: dict[str, Any]
    #: The params as they were entered, before the handler's model made values of them.
    input: dict[str, Any]
    state: dict[str, Any]
    error: str | None
    #: Its own, in place of what its handler declares; None: the handler's.
    retries: int | None
    timeout: float | None
    #: Tasks of it at once (None: no limit), and whether that is its own, not its handler's.
    parallel_limit: int | None
    has_own_limit: bool
    #: The job that it repeats, which may be deleted since.
    rescheduled_from_job: int | None
    #: The job whose handler has started it, which may be deleted since.
    started_by_job: int | None


@dataclass(frozen=True, kw_only=True)
class PendingReason:
    """Why a job does not run, as a code and as a sentence that names other jobs like `#12`."""

    code: PendingCode
    message: str
    #: The job that it is about most, and when this is over by itself.
    job_id: int | None = None
    until: datetime | None = None

    def with_more(self, sentence: str) -> PendingReason:
        """Return it with another sentence at its end."""
        return replace(self, message=f"{self.message} {sentence}")


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The ids of the jobs that a job repeats, and of those that repeat it, in their order."""

    earlier: Sequence[int] = ()
    later: Sequence[int] = ()

    def __bool__(self) -> bool:
        return bool(self.earlier or self.later)


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """A task as a list shows it."""

    id: int
    index: int
    status: str
    attempt: int
    crashes: int
    version: int
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    state: dict[str, Any]
    result: Any
    #: When one that failed is tried again, and how often it was so far, since it was opened.
    run_after: datetime | None
    retries: int

    @property
    def is_final(self) -> bool:
        """Whether the task has ended."""
        return self.status in TASK_FINAL


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try of a task."""

    number: int
    status: str
    worker: str | None
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    traceback: str | None


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line that a handler said."""

    id: int
    task_index: int
    attempt: int
    at: datetime
    level: str
    message: str


@dataclass(frozen=True, kw_only=True)
class TaskDetail(TaskRow):
    """A task with its attempts, newest first, and the last lines of its log."""

    attempts: Sequence[Attempt]
    log: Sequence[LogLine]


@dataclass(frozen=True, kw_only=True)
class FileRow:
    """A file of a job, or an upload that waits for one; `role` is the least that may read it."""

    id: int
    name: str
    size: int
    role: str
    uploaded: bool
    created_at: datetime
    token: str
    #: Where its bytes are; None as long as nobody has looked.
    path: Path | None = None
