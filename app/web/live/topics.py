"""What can be watched, for programs: updates of jobs and of tasks, as JSON (A15).

A topic keeps no queue: `look` compares what is stored with what was shown, the cursor, and returns
what is new. The first look, with no cursor, is a snapshot.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from app.admin.asked import whole
from app.db import iso
from app.jobs import Engine, JobFilter, JobRow, TaskRow
from app.users.people import Person
from app.users.permissions import HasRole
from app.web.pages import hidden_handlers, job_for

#: Tasks that one window shows at most.
WINDOW = 10_000
#: Jobs that a snapshot of all jobs shows: the newest ones.
SNAPSHOT = 100
#: Jobs of which a socket remembers what it told.
REMEMBERED = 10_000
#: Rows in one message; a larger window comes in several.
ROWS = 1_000


Message = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Address:
    """What a topic's name says beside its kind: `job-state/42/sum?from=3`."""

    job_id: int = 0
    field: str = ""
    query: Mapping[str, str]


class Topic(Protocol):
    """Something that one socket watches."""

    #: The one job that it is about; 0 when it is about all.
    job_id: int
    #: All changes that came before this moment are in what was shown last.
    as_of: float

    def concerns(self, job_ids: Collection[int]) -> bool:
        """Whether a change of these jobs may be a change here."""
        ...

    def look(
        self, person: Person, changed: Collection[int], since: float = math.inf
    ) -> list[Message]:
        """What is new for this person, as messages; raises when they may not see it.

        `since` is when the first of these changes came: what was read after it will do.
        """
        ...


class Now:
    """A topic that reads by itself, each time that it looks."""

    job_id = 0
    as_of = math.inf


class JobUpdates(Now):
    """`job-updates`: every job that the person may view."""

    def __init__(self, engine: Engine, _: Address) -> None:
        self._engine = engine
        self._shown: dict[int, int] = {}
        self._is_first = True

    def concerns(self, job_ids: Collection[int]) -> bool:
        """Every job is of interest."""
        return True

    def look(
        self, person: HasRole, changed: Collection[int], since: float = math.inf
    ) -> list[Message]:
        """The newest jobs at first, then those that changed."""
        hidden, gone = hidden_handlers(self._engine, person), []
        if self._is_first:
            rows = self._engine.jobs(JobFilter(hidden=hidden), limit=SNAPSHOT)[::-1]
        else:
            found = self._engine.jobs_of(changed)
            gone = self._forget(set(changed) - {row.id for row in found})
            rows = [row for row in found if row.handler not in hidden]
            rows = [row for row in rows if self._shown.get(row.id) != row.version]
        self._is_first = False
        self._remember(rows)
        data = [*({"jobId": job_id, "deleted": True} for job_id in gone), *map(job_message, rows)]
        return [{"data": data}] if data else []

    def _remember(self, rows: Iterable[JobRow]) -> None:
        self._shown.update({row.id: row.version for row in rows})
        if len(self._shown) > REMEMBERED:
            # A job that is forgotten is at worst told once more, as it is.
            newest = sorted(self._shown)[-REMEMBERED // 2 :]
            self._shown = {job_id: self._shown[job_id] for job_id in newest}

    def _forget(self, job_ids: Iterable[int]) -> list[int]:
        """Those of these jobs that were told of: of the others nobody needs to know they went."""
        return sorted(id_ for id_ in job_ids if self._shown.pop(id_, None) is not None)


class TaskUpdates(Now):
    """`job-task-updates/<id>`: the tasks of a window of one job."""

    def __init__(self, engine: Engine, address: Address) -> None:
        self._engine = engine
        self.job_id = address.job_id
        self._window = Window.of(address)
        self._seen = Seen()
        self._gaps: int | None = None

    def concerns(self, job_ids: Collection[int]) -> bool:
        """Only this job is of interest."""
        return self.job_id in job_ids

    def look(
        self, person: HasRole, changed: Collection[int], since: float = math.inf
    ) -> list[Message]:
        """All tasks of the window at first, then those that changed."""
        job = job_for(self._engine, person, self.job_id)
        parts = self._window.changed(self._engine, job, self._seen)
        messages = [{"data": [task_message(row) for row in rows]} for rows in parts if rows]
        # The job's, read before its tasks: one that changed while others were read is told again.
        self._seen = Seen(job.version, job.end_index)
        return messages + self._told_of_deleted(job)

    def _told_of_deleted(self, job: JobRow) -> list[Message]:
        """Tasks that were deleted since the first look; only then their indexes have gaps."""
        before, gaps = self._gaps, job.end_index - job.total
        self._gaps = gaps
        if before is None or gaps == before:
            return []
        there = {
            row.index for rows in self._window.changed(self._engine, job, Seen()) for row in rows
        }
        gone = [index for index in self._window.indexes(job) if index not in there]
        return [{"data": [{"taskIndex": index, "deleted": True} for index in gone]}] if gone else []


@dataclass(frozen=True, slots=True)
class Seen:
    """What a job was when its tasks were looked at last: its version, and its first free index."""

    version: int = -1
    end: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """Which tasks of a job are watched: so many, from this index on."""

    first: int
    limit: int

    @classmethod
    def of(cls, address: Address) -> Window:
        """The one that a topic's name asks for: `?from=0&limit=1000`."""
        limit = whole(address.query.get("limit"))
        first = whole(address.query.get("from")) or 0
        return cls(first, min(WINDOW if limit is None else limit, WINDOW))

    def indexes(self, job: JobRow) -> range:
        """The indexes that its tasks may have."""
        return range(self.first, max(self.first, min(self.first + self.limit, job.end_index)))

    def changed(self, engine: Engine, job: JobRow, since: Seen) -> Iterator[list[TaskRow]]:
        """The tasks that changed or joined the job since, in parts of bounded size."""
        indexes = self.indexes(job)
        for first in indexes[::ROWS]:
            before = min(first + ROWS, indexes.stop)
            seen = {"newer_than": since.version, "unseen_from": since.end}
            yield engine.tasks(job.id, first=first, before=before, limit=ROWS, **seen)


def job_message(row: JobRow) -> Message:
    """A job as `job-updates` tells it."""
    return {
        "jobId": row.id,
        "name": row.name,
        "handler": row.handler,
        "status": row.status,
        "progress": row.progress,
        "counts": row.counts,
        "createdAt": iso(row.created_at),
        "finishedAt": None if row.finished_at is None else iso(row.finished_at),
    }


def task_message(row: TaskRow) -> Message:
    """A task as `job-task-updates` tells it."""
    return {
        "taskIndex": row.index,
        "status": row.status,
        "state": row.state,
        "error": row.error,
    }
