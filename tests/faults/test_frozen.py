"""A process frozen past its lease: another one goes on, and the frozen one wakes up harmless."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.db import Database
from app.jobs import Engine
from app.jobs.store import on_mariadb
from tests.eventually import eventually
from tests.faults import verdict
from tests.faults.life import Life, end_all
from tests.faults.witness import heard, write
from tests.jobs.looking import sql
from tests.jobs.test_lost_workers import living

pytestmark = pytest.mark.conformance

TASKS = 60


@dataclass(frozen=True)
class Thawed:
    """A job whose worker was frozen past its lease, while another one went on with it."""

    job_id: int
    frozen: Life
    seen: int  # lines of the witness before it woke up
    done: set[int]  # tasks that were recorded by then


def thawed(folder: Path, looking: Engine, *, lease: float) -> Thawed:
    """Freeze a worker that is busy, and wake it up once another one has taken its tasks."""
    file = folder / "testimony"
    params = {"file": str(file), "tasks": TASKS, "seconds": 0.2}
    job_id = looking.start("witnessed", params)
    frozen = Life(folder, lease=lease)
    eventually(lambda: looking.job(job_id).done > 5, within=20)
    frozen.freeze(looking.database)
    write(str(file), f"K {frozen.worker_pid} 0 0")
    if lease > 1:
        sql(looking.database, "UPDATE worker SET expires_at = '2001-01-01T00:00:00.000000Z'")
    Life(folder)
    eventually(lambda: len(living(looking.database)) == 1, within=20)
    thawed = Thawed(job_id, frozen, len(heard(file)), verdict.recorded_done(looking, job_id))
    frozen.send(signal.SIGCONT)
    return thawed


def test_a_frozen_worker_that_wakes_up_records_nothing_twice(folder: Path, looking: Engine) -> None:
    job = thawed(folder, looking, lease=1.0)
    eventually(lambda: len(living(looking.database)) == 2, within=20)
    eventually(lambda: looking.job(job.job_id).is_final, within=60)
    end_all()
    verdict.nothing_done_ran_again(heard(folder / "testimony")[job.seen :], job.done)
    verdict.all_is_right(looking, job.job_id, TASKS)


@pytest.mark.usefixtures("unfenced")
def test_without_the_fence_it_would_and_that_would_be_noticed(
    folder: Path, looking: Engine
) -> None:
    # Only what it writes could tell it of its death: its next heartbeat is far away.
    thawed(folder, looking, lease=1200)
    wrong = eventually(lambda: verdict.forbidden_moves(looking), within=20)
    assert {move.new for move in wrong} == {"DONE"}
    with pytest.raises(AssertionError):
        verdict.moves_were_allowed(looking)


#: What keeps a worker that was taken for dead from claiming and recording anything, on each
#: database, and what is put in its place.
FENCE = (
    (r"NOT EXISTS \(SELECT 1 FROM worker WHERE id = NEW\.worker_id AND alive\)", "FALSE"),
    (r"SIGNAL [^;]*'jobdeck: (fenced|lost)'", "DO 0"),
    (r"(?<=AND )task\.attempt = said\.attempt", "TRUE"),
    (r"RAISE EXCEPTION 'jobdeck: fenced' USING ERRCODE = '\w+'", "NULL"),
    (r"(?<=AND |ERE )\+?task\.worker_id = (NEW\.|the_)worker_id", "TRUE"),
    (r"(?<=AND )\+?task\.attempt = (json_extract\(.*?\)|\(\w+\.value ->> 1\)::\w+)", "TRUE"),
    (r"(?<=AND )\+?task\.status[^=]* = 'IN_PROGRESS'", "TRUE"),
)


#: How the text of each of these is asked for, and what makes way for another one.
PROGRAMS = {
    "sqlite": (
        ("claim_made", "journal_group_written"),
        "SELECT sql FROM sqlite_master WHERE name = '{name}'",
        "DROP TRIGGER {name}",
    ),
    "postgresql": (
        ("claim_made", "journal_group_written"),
        "SELECT pg_get_functiondef('{name}'::regproc)",
        "SELECT 1",
    ),
    "mariadb": (
        ("claim", "journal_group"),
        "SHOW CREATE PROCEDURE {name}",
        "DROP PROCEDURE {name}",
    ),
}


@pytest.fixture
def unfenced(looking: Engine) -> Iterator[None]:
    """Without the fence, which comes back afterwards: tests share a database on MariaDB."""
    take_the_fence_out(looking.database)
    yield
    end_all()
    if looking.database.url.get_backend_name() == "mariadb":
        for program in on_mariadb.PROGRAMS:
            sql(looking.database, program)


def take_the_fence_out(database: Database) -> None:
    """Let anybody claim, and write over whatever is there."""
    names, told, make_way = PROGRAMS[database.url.get_backend_name()]
    with database.writing() as connection:
        for name in names:
            row = connection.exec_driver_sql(told.format(name=name)).one()
            fenced: str = row[2] if len(row) > 1 else row[0]
            written = fenced
            for guard, nothing in FENCE:
                written = re.sub(guard, nothing, written)
            assert written != fenced
            connection.exec_driver_sql(make_way.format(name=name))
            connection.exec_driver_sql(written.replace("%", "%%"))
