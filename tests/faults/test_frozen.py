"""A process frozen past its lease: another one goes on, and the frozen one wakes up harmless."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.db import Database
from app.jobs import Engine
from tests.eventually import eventually
from tests.faults import audit, verdict
from tests.faults.life import Life, end_all
from tests.faults.witness import heard, write
from tests.jobs.test_lost_workers import living

TASKS = 60


@dataclass(frozen=True)
class Thawed:
    """A job whose worker was frozen past its lease, while another one went on with it."""

    job_id: int
    frozen: Life
    seen: int  # lines of the witness before it woke up
    done: set[int]  # tasks that were recorded by then


def thawed(folder: Path, looking: Engine, **settings: Any) -> Thawed:
    """Freeze a worker that is busy, and wake it up once another one has taken its tasks."""
    file = folder / "testimony"
    params = {"file": str(file), "tasks": TASKS, "seconds": 0.2}
    job_id = looking.start("witnessed", params)
    frozen = Life(folder, lease=1.0, **settings)
    eventually(lambda: looking.job(job_id).done > 5, within=20)
    frozen.freeze(looking.database)
    write(str(file), f"K {frozen.worker_pid} 0 0")
    Life(folder, lease=3.0)
    eventually(lambda: len(living(looking.database)) == 1, within=20)
    thawed = Thawed(job_id, frozen, len(heard(file)), verdict.recorded_done(looking, job_id))
    frozen.send(signal.SIGCONT)
    return thawed


def test_a_frozen_worker_that_wakes_up_records_nothing_twice(folder: Path, looking: Engine) -> None:
    job = thawed(folder, looking)
    eventually(lambda: len(living(looking.database)) == 2, within=20)
    eventually(lambda: looking.job(job.job_id).is_final, within=60)
    end_all()
    verdict.nothing_done_ran_again(heard(folder / "testimony")[job.seen :], job.done)
    verdict.all_is_right(looking, job.job_id, TASKS)


def test_without_the_fence_it_would_and_that_would_be_noticed(
    folder: Path, looking: Engine
) -> None:
    take_the_fence_out(looking.database)
    # It does not renew its lease, so only what it writes could tell it of its death.
    job = thawed(folder, looking, heartbeat_seconds=600)
    eventually(lambda: ("DONE", "DONE") in moves(looking.database), within=20)
    with pytest.raises(AssertionError, match="old='DONE', new='DONE'"):
        verdict.all_is_right(looking, job.job_id, TASKS)


def moves(database: Database) -> set[tuple[str, str]]:
    """The moves of tasks that there were."""
    return {(move.old, move.new) for move in audit.moves(database) if move.what == "task"}


#: What keeps a worker that was taken for dead from recording anything.
FENCE = (
    r"NOT EXISTS \(SELECT 1 FROM worker WHERE id = NEW\.worker_id AND alive\)",
    r"\+?task\.worker_id = NEW\.worker_id",
    r"\+?task\.attempt = (json_extract\(\w+\.value, '\$\[1\]'\)|\(\w+\.value ->> 1\)::int)",
    r"\+?task\.status = 'IN_PROGRESS'",
)


def take_the_fence_out(database: Database) -> None:
    """Let the journal write for whoever it is, and over whatever is there."""
    with database.writing() as connection:
        written: str = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE name = 'journal_group_written'"
            if database.is_sqlite
            else "SELECT pg_get_functiondef('journal_group_written'::regproc)"
        ).scalar_one()
        for guard, never in zip(FENCE, ("FALSE", "TRUE", "TRUE", "TRUE"), strict=True):
            written, found = re.subn(guard, never, written)
            assert found, guard
        if database.is_sqlite:
            connection.exec_driver_sql("DROP TRIGGER journal_group_written")
        connection.exec_driver_sql(written)
