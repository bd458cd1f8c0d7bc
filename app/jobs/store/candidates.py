"""What may be run: jobs and tasks as a scheduler sees them, looked for without a lock.

What it finds may have been taken by others when it asks for it: see claiming.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from app.db import stamp
from app.jobs.models import READY
from app.jobs.store.steering import CONCURRENCY_LIMIT, PARALLEL_LIMIT, not_paused
from app.sql import for_each, rows, statement
from app.wordings import reworded

#: A task whose worker died this often while it ran is run alone next (B7).
SUSPECT_CRASHES = 2
#: Of all jobs that are asked for together as many tasks are read: those with few go by themselves.
FEW = 10
#: Running jobs looked at in one turn.
MOST_JOBS = 1_000


@dataclass(slots=True)  # not frozen: hundreds are made in a turn
class Candidate:
    """An unfinished job as a scheduler sees it: what of it may be claimed."""

    id: int
    handler: str
    scheduled: int
    in_progress: int
    parallel_limit: int | None
    is_cancelling: bool = False
    #: Whether somebody does its finish step just now, and how many workers have died doing it.
    is_finishing: bool = False
    crashes: int = 0
    #: How many of those scheduled wait for their next try.
    waiting: int = 0

    @property
    def claimable(self) -> int:
        """Tasks of it that may be claimed now: while a callback runs, what it adds waits."""
        if self.is_cancelling or self.is_finishing:
            return 0
        ready = self.scheduled - self.waiting
        if self.parallel_limit is None:
            return ready
        return max(0, min(ready, self.parallel_limit - self.in_progress))

    @property
    def is_complete(self) -> bool:
        """Whether all its tasks have ended, and nobody sees to its end yet."""
        return not self.scheduled and not self.in_progress and not self.is_finishing


RUNNING = statement(
    f"""
    SELECT job.id, job.handler, job.scheduled, job.in_progress, {PARALLEL_LIMIT} AS parallel_limit,
           job.cancel_requested_at IS NOT NULL AS is_cancelling,
           job.finisher IS NOT NULL AS is_finishing, job.finish_crashes, job.waiting
    FROM job INDEXED BY ix_job_ready CROSS JOIN handler
    WHERE {READY} AND handler.name = job.handler
      AND +job.handler IN (SELECT value FROM json_each(:handlers))
      AND (job.cancel_requested_at IS NOT NULL
           OR (job.scheduled = 0 AND +job.handler NOT IN (SELECT value FROM json_each(:called)))
           OR {not_paused("job.handler", ":now")})
    ORDER BY job.priority, job.id LIMIT :most
""",
    columns="""id, handler, scheduled, in_progress, parallel_limit, is_cancelling, is_finishing,
    finish_crashes, waiting""",
)


def running_jobs(
    connection: Connection, handlers: Iterable[str], called: Iterable[str]
) -> list[Candidate]:
    """Return jobs of these handlers with tasks to claim, with none left, or to be cancelled.

    Of a paused handler only jobs to be cancelled, and those that can end: it is not one of the
    `called`, which have callbacks.
    """
    values = {
        "handlers": json.dumps(list(handlers)),
        "called": json.dumps(list(called)),
        "now": stamp(),
        "most": MOST_JOBS,
    }
    return [Candidate(*row) for row in rows(connection, RUNNING, values)]


#: Of handlers that are not paused and have a free slot.
_MAY_START = f"""handler.running < coalesce({CONCURRENCY_LIMIT}, 2147483647)
      AND {not_paused("handler.name", ":now")}"""
_STARTS = f"""job.id, job.handler, job.scheduled, job.in_progress,
           {PARALLEL_LIMIT} AS parallel_limit, {CONCURRENCY_LIMIT} - handler.running AS free"""
QUEUED = statement(
    f"""
    SELECT {_STARTS}
    FROM json_each(:handlers) AS wanted
    CROSS JOIN handler ON handler.name = wanted.value
    CROSS JOIN job
    WHERE {_MAY_START}
      AND job.id IN (
        SELECT id FROM job
        WHERE handler = wanted.value AND status = 'QUEUED' AND waiting_until IS NULL
          AND NOT held AND preparing_until IS NULL
          AND retrying IS NULL AND cancel_requested_at IS NULL
        ORDER BY priority, id LIMIT :most)
    ORDER BY job.priority, job.id LIMIT :most
""",
    columns="id, handler, scheduled, in_progress, parallel_limit, free",
).on_postgresql(
    reworded(f"""
    SELECT {_STARTS}
    FROM json_array_elements_text(CAST(:handlers AS json)) AS wanted (name)
    JOIN handler USING (name)
    CROSS JOIN LATERAL (
        SELECT id, handler, scheduled, in_progress, parallel_limit, priority FROM job
        WHERE handler = handler.name AND status = 'QUEUED' AND waiting_until IS NULL
          AND NOT held AND preparing_until IS NULL AND retrying IS NULL
          AND cancel_requested_at IS NULL
        ORDER BY priority, id LIMIT :most) AS job
    WHERE {_MAY_START}
    ORDER BY job.priority, job.id LIMIT :most
