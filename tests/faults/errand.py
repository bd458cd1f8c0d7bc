"""Errands: a process that asks for one thing, or runs jobs without a server around it."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from app.config import Settings
from tests.faults.life import Fate, Forked, engine_of, settings_of


class Errand(Forked):
    """A process that does `what` for a job, such as "cancel", and then ends; or "run" for ever.

    Its parent lives on: when it dies, its tasks may be to blame.
    """

    def __init__(
        self,
        folder: Path,
        what: str,
        job_id: int = 0,
        tasks: str = "all",
        *,
        fate: Fate | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(_do, settings_of(folder, **settings), fate or Fate(), what, job_id, tasks)

    def begin(self) -> None:
        """Let it do what it is for."""
        self._pipe.send("go")

    def kill(self) -> None:
        """Kill it with SIGKILL, if it has not ended before."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def kill_after(self, seconds: float) -> None:
        """Let it do its errand for so long, and kill it with SIGKILL."""
        self.begin()
        threading.Event().wait(seconds)
        self.kill()


def _do(
    settings: Settings, fate: Fate, what: str, job_id: int, tasks: str, pipe: Connection
) -> None:
    fate.begin()
    engine = engine_of(settings)
    pipe.send(os.getpid())
    pipe.recv()
    if what == "start":
        file = str(settings.data_dir / "testimony")
        engine.start("witnessed", {"file": file, "tasks": int(tasks)})
    elif what == "cancel":
        engine.cancel(job_id)
    elif what == "retry":
        engine.retry(job_id, tasks)
    elif what == "delete":
        engine.delete_job(job_id)
    elif what == "add":
        engine.add_new_tasks_to_existing_job(job_id, ({"state": {}} for _ in range(int(tasks))))
    else:
        engine.run()
        threading.Event().wait()
