"""A job started in the first second of a process that is killed soon after (A6)."""

from __future__ import annotations

import random
import threading
from collections import Counter
from pathlib import Path

from app.jobs import Engine
from tests.eventually import eventually
from tests.faults import verdict
from tests.faults.life import Life
from tests.faults.witness import heard

TASKS = 40


def test_a_job_started_while_the_engine_boots_runs_once(folder: Path, looking: Engine) -> None:
    file = folder / "testimony"
    life = Life(folder)
    job_id = looking.start("witnessed", {"file": str(file), "tasks": TASKS, "seconds": 0.02})
    eventually(lambda: looking.job(job_id).is_final, within=20)
    life.kill()
    starts = Counter(line.index for line in heard(file) if line.what == "S")
    assert starts == dict.fromkeys(range(TASKS), 1)


def test_a_job_started_just_before_a_kill_is_whole_and_ends(
    folder: Path, looking: Engine, chance: random.Random
) -> None:
    jobs = []
    for number in range(5):
        file = folder / f"testimony {number}"
        life = Life(folder)
        params = {"file": str(file), "tasks": TASKS, "seconds": 0.02}
        jobs.append(looking.start("witnessed", params))
        threading.Event().wait(chance.uniform(0.0, 0.3))
        life.kill()
    life = Life(folder)
    eventually(lambda: all(looking.job(job_id).is_final for job_id in jobs), within=30)
    life.kill()
    for job_id in jobs:
        verdict.all_is_right(looking, job_id, TASKS)
