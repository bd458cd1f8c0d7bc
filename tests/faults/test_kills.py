"""SIGKILL at any moment: nothing is lost, nothing is recorded twice, all goes on by itself (A6)."""

from __future__ import annotations

import random
import threading
from pathlib import Path

from app.jobs import Engine
from tests.eventually import eventually
from tests.faults import verdict
from tests.faults.errand import Errand
from tests.faults.life import Life
from tests.faults.witness import heard

TASKS = 3_000


def test_a_job_survives_twenty_kills(folder: Path, looking: Engine, chance: random.Random) -> None:
    file = folder / "testimony"
    params = {"file": str(file), "tasks": TASKS, "seconds": 0.02}
    job_id = looking.start("witnessed", params)
    for _ in range(20):
        seen, done = len(heard(file)), verdict.recorded_done(looking, job_id)
        life = Life(folder)
        threading.Event().wait(chance.uniform(0.02, 0.35))
        life.kill()
        verdict.nothing_done_ran_again(heard(file)[seen:], done)
        verdict.counts_are_exact(looking, job_id)
    life = Life(folder)
    eventually(lambda: looking.job(job_id).is_final, within=60)
    life.kill()
    verdict.nothing_ran_twice_at_once(heard(file))
    verdict.all_is_right(looking, job_id, TASKS)


def test_what_was_cut_off_resumes_at_once(folder: Path, looking: Engine) -> None:
    file = folder / "testimony"
    job_id = looking.start("witnessed", {"file": str(file), "tasks": 40, "seconds": 0.2})
    life = Life(folder)
    eventually(lambda: len(heard(file)) > 12)
    life.kill()
    cut_off = {line.index for line in heard(file) if line.what == "S"}
    cut_off -= verdict.recorded_done(looking, job_id)
    seen, life = len(heard(file)), Life(folder)
    eventually(lambda: len(heard(file)) > seen, within=2)
    eventually(lambda: looking.job(job_id).is_final, within=20)
    life.kill()
    again = [line.index for line in heard(file)[seen:] if line.what == "S"]
    assert cut_off <= set(again)
    assert len(again) == len(set(again))


def test_a_job_is_there_whole_or_not_at_all_when_its_creator_dies(
    folder: Path, looking: Engine, chance: random.Random
) -> None:
    found = set()
    for _ in range(8):
        Errand(folder, "start", tasks="10000").kill_after(chance.uniform(0.0, 0.25))
        found |= {(job.total, job.scheduled, job.status) for job in looking.jobs(limit=100)}
    assert found <= {(10_000, 10_000, "QUEUED")}
    for job in looking.jobs(limit=100):
        verdict.counts_are_exact(looking, job.id)


def test_a_whole_job_of_a_dead_creator_runs(folder: Path, looking: Engine) -> None:
    creator = Errand(folder, "start", tasks="10000")
    creator.begin()
    assert creator.wait() == 0
    life = Life(folder)
    (job,) = looking.jobs()
    eventually(lambda: looking.job(job.id).is_final, within=60)
    life.kill()
    assert looking.job(job.id).done == 10_000
