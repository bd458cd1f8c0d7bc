"""What others feel while jobs run: `.venv/bin/python -m benchmarks.beside [database URL]`.

Rows that are read while a worker process drains a job, small writes while ten threads of it only
calculate, and pages of a server in whose own process ten threads calculate.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from app import schema
from app.config import Settings
from app.db import Database
from app.jobs import Engine, Registry, Task, task_handler
from benchmarks.across import worker
from tests.server import server_without_demo

KINDS = "benchmarks.beside"
SAMPLES = 300


@task_handler(parallel_limit=None, concurrency_limit=None)
def nothing(task: Task) -> None:
    """Do nothing."""


@task_handler(parallel_limit=None, concurrency_limit=None)
def calculate(task: Task) -> int:
    """Calculate for a while, in Python alone."""
    end, found = time.monotonic() + 20, 0
    while time.monotonic() < end:
        for number in range(1_000):
            found += number
    return found


def main() -> None:
    """Measure, and print milliseconds: at rest, and beside work."""
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else ""
        settings = Settings(data_dir=Path(folder), database_url=url)
        engine = Engine(Database(settings.database), settings, Registry([nothing, calculate]))
        schema.upgrade(engine.database)
        with worker(folder, url, KINDS):
            _measure_beside_a_worker(engine)
        engine.database.dispose()
    with tempfile.TemporaryDirectory() as folder:
        _measure_pages(Path(folder))


def _measure_beside_a_worker(engine: Engine) -> None:
    seen = engine.start_new_job("seen", None, [{}] * 1_000, "nothing")
    _wait(lambda: engine.job(seen).is_final)
    reads = {
        "a job's row": lambda: engine.job(seen),
        "a page of 50 tasks": lambda: engine.tasks(seen, limit=50),
    }
    at_rest = {name: _times(read) for name, read in reads.items()}
    drained = engine.start_new_job("drained", None, ({} for _ in range(300_000)), "nothing")
    _wait(lambda: engine.job(drained).done > 0)
    for name, read in reads.items():
        _print(f"{name} beside a worker that drains", at_rest[name], _times(read))
    assert not engine.job(drained).is_final, "It was drained before all was measured."
    _wait(lambda: engine.job(drained).is_final)

    held = engine.start_new_job("held", None, [{}], "nothing", auto_start=False)
    write = _counter(engine, held)
    at_rest_too = _times(write)
    calculated = engine.start_new_job("calculated", None, [{}] * 10, "calculate")
    _wait(lambda: engine.job(calculated).in_progress == 10)
    _print("a small write beside ten that calculate", at_rest_too, _times(write))
    assert engine.job(calculated).in_progress, "They had ended before all was measured."


def _measure_pages(folder: Path) -> None:
    server = server_without_demo(folder, HANDLERS=KINDS, THREADS=10)
    server.start()
    try:
        server.sign_in()
        page = lambda: server.get("/jobs")  # noqa: E731
        at_rest = _times(page, 100)
        tasks = {"handler": "calculate", "tasks": [{}] * 20}
        job = f"/jobs/{server.api('POST', '/jobs', tasks)['id']}"

        def calculating() -> int:
            return int(server.api("GET", job)["counts"]["in_progress"])

        _wait(lambda: calculating() == 10)
        _print("a page of a process in which ten calculate", at_rest, _times(page, 15))
        assert server.api("GET", job)["counts"]["in_progress"], (
            "They had ended before all was measured."
        )
    finally:
        server.kill()


def _counter(engine: Engine, job_id: int) -> Callable[[], object]:
    numbers = iter(range(10_000))
    return lambda: engine.set_job_state_field(job_id, "n", next(numbers))


def _times(act: Callable[[], object], samples: int = SAMPLES) -> list[float]:
    found = []
    for _ in range(samples):
        threading.Event().wait(0.005)
        begun = time.perf_counter()
        act()
        found.append((time.perf_counter() - begun) * 1000)
    return sorted(found)


def _wait(until: Callable[[], bool]) -> None:
    while not until():
        threading.Event().wait(0.05)


def _print(what: str, at_rest: list[float], beside: list[float]) -> None:
    said = [
        f"p50 {each[len(each) // 2]:.1f} ms, p99 {each[len(each) * 99 // 100]:.1f} ms"
        for each in (at_rest, beside)
    ]
    print(f"{what}: at rest {said[0]}; beside it {said[1]}")


if __name__ == "__main__":
    main()
