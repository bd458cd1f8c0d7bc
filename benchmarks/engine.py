"""The engine, all features on, SQLite with synchronous=FULL, ten threads."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.config import Settings
from app.db import Base, Database
from app.jobs import Engine, Registry, Task, task_handler

_begun: dict[int, float] = {}


@task_handler(parallel_limit=None, concurrency_limit=None)
def nothing(task: Task) -> None:
    """Do nothing."""


@task_handler(parallel_limit=None, concurrency_limit=None)
def one_write(task: Task) -> None:
    """Write one field of the state."""
    task.set_state_field("seen", task.index)


@task_handler(parallel_limit=None, concurrency_limit=None)
def clock(task: Task) -> None:
    """Note when it was begun."""
    _begun[task.job.id] = time.perf_counter()


@task_handler(parallel_limit=None)
def ten_ms(task: Task) -> None:
    """Take ten milliseconds."""
    threading.Event().wait(0.010)


@contextmanager
def running(folder: Path) -> Iterator[Engine]:
    """An engine that runs on a database of its own."""
    with _at_rest(folder) as engine:
        gc.collect()
        gc.freeze()  # as a server does, and a worker process
        engine.run()
        yield engine


@contextmanager
def _at_rest(folder: Path) -> Iterator[Engine]:
    settings = Settings(data_dir=folder)
    database = Database(settings.database)
    Base.metadata.create_all(database.engine)
    engine = Engine(database, settings, Registry([nothing, one_write, clock, ten_ms]))
    try:
        yield engine
    finally:
        engine.stop()
        database.dispose()


def tasks_kept_per_second(folder: Path, tasks: int) -> float:
    """How many tasks of one new job are made durable in a second."""
    with _at_rest(folder) as engine:
        begun = time.perf_counter()
        engine.start_new_job("", None, ({} for _ in range(tasks)), "nothing")
        return tasks / (time.perf_counter() - begun)


def jobs_started_per_second(folder: Path, jobs: int) -> float:
    """How many jobs of one task are started in a second, one after another, by one thread."""
    with _at_rest(folder) as engine:
        begun = time.perf_counter()
        for _ in range(jobs):
            engine.start("nothing")
        return jobs / (time.perf_counter() - begun)


def tasks_per_second(folder: Path, handler: str, tasks: int) -> float:
    """How many tasks of one job end in a second, from its start to its end."""
    with running(folder) as engine:
        job_id = engine.start_new_job("", None, ({} for _ in range(tasks)), handler)
        while not engine.job(job_id).is_final:
            threading.Event().wait(0.02)
        job = engine.job(job_id)
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.done == tasks
    return tasks / (job.finished_at - job.started_at).total_seconds()


def start_latencies(folder: Path, jobs: int) -> list[float]:
    """Milliseconds from the call that starts a lone job of one task until its handler runs."""
    found = []
    with running(folder) as engine:
        for _ in range(jobs):
            threading.Event().wait(0.02)
            asked = time.perf_counter()
            job_id = engine.start("clock")
            while job_id not in _begun:
                threading.Event().wait(0.001)
            found.append((_begun.pop(job_id) - asked) * 1000)
    return sorted(found)


def at_rest(folder: Path, seconds: float) -> tuple[float, float]:
    """Megabytes in memory, and percent of one core, of an engine that has nothing to do."""
    with running(folder):
        threading.Event().wait(1)
        before = time.process_time()
        threading.Event().wait(seconds)
        return _resident_mb(), (time.process_time() - before) / seconds * 100


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20
