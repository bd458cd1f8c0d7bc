"""The statuses of jobs and tasks, and what may follow what, as data."""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """Where a job stands (A2)."""

    QUEUED = "QUEUED"  # waits for a slot of its handler
    IN_PROGRESS = "IN_PROGRESS"  # holds a slot; its tasks run
    DONE = "DONE"  # every task ended well
    DONE_WITH_ERRORS = "DONE_WITH_ERRORS"  # ended, and at least one task failed
    CANCELLED = "CANCELLED"  # stopped by a person; nothing of it runs any more


class TaskStatus(StrEnum):
    """Where a task stands (A2)."""

    SCHEDULED = "SCHEDULED"  # may be claimed
    IN_PROGRESS = "IN_PROGRESS"  # claimed by a worker
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"


class PendingCode(StrEnum):
    """What a job that does not run waits for, for programs. New ones may be added."""

    CANCELLING = "cancelling"  # its cancel comes true
    REOPENING = "reopening"  # its tasks, for a retry
    DUE = "due"  # its time
    HELD = "held"  # a call of start_queued_jobs()
    RETRY = "retry"  # all its tasks wait for their next try
    PAUSED = "paused"  # its handler, or everything, is paused
    NO_WORKER = "no_worker"  # no worker lives
    NO_HANDLER = "no_handler"  # no living worker has its handler
    BROKEN_HANDLER = "broken_handler"  # nor can its code be loaded here
    SLOT = "slot"  # its handler runs as many jobs as it may
    NO_THREAD = "no_thread"  # all threads of all workers are busy
    ALONE = "alone"  # a task whose workers died runs alone first
    DEADLOCK = "deadlock"  # jobs that may wait for each other take all threads, or all slots
    NEXT = "next"  # nothing: it is its turn, or that of those before it


JOB_FINAL = frozenset({JobStatus.DONE, JobStatus.DONE_WITH_ERRORS, JobStatus.CANCELLED})
JOB_ACTIVE = frozenset({JobStatus.QUEUED, JobStatus.IN_PROGRESS})
TASK_FINAL = frozenset(
    {TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.SKIPPED}
)

#: The only moves there are: a status, and the statuses that it may be entered from. The store's
#: statements are guarded accordingly, and a test tries every pair against them.
JOB_ENTERED_FROM: dict[JobStatus, frozenset[JobStatus]] = {
    # Tried again: the chosen tasks run once more, callbacks too.
    JobStatus.QUEUED: JOB_FINAL,
    JobStatus.IN_PROGRESS: frozenset({JobStatus.QUEUED}),
    JobStatus.DONE: frozenset({JobStatus.IN_PROGRESS}),
    JobStatus.DONE_WITH_ERRORS: frozenset({JobStatus.IN_PROGRESS}),
    JobStatus.CANCELLED: frozenset({JobStatus.QUEUED, JobStatus.IN_PROGRESS}),
}
TASK_ENTERED_FROM: dict[TaskStatus, frozenset[TaskStatus]] = {
    # Back from IN_PROGRESS: it failed and has retries left, its worker died, or handed it back on
    # its way out. From the others: it is tried again.
    TaskStatus.SCHEDULED: TASK_FINAL | {TaskStatus.IN_PROGRESS},
    TaskStatus.IN_PROGRESS: frozenset({TaskStatus.SCHEDULED}),
    TaskStatus.DONE: frozenset({TaskStatus.IN_PROGRESS}),
    TaskStatus.FAILED: frozenset({TaskStatus.IN_PROGRESS}),
    TaskStatus.CANCELLED: frozenset({TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS}),
    TaskStatus.SKIPPED: frozenset({TaskStatus.SCHEDULED}),
}


class AttemptStatus(StrEnum):
    """How one try of a task ended."""

    IN_PROGRESS = "IN_PROGRESS"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"  # it stopped because its job was cancelled
    TIMED_OUT = "TIMED_OUT"  # it took longer than it may; its task FAILED, or is tried again
    CRASHED = "CRASHED"  # its worker died while it ran
