"""A database that cannot be written, and a clock that is wrong: work waits, and none is lost."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from app.jobs import Engine
from app.jobs.worker import Mark
from tests.eventually import eventually
from tests.faults import audit, clock, life, verdict
from tests.faults.disk import full, small_disk
from tests.faults.life import Fate, Life
from tests.jobs.locking import cut_connections, locked
from tests.jobs.looking import sql
from tests.jobs.test_lost_workers import living
from tests.server import migrated

pytestmark = pytest.mark.conformance

TASKS = 200
HOUR = 3_600


def begun(looking: Engine, folder: Path) -> int:
    """A job of which some is done."""
    params = {"file": str(folder / "testimony"), "tasks": TASKS, "seconds": 0.05}
    job_id = looking.start("witnessed", params)
    eventually(lambda: looking.job(job_id).done > 10, within=20)
    return job_id


def all_ends_well(looking: Engine, folder: Path, job_id: int) -> None:
    eventually(lambda: looking.job(job_id).is_final, within=60)
    life.end_all()
    verdict.all_is_right(looking, job_id, TASKS)
    verdict.books_balance(looking, folder / "testimony")


def rests(looking: Engine, job_id: int) -> bool:
    """Whether nothing has changed of a job for a while, though it has not ended."""
    before = looking.job(job_id)
    threading.Event().wait(0.4)
    return looking.job(job_id).version == before.version and not before.is_final


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine at rest whose data directory is on a small disk."""
    with small_disk(12) as disk:  # SQLite has 4 MB of what is not yet in its file
        monkeypatch.setenv("JOBDECK_DATABASE_URL", "")
        shutil.copy(migrated(), disk / "jobdeck.sqlite3")
        engine = life.engine_of(life.settings_of(disk))
        audit.begin(engine.database)
        yield engine
        life.end_all()
        engine.database.dispose()


@pytest.mark.long
@pytest.mark.about_sqlite("its file is on the disk that is full")
def test_a_full_disk_holds_work_up_until_there_is_room_again(tiny: Engine, tmp_path: Path) -> None:
    disk = tiny.settings.data_dir
    Life(disk)
    job_id = begun(tiny, tmp_path)
    with full(disk):
        eventually(lambda: rests(tiny, job_id), within=20)
        with pytest.raises(OperationalError, match="full"):
            tiny.start("witnessed", {"file": "x" * 100_000})
        with pytest.raises(OSError, match="No space left"):
            Mark(disk / "workers", threads=10)
    all_ends_well(tiny, tmp_path, job_id)


@pytest.mark.long
@pytest.mark.about_sqlite("PostgreSQL ends a transaction that rests for ten seconds")
def test_a_lock_of_twenty_seconds_holds_work_up_until_it_is_gone(
    folder: Path, looking: Engine
) -> None:
    Life(folder)
    Life(folder)
    job_id = begun(looking, folder)
    with locked(looking.database):
        threading.Event().wait(20)
        assert not looking.job(job_id).is_final
    all_ends_well(looking, folder, job_id)


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_clock_that_is_stepped_by_an_hour_costs_no_task(
    folder: Path, looking: Engine, seconds: int
) -> None:
    file = folder / "clock"
    clock.step(file, 0)
    Life(folder, fate=Fate(clock=file))
    # On PostgreSQL the others may be on other hosts, whose clocks are right.
    Life(folder, fate=Fate(clock=file) if looking.database.is_sqlite else None)
    job_id = begun(looking, folder)
    clock.step(file, seconds)
    all_ends_well(looking, folder, job_id)


@pytest.mark.about_postgresql("only there a process may be on another host")
def test_a_wrong_clock_takes_nobody_for_dead_who_shares_a_database(
    folder: Path, looking: Engine
) -> None:
    file = folder / "clock"
    clock.step(file, HOUR)
    Life(folder, fate=Fate(clock=file), lease=3.0)
    Life(folder, lease=3.0)
    job_id = begun(looking, folder)
    eventually(lambda: looking.job(job_id).is_final, within=60)
    assert len(living(looking.database)) == 2
    assert sql(looking.database, "SELECT count(*) FROM attempt") == [(0,)]
    all_ends_well(looking, folder, job_id)


@pytest.mark.about_servers("SQLite's connections cannot be cut")
def test_a_connection_that_is_cut_costs_no_task(folder: Path, looking: Engine) -> None:
    Life(folder)
    Life(folder)
    job_id = begun(looking, folder)
    for share in range(1, 5):
        eventually(lambda share=share: looking.job(job_id).done > share * TASKS // 6, within=20)  # type: ignore[misc]
        cut_connections(looking.database)
        looking.database.dispose()  # our own that rest in the pool are of no use any more
    all_ends_well(looking, folder, job_id)
