"""A process that runs tasks of which each fails twice and then goes well, until it is killed."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from app.config import Settings
from app.db import Database
from app.jobs import Engine, Registry, Task, task_handler

ROOT = Path(__file__).parent.parent.parent


@task_handler(retries=2, retry_delay=0.3, parallel_limit=None, concurrency_limit=None)
def wavering(task: Task) -> int:
    """Fail until the database knows of two failures."""
    retries: int = task.engine.task(task.job.id, task.index).retries
    if retries < 2:
        raise ConnectionError("not yet")
    return retries


def engine_of(settings: Settings) -> Engine:
    """An engine with the handler, which runs nothing until it is told to."""
    return Engine(Database(settings.database), settings, Registry([wavering]))


class Wavering:
    """Such a process."""

    def __init__(self, settings: Settings) -> None:
        words = [str(settings.data_dir), settings.database_url]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.wavering", *words], cwd=ROOT
        )

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self._process.kill()
        self._process.wait(timeout=30)


if __name__ == "__main__":
    folder, url = sys.argv[1:]
    engine_of(Settings(data_dir=Path(folder), database_url=url)).run()
    threading.Event().wait()
