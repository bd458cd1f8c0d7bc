"""A server that is restarted in the middle of the work, or whose disk is full."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from app import schema
from app.jobs import Engine
from tests import mariadb, postgresql
from tests.eventually import eventually
from tests.faults import audit, life
from tests.faults.disk import full, small_disk
from tests.faults.life import Life
from tests.faults.test_trouble import TASKS, all_ends_well, begun

pytestmark = pytest.mark.long

Server = postgresql.Server | mariadb.Server
RUNNING: dict[str, Callable[[], AbstractContextManager[Server]]] = {
    "postgresql": postgresql.running,
    "mariadb": mariadb.running,
}


@pytest.fixture
def server(on: str) -> Iterator[Server]:
    """A server that may be harmed."""
    with RUNNING[on]() as server:
        yield server


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """An empty database of it."""
    with server.database() as url:
        yield url
        life.end_all()


def prepared(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine at rest on that database, as its other processes will have it, too."""
    monkeypatch.setenv("JOBDECK_DATABASE_URL", url)
    engine = life.engine_of(life.settings_of(folder))
    schema.upgrade(engine.database)
    audit.begin(engine.database)
    return engine


@pytest.mark.about_servers("SQLite has no server")
def test_a_restart_in_the_middle_of_the_work_costs_no_task(
    server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = prepared(url, tmp_path, monkeypatch)
    Life(tmp_path)
    Life(tmp_path)
    job_id = begun(looking, tmp_path)
    for share in (1, 2, 3):
        looking.database.dispose()
        server.restart()
        eventually(lambda share=share: looking.job(job_id).done > share * TASKS // 5, within=30)  # type: ignore[misc]
    all_ends_well(looking, tmp_path, job_id)
    looking.database.dispose()


@pytest.mark.about_postgresql("only there a database can be given another disk")
def test_a_full_disk_holds_work_up_until_there_is_room_again(
    server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(64) as disk:
        if os.geteuid() == 0:
            shutil.chown(disk, "postgres", "postgres")
        server.run(f"CREATE TABLESPACE small LOCATION '{disk}'")
        server.run(f"ALTER DATABASE {make_url(url).database} SET TABLESPACE small")
        looking = prepared(url, tmp_path, monkeypatch)
        Life(tmp_path)
        job_id = begun(looking, tmp_path)
        many = [{"state": {"x": "y" * 1_000}} for _ in range(4_000)]
        with full(disk), pytest.raises(OperationalError, match="No space left"):
            looking.start("witnessed", {"file": os.devnull}, tasks=many)
        all_ends_well(looking, tmp_path, job_id)
        looking.database.dispose()
        server.run(f"ALTER DATABASE {make_url(url).database} SET TABLESPACE pg_default")
        server.run("DROP TABLESPACE small")
