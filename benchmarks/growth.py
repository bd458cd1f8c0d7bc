"""Whether size slows the engine: `.venv/bin/python -m benchmarks.growth`, about a minute.

Tasks that do nothing, on SQLite: of a job of 10,000 in an empty database, of a job of a million,
and of a job of 10,000 beside a million jobs that have ended.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
from pathlib import Path

from sqlalchemy import text

from app.db import now
from app.jobs import Engine
from benchmarks.engine import running

MANY, FEW = 1_000_000, 10_000
#: A million jobs that have ended, with a task each. They are written, not run: that takes minutes.
NUMBERS = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < :many)"
JOBS = f"""
    {NUMBERS} INSERT INTO job
      (name, handler, status, created_at, started_at, finished_at, total, end_index, done)
    SELECT 'job ' || n, 'nothing', 'DONE', :at, :at, :at, 1, 1, 1 FROM n
"""
TASKS = """
    INSERT INTO task (job_id, idx, status, attempt, started_at, finished_at)
    SELECT id, 0, 'DONE', 1, :at, :at FROM job
"""


def main() -> None:
    """Measure three times in turn, and print tasks per second and shares."""
    found: dict[str, list[float]] = {"few": [], "a job of many": [], "beside many jobs": []}
    for _ in range(3):
        found["few"].append(_measure(FEW))
        found["a job of many"].append(_measure(MANY, ends=50_000))
        found["beside many jobs"].append(_measure(FEW, jobs=MANY))
    few = statistics.median(found["few"])
    for name, figures in found.items():
        middle = statistics.median(figures)
        print(f"{name}: {middle:,.0f} tasks/s, {middle / few:.2f} of few")


def _measure(tasks: int, *, jobs: int = 0, ends: int | None = None) -> float:
    """Tasks of a job that end in a second, from its start until so many, or all, have ended."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as engine:
        if jobs:
            _write_ended_jobs(engine, jobs)
        job_id = engine.start_new_job("", None, ({} for _ in range(tasks)), "nothing")
        while engine.job(job_id).done < (ends or tasks):
            threading.Event().wait(0.01)
        job = engine.job(job_id)
        assert job.started_at
        return job.done / ((job.finished_at or now()) - job.started_at).total_seconds()


def _write_ended_jobs(engine: Engine, jobs: int) -> None:
    with engine.database.writing() as connection:
        at = "2026-01-01T00:00:00.000000Z"
        connection.execute(text(JOBS), {"many": jobs, "at": at})
        connection.execute(text(TASKS), {"at": at})


if __name__ == "__main__":
    main()
