"""Lives of an engine: a process that runs jobs until it is killed, and then the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from app.config import Settings
from app.db import Database
from app.jobs import Engine, Registry
from tests.faults.witness import called_back, deadly, witnessed

ROOT = Path(__file__).parent.parent.parent


def settings_of(folder: Path, *, lease: float = 30.0) -> Settings:
    """The settings that every process of one test shares."""
    return Settings(data_dir=folder, lease_seconds=lease, heartbeat_seconds=lease / 3)


def engine_of(folder: Path, *, lease: float = 30.0) -> Engine:
    """An engine on the folder's database; it runs nothing until it is told to."""
    settings = settings_of(folder, lease=lease)
    return Engine(Database(settings.database), settings, Registry([witnessed, called_back, deadly]))


class Life:
    """A server: a process that watches over one with an engine. `create`: it only writes a job."""

    def __init__(self, folder: Path, *, create: int = 0, lease: float = 30.0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.life", str(folder), str(create), str(lease)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill all of it with SIGKILL, at once."""
        os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait for its end, and return its exit code."""
        assert self._process.stdout
        self._process.stdout.close()
        return self._process.wait(timeout=30)


def _live(folder: Path, create: int, lease: float) -> None:
    engine = engine_of(folder, lease=lease)
    print("ready", flush=True)  # noqa: T201 - the test waits for this line
    if create:
        engine.start("witnessed", {"file": os.devnull, "tasks": create})
        return
    engine.run()
    signal.sigwait({signal.SIGTERM})
    engine.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if child := os.fork():
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    _live(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
