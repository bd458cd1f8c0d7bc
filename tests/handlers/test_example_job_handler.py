"""Six steps, one after another."""

from __future__ import annotations

from typing import Any

from app.config import Settings
from app.db import Database
from app.handlers.example_job_handler import example_job_handler
from app.jobs import Engine, Registry
from tests.eventually import eventually


def test_each_step_says_that_it_is_completed(settings: Settings, database: Database) -> None:
    engine = Engine(database, settings, Registry([example_job_handler]))
    engine.run()
    job_id = engine.start("example_job_handler", {"seconds": 0.01})
    eventually(lambda: engine.job(job_id).status == "DONE", within=20)
    engine.stop()
    found = engine.tasks(job_id, limit=10)
    assert [task.state for task in found] == [
        {"step": step, str(step): f"Step {step} completed"} for step in range(1, 7)
    ]
    moments = [moment for task in found for moment in (task.started_at, task.finished_at)]
    assert moments == sorted(moment for moment in moments if moment)


def test_given_tasks_are_steps_too(settings: Settings, database: Database) -> None:
    engine = Engine(database, settings, Registry([example_job_handler]))
    engine.run()
    tasks: list[dict[str, Any]] = [{"state": {"step": 4}}, {"state": {}}]
    job_id = engine.start("example_job_handler", {"seconds": 0}, tasks=tasks)
    eventually(lambda: engine.job(job_id).status == "DONE", within=20)
    engine.stop()
    states = [task.state for task in engine.tasks(job_id, limit=10)]
    assert states == [{"step": 4, "4": "Step 4 completed"}, {"2": "Step 2 completed"}]
