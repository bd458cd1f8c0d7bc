"""A process frozen past its lease: another one goes on, and the frozen one wakes up harmless."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path

from app.jobs import Engine
from tests.eventually import eventually
from tests.faults import verdict
from tests.faults.life import Life
from tests.faults.witness import heard

TASKS = 400


def test_a_frozen_worker_that_wakes_up_records_nothing_twice(folder: Path, looking: Engine) -> None:
    file = folder / "testimony"
    params = {"file": str(file), "tasks": TASKS, "seconds": 0.02}
    job_id = looking.start("witnessed", params)
    frozen = Life(folder, lease=1.5)
    eventually(lambda: looking.job(job_id).done > 20, within=20)
    eventually(lambda: froze(frozen, looking))
    stopped = {line.pid for line in heard(file)}
    other = Life(folder, lease=1.5)
    eventually(lambda: {line.pid for line in heard(file)} - stopped, within=20)
    seen, done = len(heard(file)), verdict.recorded_done(looking, job_id)
    os.killpg(frozen.pid, signal.SIGCONT)
    eventually(lambda: looking.job(job_id).is_final, within=60)
    for life in (frozen, other):
        life.kill()
    verdict.nothing_done_ran_again(heard(file)[seen:], done)
    verdict.all_is_right(looking, job_id, TASKS)


def froze(life: Life, looking: Engine) -> bool:
    """Freeze it, unless it holds the write lock of SQLite just now: then nobody could go on."""
    os.killpg(life.pid, signal.SIGSTOP)
    probe = sqlite3.connect(str(looking.database.url.database), timeout=0.2, isolation_level=None)
    try:
        probe.execute("BEGIN IMMEDIATE")
        probe.execute("ROLLBACK")
    except sqlite3.OperationalError:
        os.killpg(life.pid, signal.SIGCONT)
        return False
    finally:
        probe.close()
    return True
