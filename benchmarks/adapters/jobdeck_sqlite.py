"""Jobdeck on SQLite as a peer of other job queues: all tasks in one job, one worker process.

For a harness that drives many queues alike: it calls setup, enqueue, enqueue_bulk and pending in a
producer process, and starts what worker_argv says. The other modules here are the same with another
database, or with a job for each task.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import marks

from app import schema
from app.config import Settings
from app.db import Database
from app.jobs import Engine, Registry, Task, task_handler
from app.jobs.errors import JobEnded, JobNotFound

IS_ONE_JOB = os.environ.get("BENCH_JOBDECK_SHAPE", "one job") == "one job"
IS_POSTGRESQL = os.environ.get("BENCH_JOBDECK_DATABASE") == "postgresql"

BACKEND = "postgres" if IS_POSTGRESQL else "sqlite"
PACKAGES = ["jobdeck", "sqlalchemy"]
NOTES = (
    f"{'one job of all tasks' if IS_ONE_JOB else 'a job for each task'}; keeps jobs, tasks, "
    "attempts and results; state and outcome durable"
)

FOLDER = Path(os.environ["BENCH_DIR"]) / "jobdeck"
URL = os.environ["BENCH_PG_DSN"].replace("postgresql:", "postgresql+psycopg:")


@task_handler(parallel_limit=None, concurrency_limit=None)
def noop(task: Task) -> None:
    """Leave a mark."""
    marks.noop(task.state["i"])


@task_handler(parallel_limit=None, concurrency_limit=None)
def sleep_ms(task: Task) -> None:
    """Leave a mark, take its time, leave another one."""
    marks.sleep_ms(task.state["i"], task.state["ms"])


class _Producer:
    """The engine of the process that starts jobs and runs none, and the job that is open."""

    engine: Engine
    job_id = 0


def setup() -> None:
    """Make the tables."""
    settings = Settings(data_dir=FOLDER, database_url=URL if IS_POSTGRESQL else "")
    database = Database(settings.database)
    schema.upgrade(database)
    _Producer.engine = Engine(database, settings, Registry([noop, sleep_ms]))


def enqueue(kind: str, i: int) -> None:
    """Have one task done; it is durable when this returns."""
    if not IS_ONE_JOB:
        enqueue_bulk(kind, [i])
        return
    try:
        _Producer.engine.add_new_tasks_to_existing_job(_Producer.job_id, _tasks(kind, [i]))
    except (JobEnded, JobNotFound):
        enqueue_bulk(kind, [i])


def enqueue_bulk(kind: str, ids: Sequence[int]) -> None:
    """Have all these tasks done, as one job."""
    _Producer.job_id = _Producer.engine.start_new_job(
        kind, None, _tasks(kind, ids), "noop" if kind == "noop" else "sleep_ms"
    )


def _tasks(kind: str, ids: Sequence[int]) -> list[dict[str, object]]:
    more = {} if kind == "noop" else {"ms": int(kind[5:])}
    return [{"state": {"i": i, **more}} for i in ids]


def pending() -> int:
    """Tasks that have not ended."""
    with _Producer.engine.database.reading() as connection:
        return int(
            connection.exec_driver_sql(
                "SELECT coalesce(sum(scheduled + in_progress), 0) FROM job"
            ).scalar_one()
        )


def worker_argv(concurrency: int) -> list[str]:
    """The command of one worker."""
    settings = {
        "DATA_DIR": str(FOLDER),
        "DATABASE_URL": URL if IS_POSTGRESQL else "",
        "HANDLERS": "adapters.jobdeck_sqlite",
        "THREADS": str(concurrency),
    }
    given = [f"JOBDECK_{name}={value}" for name, value in settings.items()]
    return ["env", *given, str(Path(sys.executable).parent / "jobdeck"), "worker"]
