"""Six steps, one after another: the smallest job that is worth watching."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field

from app.jobs import Task, task_handler


class Params(BaseModel):
    """How many steps there are, and how long each takes."""

    steps: int = Field(6, ge=1, le=10_000, description="How many steps the job has")
    seconds: float = Field(3.0, ge=0, le=3600, description="How long each step takes, in seconds")


@task_handler(params=Params, parallel_limit=1, icon="list-check")
def example_job_handler(task: Task) -> None:
    """Take a few steps, one after another, each of some seconds."""
    step = task.state.get("step", task.index + 1)
    task.log("Step %s begins", step)
    seconds = getattr(task.job.params, "seconds", 3.0)
    task.sleep(seconds)
    task.set_state_field(str(step), f"Step {step} completed")


@example_job_handler.tasks
def one_per_step(params: Params) -> Iterator[dict[str, Any]]:
    """One task for each step."""
    for step in range(1, params.steps + 1):
        yield {"step": step}
