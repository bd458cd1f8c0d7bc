"""SIGKILL in the middle of a cancel, a retry, a deletion or an addition, and around them."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.jobs import Engine, JobStatus
from tests.eventually import eventually
from tests.faults import verdict
from tests.faults.errand import Errand
from tests.faults.life import Life
from tests.faults.witness import heard

#: Some chunks of them, and so few that the test is soon over.
TASKS = 22_000


def held(looking: Engine, tasks: int = TASKS) -> int:
    """A job that waits, and is not started by anybody."""
    states: Iterator[dict[str, Any]] = ({"state": {}} for _ in range(tasks))
    params = {"file": os.devnull}
    return looking.start_new_job("x", None, states, "witnessed", params=params, auto_start=False)


def test_a_cancel_is_whole_or_not_at_all_when_its_canceller_dies(
    folder: Path, looking: Engine, chance: random.Random
) -> None:
    jobs = [held(looking) for _ in range(3)]
    for job_id in jobs:
        Errand(folder, "cancel", job_id).kill_after(chance.uniform(0.0, 0.15))
        verdict.counts_are_exact(looking, job_id)
    asked = [job_id for job_id in jobs if looking.job(job_id).cancel_requested_at]
    life = Life(folder)
    eventually(lambda: all(looking.job(job_id).is_final for job_id in asked), within=30)
    life.kill()
    for job_id in jobs:
        job = looking.job(job_id)
        expected = (JobStatus.CANCELLED, TASKS) if job_id in asked else (JobStatus.QUEUED, 0)
        assert (job.status, job.cancelled) == expected
        verdict.counts_are_exact(looking, job_id)


def test_a_retry_is_whole_or_not_at_all_when_its_retrier_dies(
    folder: Path, looking: Engine, chance: random.Random
) -> None:
    jobs = [held(looking, 12_000) for _ in range(5)]
    for job_id in jobs:
        looking.cancel(job_id)
        Errand(folder, "retry", job_id, "unfinished").kill_after(chance.uniform(0.0, 0.1))
        verdict.counts_are_exact(looking, job_id)
    begun = [job_id for job_id in jobs if not looking.job(job_id).is_final]
    life = Life(folder)
    eventually(lambda: all(looking.job(job_id).started_at for job_id in begun), within=90)
    for job_id in jobs:
        # It is started once all its tasks are reopened, so none is left as it was.
        expected = 0 if job_id in begun else 12_000
        assert looking.job(job_id).cancelled == expected
    life.kill()
    for job_id in begun:
        verdict.counts_are_exact(looking, job_id)


def test_an_addition_is_whole_or_not_at_all_when_its_adder_dies(
    folder: Path, looking: Engine, chance: random.Random
) -> None:
    job_id = held(looking, 3)
    for _ in range(5):
        before = looking.job(job_id).total
        Errand(folder, "add", job_id, "12000").kill_after(chance.uniform(0.0, 0.15))
        assert looking.job(job_id).total in (before, before + 12_000)
        # Whose time is over, so that nobody has to wait a minute for it.
        expire(looking)
        assert len(looking.add_new_tasks_to_existing_job(job_id, [{"state": {}}])) == 1
        verdict.counts_are_exact(looking, job_id)
    found = looking.tasks(job_id, limit=100_000)
    assert [task.index for task in found] == list(range(looking.job(job_id).total))


def expire(engine: Engine) -> None:
    """Let the time of an adder be over."""
    with engine.database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE job SET adding_until = '2001-01-01T00:00:00.000000Z' "
            "WHERE adding_until IS NOT NULL"
        )


def test_a_deletion_is_seen_at_once_and_ends_although_its_deleter_dies(
    folder: Path, looking: Engine, chance: random.Random
) -> None:
    jobs = [held(looking) for _ in range(3)]
    for job_id in jobs:
        looking.cancel(job_id)
        Errand(folder, "delete", job_id).kill_after(chance.uniform(0.0, 0.15))
    left = {job.id for job in looking.jobs()}
    life = Life(folder)
    eventually(lambda: rows(looking) == len(left) * TASKS, within=90)
    life.kill()
    assert {job.id for job in looking.jobs()} == left


def rows(engine: Engine) -> int:
    """How many rows of tasks there are."""
    with engine.database.reading() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM task").scalar_one())


def test_a_worker_that_dies_while_its_job_is_cancelled_leaves_it_cancelled(
    folder: Path, looking: Engine, chance: random.Random
) -> None:
    file = folder / "testimony"
    for _ in range(3):
        params = {"file": str(file), "tasks": 3_000, "seconds": 0.02}
        job_id, life = looking.start("witnessed", params), Life(folder)
        eventually(lambda job_id=job_id: looking.job(job_id).done, within=20)  # type: ignore[misc]
        answer = looking.cancel(job_id)
        assert answer.is_cancelling or answer.status == JobStatus.CANCELLED
        threading.Event().wait(chance.uniform(0.0, 0.02))
        life.kill()
        seen, life = len(heard(file)), Life(folder)
        eventually(lambda job_id=job_id: looking.job(job_id).is_final, within=20)  # type: ignore[misc]
        life.kill()
        job = looking.job(job_id)
        assert (job.status, job.done + job.cancelled) == (JobStatus.CANCELLED, 3_000)
        assert job.state.get("count", 0) >= job.done
        verdict.counts_are_exact(looking, job_id)
        assert heard(file)[seen:] == []
