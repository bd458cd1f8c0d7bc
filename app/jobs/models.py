"""The rows of the core: Handler, Pause, Worker, Job, Task, Attempt, LogLine, File.

What counts a job's tasks and its handler's running jobs are triggers, see store/counting.py.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Computed, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Id, Moment
from app.jobs.states import JobStatus, TaskStatus
from app.users.permissions import Role


class Handler(Base):
    """What is known of a handler beyond its code: what it declares, and how many jobs hold a slot.

    What its code declares and what a person has set over it (B11) lie apart, so that the start of
    a worker changes nothing of the latter.
    """

    __tablename__ = "handler"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    concurrency_limit: Mapped[int | None]  # jobs at once; None: no limit
    parallel_limit: Mapped[int | None]  # tasks of one job at once; None: no limit
    running: Mapped[int] = mapped_column(server_default=text("0"))  # jobs IN_PROGRESS
    # JSON, by action: who may see its jobs must be known also where its code is not.
    roles: Mapped[str] = mapped_column(Text, server_default=text("'{}'"))
    # None: what is declared counts; 0: no limit.
    set_concurrency_limit: Mapped[int | None]
    set_parallel_limit: Mapped[int | None]
    limits_set_at: Mapped[datetime | None] = mapped_column(Moment)
    limits_set_by: Mapped[Id | None]  # a user; their ids are never used again


class Pause(Base):
    """A handler of which nothing may begin, or `*` for all of them (B11). It ends by itself."""

    __tablename__ = "pause"

    handler: Mapped[str] = mapped_column(String(100), primary_key=True)
    paused_at: Mapped[datetime] = mapped_column(Moment)
    paused_by: Mapped[Id | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    reason: Mapped[str] = mapped_column(String(500))
    until: Mapped[datetime | None] = mapped_column(Moment)  # None: until somebody resumes it


class Worker(Base):
    """One incarnation of a process with an engine. Its id is never used again: it is the fence."""

    __tablename__ = "worker"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[Id] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    mark: Mapped[str] = mapped_column(String(64))  # its file in DATA_DIR/workers
    handlers: Mapped[str] = mapped_column(Text)  # JSON list of the names it can run
    alive: Mapped[bool]
    started_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    # The numbers of its last claim and of the last group that it wrote, see store/numbering.py.
    last_claim: Mapped[Id] = mapped_column(server_default=text("0"))
    last_group: Mapped[Id] = mapped_column(server_default=text("0"))
    threads: Mapped[int] = mapped_column(server_default=text("0"))
    renewed_at: Mapped[datetime | None] = mapped_column(Moment)  # its last heartbeat, if it had one


#: A job that has not ended. Not by its status: an index of it would change with each of that.
ACTIVE = "finished_at IS NULL"
#: One that runs, and of which there is something to claim, to end or to stop just now.
READY = """status = 'IN_PROGRESS' AND (scheduled > waiting
    OR (scheduled = 0 AND in_progress = 0 AND finisher IS NULL)
    OR cancel_requested_at IS NOT NULL)"""
QUEUED = "status = 'QUEUED' AND waiting_until IS NULL"


def _jobs_where(name: str, condition: str, *columns: str) -> Index:
    """An index of the few jobs of which this is true."""
    where = text(condition)
    return Index(f"ix_job_{name}", *columns, sqlite_where=where, postgresql_where=where)


class Job(Base):
    """What was asked (A1). The counters below are moved by triggers on `task`."""

    __tablename__ = "job"

    id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(500))
    handler: Mapped[str] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(20))
    held: Mapped[bool] = mapped_column(server_default=text("false"))  # waits for start_queued_jobs
    priority: Mapped[int] = mapped_column(server_default=text("100"))
    parallel_limit: Mapped[int | None]  # its own; None: its handler's; 0: no limit
    # Set while the tasks are being written: such a job is invisible, and removed when it is past.
    preparing_until: Mapped[datetime | None] = mapped_column(Moment)
    total: Mapped[int] = mapped_column(server_default=text("0"))
    scheduled: Mapped[int] = mapped_column(server_default=text("0"))
    in_progress: Mapped[int] = mapped_column(server_default=text("0"))
    done: Mapped[int] = mapped_column(server_default=text("0"))
    failed: Mapped[int] = mapped_column(server_default=text("0"))
    cancelled: Mapped[int] = mapped_column(server_default=text("0"))
    skipped: Mapped[int] = mapped_column(server_default=text("0"))
    # How far it came: once somebody cancels the job, a cancelled task is none that was processed.
    progress: Mapped[int] = mapped_column(
        Computed(
            "CASE WHEN total = 0 THEN CASE WHEN cancel_requested_at IS NULL THEN 100 ELSE 0 END"
            " WHEN cancel_requested_at IS NULL"
            " THEN (done + failed + cancelled + skipped) * 100 / total"
            " ELSE (done + failed + skipped) * 100 / total END",
            persisted=True,
        )
    )
    version: Mapped[int] = mapped_column(server_default=text("0"))  # moved by every change of it
    created_at: Mapped[datetime] = mapped_column(Moment)
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    started_by: Mapped[Id | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    cancel_requested_at: Mapped[datetime | None] = mapped_column(Moment)
    cancel_requested_by: Mapped[Id | None] = mapped_column(
        ForeignKey("user.id", ondelete="SET NULL")
    )
    # Heavy columns last: a list that does not ask for them does not read them either.
    error: Mapped[str | None] = mapped_column(Text)
    state_version: Mapped[int] = mapped_column(server_default=text("0"))
    params: Mapped[str] = mapped_column(Text, server_default=text("'{}'"))
    #: The params as they were entered, for Run again; secrets are left out.
    input: Mapped[str] = mapped_column(Text, server_default=text("'{}'"))
    state: Mapped[str] = mapped_column(Text, server_default=text("'{}'"))
    # Tasks from this index on are still being added: nobody sees them, and nobody runs them.
    end_index: Mapped[int] = mapped_column(server_default=text("0"))
    adding_until: Mapped[datetime | None] = mapped_column(Moment)
    # JSON: which tasks a retry has yet to reopen. Until it has, nothing of the job runs.
    retrying: Mapped[str | None] = mapped_column(Text)
    # The finish step: what of it is to be done, which worker does it, and how often it was begun.
    finish_step: Mapped[str | None] = mapped_column(String(10))
    finisher: Mapped[Id | None]
    finish_rounds: Mapped[int] = mapped_column(server_default=text("0"))
    finish_crashes: Mapped[int] = mapped_column(server_default=text("0"))
    waiting: Mapped[int] = mapped_column(server_default=text("0"))  # of scheduled: for a next try
    retries: Mapped[int | None]  # its own; None: its handler's
    timeout: Mapped[float | None]  # seconds that a try may take; None as well
    due_at: Mapped[datetime | None] = mapped_column(Moment)  # not to start before
    # Set until it is due: what waits so is not in the queue, however many there are of it.
    waiting_until: Mapped[datetime | None] = mapped_column(Moment)
    # The job that this one repeats. No reference: ids are never used again, and it may be deleted.
    rescheduled_from_job: Mapped[Id | None]
    reschedules: Mapped[int] = mapped_column(server_default=text("0"))  # by itself, in its chain
    # The job whose handler has started this one; no reference either.
    started_by_job: Mapped[Id | None]

    __table_args__ = (
        CheckConstraint(
            "status IN ({})".format(", ".join(f"'{each}'" for each in JobStatus)), name="status"
        ),
        Index("ix_job_status", "status", "id"),
        Index("ix_job_handler", "handler", "id"),
        _jobs_where("queued", QUEUED, "handler", "priority", "id"),
        _jobs_where("waiting", "waiting_until IS NOT NULL", "waiting_until"),
        _jobs_where(
            "rescheduled", "rescheduled_from_job IS NOT NULL", "rescheduled_from_job", "id"
        ),
        _jobs_where("started_by_job", "started_by_job IS NOT NULL", "started_by_job", "id"),
        _jobs_where("ready", READY, "priority", "id"),
        _jobs_where("preparing", "preparing_until IS NOT NULL", "preparing_until"),
        Index("ix_job_name", "name", "id"),
        Index("ix_job_finished_at", "finished_at", "id"),
        Index("ix_job_created_at", "created_at", "id"),
        Index("ix_job_started_by", "started_by", "id"),
        _jobs_where("active", ACTIVE, "started_by", "id"),
        _jobs_where(
            "cancelling",
            "cancel_requested_at IS NOT NULL AND status IN ('QUEUED', 'IN_PROGRESS')",
            "id",
        ),
        _jobs_where("retrying", "retrying IS NOT NULL", "id"),
        _jobs_where("adding", "adding_until IS NOT NULL", "adding_until"),
        _jobs_where("finisher", "finisher IS NOT NULL", "finisher"),
        _jobs_where("canceller", "cancel_requested_by IS NOT NULL", "cancel_requested_by"),
        _jobs_where("finishing", "finish_step = 'after'", "id"),
        # An id is never used again: what was said of a deleted job must not be taken for another.
        {"sqlite_autoincrement": True},
    )


def _tasks_where(name: str, condition: str, *columns: str) -> Index:
    """An index of the tasks of which this is true: small, in the order of their job."""
    where = text(condition)
    columns = columns or ("job_id", "idx")
    return Index(f"ix_task_{name}", *columns, sqlite_where=where, postgresql_where=where)


class Task(Base):
    """One part of a job. `idx` is its place for good: others that are deleted leave a gap."""

    __tablename__ = "task"

    id: Mapped[Id] = mapped_column(primary_key=True)
    job_id: Mapped[Id] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    idx: Mapped[Id]
    status: Mapped[str] = mapped_column(String(20))
    worker_id: Mapped[Id | None]  # the fence: who claimed it
    attempt: Mapped[int] = mapped_column(server_default=text("0"))  # tries begun so far
    crashes: Mapped[int] = mapped_column(server_default=text("0"))  # workers that died running it
    version: Mapped[int] = mapped_column(server_default=text("0"))  # the job's, at its last change
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    error: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default=text("'{}'"))
    result: Mapped[str | None] = mapped_column(Text)
    run_after: Mapped[datetime | None] = mapped_column(Moment)  # while it waits for a retry
    retries: Mapped[int] = mapped_column(server_default=text("0"))  # used up since it was opened

    __table_args__ = (
        CheckConstraint(
            "status IN ({})".format(", ".join(f"'{each}'" for each in TaskStatus)), name="status"
        ),
        Index("uq_task_job_id_idx", "job_id", "idx", unique=True),
        _tasks_where("scheduled", "status = 'SCHEDULED' AND run_after IS NULL"),
        _tasks_where("waiting", "run_after IS NOT NULL"),  # a million of such cost no claim
        _tasks_where("run_after", "run_after IS NOT NULL", "run_after"),
        _tasks_where("in_progress", "status = 'IN_PROGRESS'"),
        _tasks_where("failed", "status = 'FAILED'"),
        _tasks_where("cancelled", "status = 'CANCELLED'"),
        # The few that must run alone next, see candidates.SUSPECT_CRASHES.
        _tasks_where("suspect", "status = 'SCHEDULED' AND crashes >= 2", "id"),
    )


class Mark(Base):
    """Left by a transaction whose COMMIT may get no answer: who finds it knows it came true."""

    __tablename__ = "mark"

    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (Index("ix_mark_at", "at"),)


class Attempt(Base):
    """A try of a task that did not end well. One that did is told by the task's own row."""

    __tablename__ = "attempt"

    id: Mapped[Id] = mapped_column(primary_key=True)
    task_id: Mapped[Id] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"))
    number: Mapped[int]
    status: Mapped[str] = mapped_column(String(20))
    worker_id: Mapped[Id | None]
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    error: Mapped[str | None] = mapped_column(Text)
    traceback: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (Index("uq_attempt_task_id_number", "task_id", "number", unique=True),)


