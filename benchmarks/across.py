"""From one process to another: `.venv/bin/python -m benchmarks.across [URL of an empty database]`.

One process makes jobs, another one runs them, a third one watches, as a web process would for a
popup. The clock is the host's, so the processes have the same one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app import schema
from app.config import Settings
from app.db import Database
from app.jobs import Engine, Registry, Task, task_handler

JOBS = 200


@task_handler(parallel_limit=None, concurrency_limit=None)
def clock(task: Task) -> float:
    """Tell when it began."""
    return time.monotonic()


def main() -> None:
    """Measure, and print milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else ""
        settings = Settings(data_dir=Path(folder), database_url=url)
        engine = _engine(settings)
        schema.upgrade(engine.database)
        with worker(folder, url):
            _wait_for_start(engine)
            starts, told = _latencies(engine, settings)
    engine.database.dispose()
    _print("a job that another process made starts", starts)
    _print("its end is told to a third process", told)


def _latencies(engine: Engine, settings: Settings) -> tuple[list[float], list[float]]:
    """From the commit to the start of the task, and from its end to whoever watches."""
    heard: dict[int, float] = {}
    watching = _engine(settings)

    def hear(job_ids: object) -> None:
        for row in watching.jobs_of(list(job_ids)):  # type: ignore[call-overload]
            if row.is_final:
                heard.setdefault(row.id, time.monotonic())

    starts, told = [], []
    with watching.bus.watching(hear), watching.hearing_others():
        for _ in range(JOBS):
            threading.Event().wait(0.15)
            job_id = engine.start("clock")
            made = time.monotonic()
            while job_id not in heard:
                threading.Event().wait(0.01)
            (task,) = engine.tasks(job_id, limit=1)
            starts.append((float(task.result) - made) * 1000)
            told.append((heard[job_id] - float(task.result)) * 1000)
    watching.database.dispose()
    return sorted(starts), sorted(told)


def _engine(settings: Settings) -> Engine:
    return Engine(Database(settings.database), settings, Registry([clock]))


def _wait_for_start(engine: Engine) -> None:
    job_id = engine.start("clock")
    while not engine.job(job_id).is_final:
        threading.Event().wait(0.05)


@contextmanager
def worker(folder: str, url: str, handlers: str = "benchmarks.across") -> Iterator[None]:
    """A worker process on a database, with the handlers of a module."""
    said = {"DATA_DIR": folder, "DATABASE_URL": url, "HANDLERS": handlers}
    environ = os.environ | {f"JOBDECK_{name}": value for name, value in said.items()}
    command = [sys.executable, "-c", "from app.cli import main; main()", "worker"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def _print(what: str, figures: list[float]) -> None:
    half, most = figures[len(figures) // 2], figures[len(figures) * 99 // 100]
    print(f"{what}: p50 {half:.1f} ms, p99 {most:.1f} ms ({len(figures)} jobs)")


if __name__ == "__main__":
    main()
