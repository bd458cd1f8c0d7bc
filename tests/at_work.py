"""What tests do with an engine that runs: start a job, wait for what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.jobs import Engine, JobDetail
from tests.eventually import eventually


@dataclass(frozen=True)
class Gate:
    """A file for which the tasks of a `gated` job wait."""

    path: Path

    def open(self) -> None:
        """Let them pass."""
        self.path.touch()

    def params(self, tasks: int = 3) -> dict[str, Any]:
        """The params of a job of so many tasks that wait here."""
        return {"gate": str(self.path), "tasks": tasks}


@dataclass(frozen=True)
class AtWork:
    """An engine that runs."""

    engine: Engine

    def start(self, handler: str, *states: Mapping[str, Any], **params: Any) -> int:
        """Start a job, of these tasks or of those that its handler makes."""
        tasks: Sequence[Mapping[str, Any]] | None = [{"state": state} for state in states] or None
        return self.engine.start(handler, params, tasks=tasks)

    def waiting(self, job_id: int) -> int:
        """How many tasks of a job wait at their gate: a claimed one may be called off yet."""
        tasks = self.engine.tasks(job_id, limit=100)
        return sum(bool(task.state.get("waits")) for task in tasks)

    def ended(self, job_id: int) -> JobDetail:
        """The job, once it has ended."""
        eventually(lambda: self.engine.job(job_id).is_final, within=20)
        return self.engine.job(job_id)
