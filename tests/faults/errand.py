"""Errands: a process that asks for one thing, or runs jobs without a server around it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from tests.faults.life import ROOT, engine_of


class Errand:
    """A process that does `what` for a job, such as "cancel", and then ends; or "run" for ever.

    The test is its parent and lives on: when it dies, its tasks may be to blame.
    """

    def __init__(self, folder: Path, what: str, job_id: int = 0, tasks: str = "all") -> None:
        words = [str(folder), what, str(job_id), tasks]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.errand", *words],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._pipe(self._process.stdout).readline() == "ready\n"

    def begin(self) -> None:
        """Let it do what it is for."""
        pipe = self._pipe(self._process.stdin)
        pipe.write("go\n")
        pipe.flush()

    def kill_after(self, seconds: float) -> None:
        """Let it do its errand for so long, and kill it with SIGKILL."""
        self.begin()
        threading.Event().wait(seconds)
        self._process.send_signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait for its end, and return its exit code."""
        code = self._process.wait(timeout=30)
        self._pipe(self._process.stdin).close()
        self._pipe(self._process.stdout).close()
        return code

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe
        return pipe


def _do(folder: Path, what: str, job_id: int, tasks: str) -> None:
    engine = engine_of(folder)
    print("ready", flush=True)  # noqa: T201 - the test waits for this line
    sys.stdin.readline()
    if what == "cancel":
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


if __name__ == "__main__":
    _do(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
