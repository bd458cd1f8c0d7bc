"""Real processes on one database: web processes that run nothing, and worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from app import schema
from app.config import Settings
from app.db import Database
from app.jobs import Engine
from tests.eventually import eventually
from tests.jobs.looking import sql
from tests.server import ROOT, Server, server_without_demo

PIDS = "SELECT pid FROM worker WHERE alive"
KINDS = "tests.processes.kinds"
#: So seldom does anybody look by himself that what follows at once was told.
SELDOM = 30.0


class Workers:
    """`jobdeck worker` with so many processes."""

    def __init__(self, processes: int, **settings: object) -> None:
        said = {f"JOBDECK_{name}": str(value) for name, value in settings.items()}
        command = ["-c", "from app.cli import main; main()", "worker", "--processes"]
        self.log = Path(str(settings["DATA_DIR"])) / "workers.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command, str(processes)],
                cwd=ROOT, env=os.environ | said, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def stop(self, within: float = 30) -> int:
        """Stop them in peace, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=within)

    def kill(self) -> None:
        """Kill all of them with SIGKILL, at once."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Stage:
    """A folder and a database that processes share, and an engine that runs nothing, to look."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.settings = Settings(
            data_dir=folder, database_url=url, handlers=("tests.processes.kinds",)
        )
        database = Database(self.settings.database)
        schema.upgrade(database)
        self.engine = Engine(database, self.settings)
        self._said: dict[str, Any] = {
            "DATA_DIR": folder,
            "DATABASE_URL": url,
            "HANDLERS": KINDS,
            "POLL_SECONDS": SELDOM,
            "GRACE_SECONDS": 1,
        }
        self._acting: list[Server | Workers] = []

    def web(self, **settings: object) -> Server:
        """A web process, which runs no jobs unless told to."""
        known = self._said | {"RUN_WORKER": 0}
        server = server_without_demo(self.settings.data_dir, **known | settings)
        self._acting.append(server)
        server.start()
        server.sign_in()
        return server

    def workers(self, processes: int = 1, **settings: object) -> Workers:
        """Worker processes; they are there when this returns."""
        before = self.pids()
        workers = Workers(processes, **self._said | {"THREADS": 4} | settings)
        self._acting.append(workers)
        eventually(lambda: len(self.pids() - before) == processes, within=60)
        return workers

    def pids(self) -> set[int]:
        """The ids of the processes that run jobs, as far as the database knows."""
        return {
            int(row[0]) for row in sql(self.engine.database, "SELECT pid FROM worker WHERE alive")
        }

    def ran_in(self, job_id: int) -> set[int]:
        """The ids of the processes that ran a job's tasks."""
        return {int(task.result) for task in self.engine.tasks(job_id, limit=1_000)}

    def end(self) -> None:
        """Kill whatever is left."""
        for each in self._acting:
            each.kill()
        self.engine.database.dispose()
