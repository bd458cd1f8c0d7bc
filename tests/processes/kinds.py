"""Kinds of jobs by which tests see in which process something ran, and what became of it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import current_app
from pydantic import BaseModel, field_validator
from sqlalchemy import select

from app.extensions import db
from app.jobs import Task, task_handler
from app.jobs.models import Handler


class Gate(BaseModel):
    """A file that opens the gate once it is there, and how many tasks wait for it."""

    gate: str = os.devnull
    tasks: int = 1


@task_handler(params=Gate, parallel_limit=None, concurrency_limit=None)
def whereabouts(task: Task) -> int:
    """Wait at the gate, hearing of a cancel, and tell in which process that was."""
    task.set_state_field("process", os.getpid())
    while not Path(task.job.params.gate).exists():
        task.sleep(0.02)
    return os.getpid()


@task_handler(params=Gate, parallel_limit=None, concurrency_limit=None)
def tally(task: Task) -> int:
    """Add one to what the job counts, once the gate is open."""
    wait_at(task.job.params.gate)
    task.job.update_fields_atomically(lambda state: state.update(n=state.get("n", 0) + 1))
    return os.getpid()


@task_handler(params=Gate, parallel_limit=None, concurrency_limit=None)
def deaf(task: Task) -> None:
    """Wait at the gate, and hear of nothing meanwhile."""
    wait_at(task.job.params.gate)


@task_handler(params=Gate, parallel_limit=None, concurrency_limit=None, timeout=0.2)
def hanging(task: Task) -> None:
    """The same, whatever the timeout says."""
    wait_at(task.job.params.gate)


def wait_at(gate: str) -> None:
    """Wait for a file."""
    pause = threading.Event()
    while not Path(gate).exists():
        pause.wait(0.02)


@whereabouts.tasks
def so_many(params: Gate) -> Iterator[dict[str, Any]]:
    """As many tasks as asked for."""
    yield from ({} for _ in range(params.tasks))


@tally.tasks
def as_many(params: Gate) -> Iterator[dict[str, Any]]:
    """As many tasks as asked for."""
    return so_many(params)


@deaf.tasks
def as_many_deaf_ones(params: Gate) -> Iterator[dict[str, Any]]:
    """As many tasks as asked for."""
    return so_many(params)


class Name(BaseModel):
    """The name of a row that is there."""

    name: str

    @field_validator("name")
    @classmethod
    def exists(cls, name: str) -> str:
        """Look it up."""
        if not db.session.scalar(select(Handler.name).where(Handler.name == name)):
            raise ValueError("There is no such row")
        return name


@task_handler(params=Name)
def rewrite(task: Task) -> str:
    """Read a row, and write to it."""
    row = db.session.get(Handler, task.state["name"])
    assert row is not None
    row.roles = json.dumps({"view": "viewer"})
    db.session.commit()
    return current_app.name


@rewrite.tasks
def one(params: Name) -> Iterator[dict[str, Any]]:
    """One task for each row."""
    for name in db.session.scalars(select(Handler.name).where(Handler.name == params.name)):
        yield {"name": name}
