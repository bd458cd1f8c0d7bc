"""Lives of an engine: a process that runs jobs until it is killed, and then the next one.

All are forked by one process that has imported what they need: so a life begins in a few
milliseconds, and a test can afford many of them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from app.config import Settings
from app.db import Database
from app.jobs import Engine, Registry
from app.jobs.worker import _PARENT, _SLOT
from tests.eventually import eventually
from tests.faults import clock, locks, steps
from tests.faults.witness import HANDLERS
from tests.jobs.looking import sql

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__, "sqlalchemy.dialects.postgresql.psycopg"])

#: Those that live: a test that fails leaves them behind, and they are killed at its end.
LIVING: list[multiprocessing.process.BaseProcess] = []


def settings_of(folder: Path, *, lease: float = 30.0, **others: Any) -> Settings:
    """The settings that every process of one test shares; see conftest.folder for the database."""
    url = os.environ.get("JOBDECK_DATABASE_URL", "")
    known = {"poll_seconds": 0.05, "heartbeat_seconds": lease / 3, "lease_seconds": lease}
    return Settings(data_dir=folder, database_url=url, **known | others)


def engine_of(settings: Settings) -> Engine:
    """An engine on the folder's database; it runs nothing until it is told to."""
    return Engine(Database(settings.database), settings, Registry(HANDLERS))


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What befalls a process: the step that it dies at, the clock that it reads, small chunks.

    `overslept`: a file; when it grows the process knows, waking up, that its lease is over.
    """

    dies: str = ""
    clock: Path | None = None
    small: bool = False
    overslept: Path | None = None

    def begin(self) -> None:
        """Let it take its course in this process."""
        if self.dies:
            steps.lie_in_wait(self.dies)
        if self.clock:
            clock.follow(self.clock)
        if self.overslept:
            clock.oversleep(self.overslept)
        if self.small:
            steps.write_small_chunks()


class Forked:
    """A process of a test; it is there, and waits or works, once this is made."""

    def __init__(self, target: Callable[..., None], *words: Any) -> None:
        self._pipe, there = FORKS.Pipe()
        self._process = FORKS.Process(target=target, args=(*words, there))
        self._process.start()
        there.close()
        LIVING.append(self._process)
        #: The process that runs the engine: its tasks testify by this number.
        self.worker_pid: int = self._pipe.recv()

    @property
    def pid(self) -> int:
        """The process id."""
        pid = self._process.pid
        assert pid
        return pid

    def wait(self, within: float = 30) -> int:
        """Wait for its end, and return its exit code."""
        self._process.join(within)
        code = self._process.exitcode
        assert code is not None, f"It lives on after {within} s."
        self._pipe.close()
        LIVING.remove(self._process)
        return code


class Life(Forked):
    """A server: a process that watches over one with an engine, and ends when that does."""

    def __init__(self, folder: Path, *, fate: Fate | None = None, **settings: Any) -> None:
        self.fate = fate or Fate()
        super().__init__(_watch, settings_of(folder, **settings), self.fate)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of it."""
        os.killpg(self.pid, number)

    def freeze(self, database: Database) -> None:
        """Stop it, at a moment when it is in no transaction: else nobody could go on."""
        eventually(lambda: self._froze(database), within=30)

    def _froze(self, database: Database) -> bool:
        self._stop()
        if locks.is_free(database, self.worker_pid):
            return True
        self.send(signal.SIGCONT)
        return False

    def _stop(self) -> None:
        self.send(signal.SIGSTOP)
        threads = Path(f"/proc/{self.worker_pid}/task")
        eventually(lambda: all(state_of(each) == "T" for each in threads.iterdir()))

    def kill(self) -> None:
        """Kill all of it with SIGKILL, at once."""
        self.send(signal.SIGKILL)
        self.wait()


def in_hand(folder: Path, database: Database, pid: int) -> list[tuple[int, int]]:
    """The tasks that the threads of a worker have in hand by its mark: their jobs and indexes."""
    marks = sql(database, "SELECT mark FROM worker WHERE pid = :pid AND alive", pid=pid)
    slots = [(folder / "workers" / mark).read_bytes()[_PARENT.size :] for (mark,) in marks]
    ids = [task_id for each in slots for (task_id,) in _SLOT.iter_unpack(each) if task_id > 0]
    told = "SELECT job_id, idx FROM task WHERE id = :id"
    return [(job_id, index) for each in ids for job_id, index in sql(database, told, id=each)]


def state_of(thread: Path) -> str:
    """R for one that runs, T for one that is stopped, and so on."""
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


def end_all() -> None:
    """Kill what a test has left behind."""
    while LIVING:
        process = LIVING.pop()
        for kill in (os.killpg, os.kill):
            try:
                kill(process.pid or 0, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.join()


def _watch(settings: Settings, fate: Fate, told: Connection) -> None:
    os.setsid()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if child := os.fork():
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256)
    _live(settings, fate, told)
    os._exit(0)


def _live(settings: Settings, fate: Fate, told: Connection) -> None:
    fate.begin()
    locks.sign_connections()
    engine = engine_of(settings)
    told.send(os.getpid())
    engine.run()
    signal.sigwait({signal.SIGTERM})
    engine.stop()