""")
)


QUEUED_OF_ONE = f"""
    SELECT {_STARTS}, job.priority FROM handler JOIN job ON job.handler = handler.name
    WHERE handler.name = :each AND {_MAY_START}
      AND job.status = 'QUEUED' AND job.waiting_until IS NULL AND NOT job.held
      AND job.preparing_until IS NULL AND job.retrying IS NULL AND job.cancel_requested_at IS NULL
    ORDER BY job.priority, job.id LIMIT :most"""
FIRST_OF_ALL = """
    SELECT id, handler, scheduled, in_progress, parallel_limit, free FROM ({parts}) AS first_of_each
    ORDER BY priority, id LIMIT :most"""


def queued_jobs(
    connection: Connection, handlers: Iterable[str], most: int
) -> list[tuple[Candidate, int | None]]:
    """Return the jobs that wait first in the queue of each of these handlers that may start some.

    With each of them how many jobs its handler may start now; None is no limit.
    """
    wanted = list(handlers)
    asked, values = QUEUED, {"handlers": json.dumps(wanted), "most": most, "now": stamp()}
    if connection.dialect.name == "mariadb":
        asked, values = for_each(QUEUED_OF_ONE, wanted, values, whole=FIRST_OF_ALL)
    return [(Candidate(*job), free) for *job, free in rows(connection, asked, values)]


SCHEDULED = statement(
    f"""
    SELECT task.job_id, task.id
    FROM json_each(:jobs) AS wanted CROSS JOIN task
    WHERE task.id IN (
        SELECT id FROM task INDEXED BY ix_task_scheduled
        WHERE job_id = wanted.value AND status = 'SCHEDULED' AND run_after IS NULL
          AND id NOT IN (
              SELECT id FROM task INDEXED BY ix_task_suspect
              WHERE status = 'SCHEDULED' AND crashes >= {SUSPECT_CRASHES})
          AND idx < (SELECT end_index FROM job WHERE id = wanted.value)
        ORDER BY idx LIMIT :most)
    ORDER BY task.job_id, task.idx
""",
    columns="job_id, id",
).on_postgresql(f"""
    SELECT task.job_id, task.id
    FROM json_array_elements_text(CAST(:jobs AS json)) AS wanted (job_id)
    JOIN job ON job.id = CAST(wanted.job_id AS bigint)
    CROSS JOIN LATERAL (
        SELECT id, job_id, idx FROM task
        WHERE job_id = job.id AND status = 'SCHEDULED' AND run_after IS NULL
          AND crashes < {SUSPECT_CRASHES} AND idx < job.end_index
        ORDER BY idx LIMIT :most) AS task
    ORDER BY task.job_id, task.idx
""")


SCHEDULED_OF_ONE = f"""
    SELECT job_id, id, idx FROM task
    WHERE job_id = :each AND status = 'SCHEDULED' AND run_after IS NULL
      AND crashes < {SUSPECT_CRASHES} AND idx < (SELECT end_index FROM job WHERE id = :each)
    ORDER BY idx LIMIT :most"""
NEXT_OF_ALL = "SELECT job_id, id FROM ({parts}) AS next_of_each ORDER BY job_id, idx"


def scheduled_tasks(connection: Connection, shares: dict[int, int]) -> dict[int, list[int]]:
    """Return the ids of the next tasks by their job: of each as many as its share says."""
    few = {job_id: share for job_id, share in shares.items() if share <= FEW}
    many = {job_id: share for job_id, share in shares.items() if share > FEW}
    return {
        job_id: tasks
        for some in (few, many)
        if some
        for job_id, tasks in _scheduled_tasks(connection, some).items()
        if tasks
    }


def _scheduled_tasks(connection: Connection, shares: dict[int, int]) -> dict[int, list[int]]:
    asked = SCHEDULED
    values = {"jobs": json.dumps(list(shares)), "most": max(shares.values(), default=0)}
    if connection.dialect.name == "mariadb":
        asked, values = for_each(SCHEDULED_OF_ONE, list(shares), values, whole=NEXT_OF_ALL)
    found: dict[int, list[int]] = {job_id: [] for job_id in shares}
    for job_id, task_id in rows(connection, asked, values):
        if len(found[job_id]) < shares[job_id]:
            found[job_id].append(task_id)
    return found


#: There are few suspects or none: by their own index, not by all the tasks that wait.
SUSPECT = statement(f"""
    SELECT task.job_id, task.id FROM task INDEXED BY ix_task_suspect CROSS JOIN job
    WHERE task.status = 'SCHEDULED' AND task.crashes >= {SUSPECT_CRASHES}
      AND task.run_after IS NULL
      AND job.id = task.job_id AND job.status = 'IN_PROGRESS' AND job.cancel_requested_at IS NULL
      AND job.handler IN (SELECT value FROM json_each(:handlers))
      AND {not_paused("job.handler", ":now")}
    ORDER BY task.id LIMIT 1
""")


def suspect_task(
    connection: Connection, handlers: Iterable[str]
) -> tuple[int, Sequence[int]] | None:
    """Return a task that must run alone, because its workers keep dying, with its job; or None."""
    values = {"handlers": json.dumps(list(handlers)), "now": stamp()}
    found = rows(connection, SUSPECT, values)
    return (found[0][0], [found[0][1]]) if found else None
