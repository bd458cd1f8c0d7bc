"""What can be watched, for programs: single fields of a job's state, and of its tasks' (A15).

A program that shows one number subscribes to this number, and is not sent whole states.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import Any

from app.jobs import Engine
from app.users.permissions import HasRole
from app.web.live.topics import Address, Message, Now, Seen, Window
from app.web.pages import job_for

_NOTHING = object()


class JobField(Now):
    """`job-state/<id>/<field>`: one field of a job's state; null while the state lacks it."""

    def __init__(self, engine: Engine, address: Address) -> None:
        self._engine = engine
        self.job_id = address.job_id
        self._field = address.field
        self._shown: int | None = None

    def concerns(self, job_ids: Collection[int]) -> bool:
        """Only this job is of interest."""
        return self.job_id in job_ids

    def look(
        self, person: HasRole, changed: Collection[int], since: float = math.inf
    ) -> list[Message]:
        """The value, unless it is the one that was told last."""
        value = job_for(self._engine, person, self.job_id).state.get(self._field)
        before, self._shown = self._shown, _mark(value)
        if self._shown == before:
            return []
        return [{"data": {"jobId": self.job_id, "fieldName": self._field, "value": value}}]


class TaskField(Now):
    """`job-task-state/<id>/<field>`: one field of the states of a job's tasks, in a window."""

    def __init__(self, engine: Engine, address: Address) -> None:
        self._engine = engine
        self.job_id = address.job_id
        self._field = address.field
        self._window = Window.of(address)
        self._seen = Seen()
        self._shown: dict[int, int] = {}

    def concerns(self, job_ids: Collection[int]) -> bool:
        """Only this job is of interest."""
        return self.job_id in job_ids

    def look(
        self, person: HasRole, changed: Collection[int], since: float = math.inf
    ) -> list[Message]:
        """The values of the tasks that have the field at first, then those that changed."""
        job = job_for(self._engine, person, self.job_id)
        messages = []
        for rows in self._window.changed(self._engine, job, self._seen):
            told = [(row.index, row.state.get(self._field, _NOTHING)) for row in rows]
            if data := [self._message(*each) for each in told if self._is_new(*each)]:
                messages.append({"data": data})
        # The job's, read before its tasks: one that changed while others were read is told again.
        self._seen = Seen(job.version, job.end_index)
        return messages

    def _is_new(self, index: int, value: Any) -> bool:
        before = self._shown.get(index)
        if value is _NOTHING and before is None:
            return False
        self._shown[index] = _mark(value)
        return self._shown[index] != before

    def _message(self, index: int, value: Any) -> Message:
        told = None if value is _NOTHING else value
        return {
            "jobId": self.job_id, "taskIndex": index, "fieldName": self._field, "value": told,
        }  # fmt: skip


def _mark(value: Any) -> int:
    """What is remembered of a value that was told: 1, 1.0 and true are three."""
    return hash(None if value is _NOTHING else json.dumps(value))
