"""Callbacks survive SIGKILL between the last task and the callback, in it, and after it (A11)."""

from __future__ import annotations

import random
import threading
from collections import Counter
from pathlib import Path

from app.jobs import Engine, JobStatus
from tests.eventually import eventually
from tests.faults import verdict
from tests.faults.errand import Errand
from tests.faults.life import Life
from tests.faults.witness import heard

TASKS = 8


def test_each_callback_is_called_however_often_the_server_is_killed(
    folder: Path, looking: Engine, chance: random.Random
) -> None:
    file = folder / "testimony"
    params = {"file": str(file), "tasks": TASKS, "seconds": 0.01}
    jobs = [looking.start("called_back", params) for _ in range(6)]
    for _ in range(10):
        life = Life(folder)
        threading.Event().wait(chance.uniform(0.02, 0.3))
        life.kill()
        for job_id in jobs:
            verdict.counts_are_exact(looking, job_id)
    life = Life(folder)
    eventually(lambda: all(is_over(looking, job_id) for job_id in jobs), within=60)
    life.kill()
    for job_id in jobs:
        what_is_right_after_callbacks(looking, job_id, file)


def is_over(looking: Engine, job_id: int) -> bool:
    job = looking.job(job_id)
    return job.is_final and not job.finishing


def what_is_right_after_callbacks(looking: Engine, job_id: int, file: Path) -> None:
    """Each round was called, in its order; tasks of each were added once; the end was told."""
    job = looking.job(job_id)
    assert (job.status, job.done, job.total) == (JobStatus.DONE, 3 * TASKS, 3 * TASKS)
    assert (job.error, job.state) == (None, {"rounds": 3})
    verdict.counts_are_exact(looking, job_id)
    lines = [line for line in heard(file) if line.job_id == job_id]
    called = [(line.what, line.index) for line in lines if line.what in "BA"]
    assert called == sorted(called, key=lambda each: (each[0] == "A", each[1]))
    assert set(called) == {("B", 1), ("B", 2), ("B", 3), ("A", 0)}
    # A task that ended well has run to its end; no task ran after the last callback.
    assert {line.index for line in lines if line.what == "E"} == set(range(3 * TASKS))
    assert [line.what for line in lines][-1] == "A"


def test_a_callback_that_kills_its_process_is_given_up_and_harms_nobody_else(
    folder: Path, looking: Engine
) -> None:
    file = folder / "testimony"
    job_id = looking.start("deadly")
    deaths = 0
    while not looking.job(job_id).is_final:
        params = {"file": str(file), "tasks": 30, "seconds": 0.01}
        looking.start("witnessed", params)
        run = Errand(folder, "run")
        run.begin()
        if deaths < 3:
            run.wait()
            deaths += 1
        else:
            eventually(lambda: all(job.is_final for job in looking.jobs()), within=20)
            run.kill_after(0)
    job = looking.job(job_id)
    assert job.status == JobStatus.DONE_WITH_ERRORS
    assert job.error == (
        "before_job_finish is not called again: its worker process died 3 times while it ran."
    )
    assert Counter(each.status for each in looking.jobs()) == {"DONE": 4, "DONE_WITH_ERRORS": 1}
