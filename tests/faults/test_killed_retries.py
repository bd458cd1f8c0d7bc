"""SIGKILL while tasks wait for their next try: each has all its retries, and none has more (B4)."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db import Database
from app.jobs import Engine, JobStatus
from tests.eventually import eventually
from tests.faults.wavering import Wavering, engine_of

TASKS = 60
FAILURES = text("""
    SELECT task.retries, count(attempt.id) FROM task
    LEFT JOIN attempt ON attempt.task_id = task.id AND attempt.status = 'FAILED'
    GROUP BY task.id, task.retries
""")
WAITING = text("SELECT count(*) FROM task WHERE run_after IS NOT NULL")


@pytest.fixture
def engine(settings: Settings, database: Database) -> Iterator[Engine]:
    """An engine that runs nothing, to start the job and to look at it."""
    engine = engine_of(settings)
    yield engine
    engine.database.dispose()


def test_no_retry_is_lost_and_none_is_used_up_by_a_kill(
    engine: Engine, settings: Settings, chance: random.Random
) -> None:
    job_id = engine.start_new_job("x", None, [{"state": {}}] * TASKS, "wavering")
    for share in (1, 2):
        process = Wavering(settings)
        eventually(lambda: engine.job(job_id).waiting > 5 * share, within=30)  # noqa: B023
        threading.Event().wait(chance.uniform(0, 0.1))
        process.kill()
        counts_are_exact(engine, job_id)
    process = Wavering(settings)
    eventually(lambda: engine.job(job_id).is_final, within=60)
    process.kill()
    assert engine.job(job_id).status == JobStatus.DONE
    with engine.database.reading() as connection:
        assert set(map(tuple, connection.execute(FAILURES))) == {(2, 2)}


def counts_are_exact(engine: Engine, job_id: int) -> None:
    """What the job says of tasks that wait is what counting them gives."""
    with engine.database.reading() as connection:
        assert engine.job(job_id).waiting == connection.execute(WAITING).scalar_one()
