"""A task that kills its process, and one that never ends: neither harms the others."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from app.jobs import Engine, JobStatus
from app.jobs.store.keeping import REPEATED
from tests.eventually import eventually
from tests.faults import verdict
from tests.faults.errand import Errand
from tests.faults.life import Life
from tests.faults.witness import heard
from tests.jobs.looking import sql

pytestmark = pytest.mark.conformance


def test_a_task_that_kills_its_process_is_given_up_and_those_beside_it_are_done(
    folder: Path, looking: Engine
) -> None:
    params = {"file": str(folder / "testimony"), "tasks": 30, "seconds": 0.01}
    bad, good = looking.start("poisoned", params), looking.start("witnessed", params)
    for _ in range(3):
        run = Errand(folder, "run")
        run.begin()
        assert run.wait() == -signal.SIGKILL
    run = Errand(folder, "run")
    run.begin()
    eventually(lambda: verdict.all_is_over(looking), within=30)
    run.kill()
    verdict.all_is_right(looking, good, 30)
    job, culprit = looking.job(bad), looking.task(bad, 0)
    assert (job.status, job.done, job.failed) == (JobStatus.DONE_WITH_ERRORS, 29, 1)
    assert (culprit.error, culprit.crashes) == (REPEATED, 3)
    verdict.books_balance(looking, folder / "testimony")


def test_a_stop_does_not_wait_for_tasks_that_hang_and_hands_them_back(
    folder: Path, looking: Engine
) -> None:
    file = folder / "testimony"
    job_id = looking.start("hanging", {"file": str(file), "tasks": 4})
    for _ in range(2):
        seen, life = len(heard(file)), Life(folder, grace_seconds=0.3)
        other = looking.start("witnessed", {"file": str(file), "tasks": 10})
        eventually(lambda seen=seen: starts(file, job_id, seen) == 4, within=20)  # type: ignore[misc]
        eventually(lambda other=other: looking.job(other).is_final, within=20)  # type: ignore[misc]
        life.send(signal.SIGTERM)
        assert life.wait(within=10) == 0
        job = looking.job(job_id)
        assert (job.scheduled, job.in_progress) == (4, 0)
        assert {task.attempt for task in looking.tasks(job_id, limit=9)} == {0}
    assert sql(looking.database, "SELECT count(*) FROM attempt") == [(0,)]
    verdict.moves_were_allowed(looking)


def starts(file: Path, job_id: int, seen: int) -> int:
    """How many tasks of a job have begun since so many lines were written."""
    lines = Counter((line.what, line.job_id) for line in heard(file)[seen:])
    return lines["S", job_id]
