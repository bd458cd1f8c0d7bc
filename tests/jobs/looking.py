"""Looking at jobs in tests: through the engine, and past it into the database."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import text

from app.db import Database
from app.jobs import Engine, JobDetail, JobStatus, TaskStatus
from tests.eventually import eventually


def ended(engine: Engine, job_id: int, within: float = 60) -> JobDetail:
    """The job, once it has ended."""
    eventually(lambda: engine.job(job_id).is_final, within=within)
    return engine.job(job_id)


def done(engine: Engine, job_id: int, within: float = 60) -> JobDetail:
    """The job, once it has ended well."""
    job = ended(engine, job_id, within)
    assert job.status == JobStatus.DONE, [each.error for each in engine.tasks(job_id, limit=9)]
    return job


def statuses(engine: Engine, job_id: int) -> list[str]:
    """The status of each task, by index."""
    return [task.status for task in engine.tasks(job_id, limit=10_000)]


def running(engine: Engine, job_id: int, count: int) -> None:
    """Wait until so many tasks of a job run, none of which waits for a thread of this engine.

    What waits for one is claimed, too, and given back when the job is cancelled or paused.
    """
    eventually(lambda: engine.job(job_id).in_progress == count)
    if engine._running:
        pool = engine._running._pool
        eventually(lambda: not pool.waiting)


def recounted(database: Database, job_id: int) -> dict[str, int]:
    """The tasks of a job by status and in all, counted row by row; no such as are being added."""
    counts = {status.lower(): 0 for status in TaskStatus}
    found = sql(
        database,
        "SELECT lower(status), count(*) FROM task WHERE job_id = :id"
        " AND idx < (SELECT end_index FROM job WHERE id = :id) GROUP BY 1",
        id=job_id,
    )
    counts |= {str(status): int(count) for status, count in found}
    return {"total": sum(counts.values())} | counts


def sql(database: Database, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """Run one statement past the engine; return its rows, if it has any."""
    with database.writing_once() as connection:
        result = connection.execute(text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else []


def states(*states: dict[str, Any]) -> list[dict[str, Any]]:
    """Tasks of these states, as start_new_job() takes them."""
    return [{"state": json.loads(json.dumps(state))} for state in states]


def blank(count: int) -> list[dict[str, Any]]:
    """So many tasks with an empty state."""
    return [{"state": {}} for _ in range(count)]


def waiting(engine: Engine, job_id: int, count: int) -> JobDetail:
    """The job, once so many of its tasks wait for their next try."""
    eventually(lambda: engine.job(job_id).waiting == count, within=15)
    return engine.job(job_id)


def come_due(engine: Engine, *indexes: int) -> None:
    """Let the time come for tasks that wait: of these indexes, or for all."""
    some = f"AND idx IN ({', '.join(map(str, indexes))})" if indexes else ""
    past = "UPDATE task SET run_after = '2001-02-03T04:05:06.000000Z' WHERE run_after IS NOT NULL"
    sql(engine.database, f"{past} {some}")


def time_is_over(engine: Engine) -> None:
    """Let the time of all tries that run here be over."""
    assert engine._running
    deadlines = engine._running._deadlines
    with deadlines._changed:
        for each in deadlines._running:
            each.looked_at = 0.0
        deadlines._changed.notify()
