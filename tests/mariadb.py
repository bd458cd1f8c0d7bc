"""A real MariaDB for the tests, where it is installed: in a temporary directory, on a free port."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from tests.eventually import eventually
from tests.server import free_port

#: Who owns the databases of the tests, and may do no more: as on a server that others look after.
OWNER = "jobdeck"
PROGRAMS = ("mariadbd", "mariadb-install-db")
#: Tests kill processes, not the power: nobody need wait for the disk.
FAST = (
    "--skip-log-bin",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=32M",
    "--max-connections=300",
)


class Server:
    """A running server that makes and drops databases."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._numbers = count(1)
        self._process = self._start()
        self._engine = create_engine(self._url("mysql", "root"), isolation_level="AUTOCOMMIT")

    def restart(self) -> None:
        """Kill it, whatever it is at, and start it again."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=30)
        self._process = self._start()
        eventually(self.answers, within=30)

    def stop(self) -> None:
        """Stop it for good."""
        self._engine.dispose()
        self._process.terminate()
        self._process.wait(timeout=60)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty database that is dropped afterwards."""
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        self.run(f"GRANT ALL ON {name}.* TO '{OWNER}'@'%%'")
        try:
            yield self._url(name)
        finally:
            self.run(f"DROP DATABASE {name}")

    def run(self, statement: str) -> None:
        """Run one statement outside of any transaction."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql(statement)

    def answers(self) -> bool:
        """Whether it takes connections yet."""
        try:
            self.run("SELECT 1")
        except OperationalError:
            return False
        return True

    def _url(self, database: str, user: str = OWNER) -> str:
        return f"mariadb+pymysql://{user}@127.0.0.1:{self.port}/{database}"

    def _start(self) -> subprocess.Popen[bytes]:
        where = f"--port={self.port}", "--bind-address=127.0.0.1"
        socket = f"--socket={self._folder / 'socket'}"
        command = ["mariadbd", "--no-defaults", *_as_whom(), *_places(self._folder), socket, *where]
        command += FAST
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)


@contextmanager
def running() -> Iterator[Server]:
    """Start a server, and stop it and remove its files afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="jobdeck-mariadb-"))
    try:
        _install(folder)
        server = Server(folder)
        try:
            eventually(server.answers, within=30)
            server.run(f"CREATE USER '{OWNER}'@'%%'")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _install(folder: Path) -> None:
    """One at a time: two that are installed in the same moment disturb each other now and then."""
    program = ["mariadb-install-db", "--no-defaults", *_as_whom(), "--skip-test-db"]
    where = [*_places(folder), "--auth-root-authentication-method=normal"]
    with (Path(tempfile.gettempdir()) / "jobdeck-mariadb.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        subprocess.run([*program, *where], check=True, stdout=subprocess.DEVNULL)


def is_installed() -> bool:
    """Whether there is one to run."""
    return all(map(shutil.which, PROGRAMS))


def _places(folder: Path) -> tuple[str, str]:
    """Its own, also for what is there for a moment: several begin at once."""
    for name in ("data", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    return f"--datadir={folder / 'data'}", f"--tmpdir={folder / 'tmp'}"


def _as_whom() -> tuple[str, ...]:
    return ("--user=root",) if os.geteuid() == 0 else ()
