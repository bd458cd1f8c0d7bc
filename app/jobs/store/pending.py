"""Read what keeps jobs from running: slots, threads, retries to come, places in the queue.

Each question looks at a bounded number of rows, however many jobs there are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import (
    Connection,
    Select,
    and_,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    text,
    union_all,
)

from app.jobs import models
from app.jobs.states import JobStatus
from app.jobs.store.candidates import SUSPECT_CRASHES
from app.jobs.store.listing import COUNT_CAP
from app.jobs.store.steering import CONCURRENCY_LIMIT

#: Rows that are looked at for one answer.
MOST: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class PendingJob:
    """A job that has not ended, as far as what it waits for is concerned."""

    id: int
    handler: str
    status: str
    held: bool
    priority: int
    waiting_until: datetime | None
    is_reopening: bool
    is_cancelling: bool
    scheduled: int
    in_progress: int
    waiting: int
    is_finishing: bool
    finisher: int | None
    started_by_job: int | None
    slots: int | None
    slots_taken: int | None

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it runs."""
        return not self.in_progress and self.finisher is None


@dataclass(frozen=True, kw_only=True)
class BusyThreads:
    """Threads of a worker that a job takes; `is_alone`: nothing begins beside it."""

    worker_id: int
    job_id: int
    handler: str
    threads: int
    is_alone: bool = False


@dataclass(frozen=True, kw_only=True)
class Child:
    """A job that a running job has started; `is_idle`: nothing of it runs, though it could."""

    id: int
    parent: int
    is_idle: bool


_job = models.Job
_PENDING: Final = (
    select(
        _job.id,
        _job.handler,
        _job.status,
        _job.held,
        _job.priority,
        _job.waiting_until,
        _job.retrying.is_not(None).label("is_reopening"),
        _job.cancel_requested_at.is_not(None).label("is_cancelling"),
        _job.scheduled,
        _job.in_progress,
        _job.waiting,
        _job.finish_step.is_not(None).label("is_finishing"),
        _job.finisher,
        _job.started_by_job,
        literal_column(CONCURRENCY_LIMIT).label("slots"),
        models.Handler.running.label("slots_taken"),
    )
    .outerjoin(models.Handler, models.Handler.name == _job.handler)
    .where(_job.finished_at.is_(None), _job.preparing_until.is_(None))
)


def pending_jobs(connection: Connection, job_ids: Collection[int]) -> list[PendingJob]:
    """Return those of these jobs that have not ended."""
    found = connection.execute(_PENDING.where(_job.id.in_(job_ids)))
    return [PendingJob(**row._mapping) for row in found]


def busy_threads(connection: Connection) -> list[BusyThreads]:
    """Return what the threads of all workers are busy with, by worker and job."""
    task = models.Task
    alone = func.max(task.crashes) >= SUSPECT_CRASHES
    tasks = (
        select(task.worker_id, task.job_id, func.count().label("threads"), alone.label("is_alone"))
        .where(text("task.status = 'IN_PROGRESS'"), task.worker_id.is_not(None))
        .group_by(task.worker_id, task.job_id)
        .limit(MOST)
        .subquery("running")
    )
    running = select(tasks, _job.handler).join(_job, _job.id == tasks.c.job_id)
    steps = select(_job.finisher.label("worker_id"), _job.id.label("job_id"), _job.handler)
    steps = steps.where(_job.finisher.is_not(None)).limit(MOST)
    found = [BusyThreads(**row._mapping) for row in connection.execute(running)]
    return found + [BusyThreads(**row._mapping, threads=1) for row in connection.execute(steps)]


def slot_holders(connection: Connection, handlers: Collection[str]) -> dict[str, list[int]]:
    """Return the jobs that hold a slot of these handlers, the oldest first."""
    some = (
        select(_job.id, _job.handler)
        .where(_job.status == JobStatus.IN_PROGRESS)
        .order_by(_job.id)
        .limit(MOST)
        .subquery("some")
    )
    found: dict[str, list[int]] = {}
    for row in connection.execute(select(some).where(some.c.handler.in_(handlers))):
        found.setdefault(row.handler, []).append(row.id)
    return {handler: sorted(ids) for handler, ids in found.items()}


def children(connection: Connection, parents: Collection[int]) -> list[Child]:
    """Return the jobs that these have started and that have not ended."""
    queued = and_(
        _job.status == JobStatus.QUEUED, _job.waiting_until.is_(None), _job.held.is_(False)
    )
    resting = and_(_job.scheduled > _job.waiting, _job.in_progress == 0, _job.finisher.is_(None))
    is_idle = or_(queued, and_(_job.status == JobStatus.IN_PROGRESS, resting))
    wanted: Select[int, int | None, bool] = (
        select(_job.id, _job.started_by_job, is_idle)
        # Not by the index of what has not ended: that may be a million jobs.
        .where(_job.started_by_job.in_(parents), func.coalesce(_job.finished_at, null()).is_(None))
        .where(_job.preparing_until.is_(None))
        .order_by(_job.id)
        .limit(MOST)
    )
    found = connection.execute(wanted)
    return [Child(id=id_, parent=parent or 0, is_idle=bool(idle)) for id_, parent, idle in found]


#: As the index of the queue has it, see models.QUEUED.
_QUEUED: Final = text(models.QUEUED)


def started_jobs(connection: Connection, job_id: int) -> list[int]:
    """Return the jobs that a job's handler has started, the newest 20, oldest first."""
    wanted = select(_job.id).where(_job.started_by_job == job_id, _job.preparing_until.is_(None))
    return [*connection.scalars(wanted.order_by(_job.id.desc()).limit(20))][::-1]


def place_in_queue(connection: Connection, job: PendingJob) -> int:
    """Return how many jobs of its handler are to start before it; above COUNT_CAP: more of them."""
    # Two ranges of one index: asked for as one, most databases would walk the whole queue.
    same = _job.priority == job.priority
    ranges = (_job.priority < job.priority, and_(same, _job.id < job.id))
    place = 0
    for before in ranges:
        some = select(_job.held).where(_QUEUED, _job.handler == job.handler, before)
        limited = some.where(_job.preparing_until.is_(None)).limit(COUNT_CAP + 1)
        held: Sequence[bool] = connection.scalars(limited).all()
        if len(held) > COUNT_CAP:
            return len(held)
        place += sum(not each for each in held)
    return place


def next_tries(connection: Connection, job_ids: Collection[int]) -> dict[int, datetime]:
    """Return when a task of each of these jobs is tried again next, by job.

    At the latest then, if there are many: a bounded number is looked at of each job.
    """
    if not job_ids:
        return {}
    found = connection.execute(union_all(*map(_next_try, job_ids)))
    return {job_id: moment for job_id, moment in found if moment is not None}


def _next_try(job_id: int) -> Select[int, datetime | None]:
    task = models.Task
    some = select(task.run_after).where(task.job_id == job_id, task.run_after.is_not(None))
    tries = some.limit(MOST).subquery("tries")
    return select(literal(job_id), func.min(tries.c.run_after))


def suspect_job(connection: Connection) -> int | None:
    """Return the job of a task that must run alone next, because its workers keep dying."""
    task = models.Task
    suspects = text(f"task.status = 'SCHEDULED' AND task.crashes >= {SUSPECT_CRASHES}")
    found = select(task.job_id).where(suspects, task.run_after.is_(None)).limit(1)
    return connection.scalar(found)
