"""A real PostgreSQL for the tests: Debian's, in a temporary directory, on a free port."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

import psycopg

from tests.eventually import eventually
from tests.server import free_port

#: Who owns the databases of the tests, and may do no more: as on a server that others look after.
OWNER = "jobdeck"
FAST = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200"]


class Server:
    """A running server that makes and drops databases."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._numbers = count(1)
        self._process = _start(folder, self.port)

    def restart(self) -> None:
        """Stop it, whoever is connected, and start it again."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=30)
        self._process = _start(self._folder, self.port)
        eventually(self.answers, within=30)

    def stop(self) -> None:
        """Stop it for good, when nobody is connected any more."""
        self._process.terminate()
        self._process.wait(timeout=30)

    def database(self, options: str = "") -> AbstractContextManager[str]:
        """The URL of an empty database that is dropped afterwards, by its ordinary owner."""
        return self.copy_of("template0" if options else "template1", options)

    @contextmanager
    def copy_of(self, template: str, options: str = "") -> Iterator[str]:
        """The URL of a copy of a database that nobody uses; it is dropped afterwards."""
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template} {options}")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, database: str, role: str = OWNER) -> str:
        """The URL of a database, for one who may be another than its owner."""
        return f"postgresql+psycopg://{role}@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str, database: str = "postgres") -> None:
        """Run one statement outside of any transaction, as the superuser."""
        address = f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement.encode())

    def answers(self) -> bool:
        """Whether it takes connections yet."""
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def running() -> Iterator[Server]:
    """Start a server, and stop it and remove its files afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="jobdeck-postgresql-"))
    try:
        _give_away(folder)
        _run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-N")
        server = Server(folder)
        try:
            eventually(server.answers, within=30)
            server.run(f"CREATE ROLE {OWNER} LOGIN")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    options = [each for option in FAST for each in ("-c", option)]
    command = _command("postgres", "-D", str(folder / "data"), "-k", str(folder), "-h", "127.0.0.1")
    with (folder / "log").open("wb") as log:
        return subprocess.Popen([*command, "-p", str(port), *options], stdout=log, stderr=log)


def _run(program: str, *arguments: str) -> None:
    subprocess.run(_command(program, *arguments), check=True, stdout=subprocess.DEVNULL)


def _command(program: str, *arguments: str) -> list[str]:
    command = [str(_binaries() / program), *arguments]
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
    return command


def _give_away(folder: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")


def _binaries() -> Path:
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name)
    )
    assert found, "The tests need PostgreSQL: apt-get install postgresql"
    return found[-1]