class LogLine(Base):
    """One line that a handler said while it ran a task."""

    __tablename__ = "log_line"

    id: Mapped[Id] = mapped_column(primary_key=True)
    job_id: Mapped[Id] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    task_id: Mapped[Id] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"))
    attempt: Mapped[int]
    at: Mapped[datetime] = mapped_column(Moment)
    level: Mapped[str] = mapped_column(String(10))
    message: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        Index("ix_log_line_job_id_id", "job_id", "id"),
        Index("ix_log_line_task_id_id", "task_id", "id"),
    )


class File(Base):
    """A file on disk that somebody uploaded or a handler made. Its job owns it.

    One without a job waits to be used until it expires; one that has no job any more is removed.
    So whatever deletes a job, nothing on disk is forgotten: the row outlives the file.
    """

    __tablename__ = "file"

    id: Mapped[Id] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(String(64), unique=True)  # its name in DATA_DIR/files
    name: Mapped[str] = mapped_column(String(255))  # as people read it
    size: Mapped[int] = mapped_column(BigInteger)
    role: Mapped[str] = mapped_column(String(20))  # the least that may download it
    uploaded: Mapped[bool]
    uploaded_by: Mapped[Id | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    job_id: Mapped[Id | None] = mapped_column(ForeignKey("job.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)  # of one that is not used yet

    __table_args__ = (
        Index("uq_file_job_id_name", "job_id", "name", unique=True),
        Index("ix_file_uploaded_by", "uploaded_by"),
        Index(
            "ix_file_without_job",
            "expires_at",
            sqlite_where=text("job_id IS NULL"),
            postgresql_where=text("job_id IS NULL"),
        ),
        CheckConstraint(
            "role IN ({})".format(", ".join(f"'{each}'" for each in Role)), name="role"
        ),
        # An id is never used again: a form that names an upload must not get another one.
        {"sqlite_autoincrement": True},
    )
