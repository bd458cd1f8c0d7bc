"""What came of a claim: states, outcomes, attempts and log lines, a whole group in one statement.

A group is one INSERT into the view `journal_group`, and its trigger is the transaction. It is
refused whole when the worker was taken for dead (fenced), or when a job's state was changed by
somebody else meanwhile (moved).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from app.db import Database, iso, now, stamp, why
from app.jobs.errors import JobNotFound
from app.jobs.states import TaskStatus
from app.jobs.store.numbering import next_number
from app.sql import rows, statement


class Fenced(Exception):
    """This worker was taken for dead; its claims belong to others now."""


class StateMoved(Exception):
    """The state of a job is not what a change was made from; nothing was written."""


@dataclass(slots=True)
class TaskWrites:
    """What one claim of a task has to say; None is nothing said. State and result are JSON."""

    worker_id: int
    task_id: int
    job_id: int
    attempt: int
    state: str | None = None
    status: str | None = None
    result: str | None = None
    error: str | None = None
    traceback: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    #: Whether its job may end with it: there is nothing to call then.
    may_end_job: bool = False
    attempt_status: str | None = None  # where it is not the status of its task
    run_after: str | None = None  # of a failure: when the task is to be tried again
    logs: list[tuple[str, str, str]] = field(default_factory=list)  # at, level, message

    def blank(self) -> TaskWrites:
        """The same claim, with nothing said yet."""
        return TaskWrites(self.worker_id, self.task_id, self.job_id, self.attempt)

    def add(self, later: TaskWrites) -> None:
        """Say what `later` says, too; its word is the newer one."""
        self.logs += later.logs
        if later.state is not None:
            self.state = later.state
        if later.status is not None:
            self.status = later.status
            self.result = later.result
            self.error = later.error
            self.traceback = later.traceback
            self.started_at = later.started_at
            self.finished_at = later.finished_at
            self.may_end_job = later.may_end_job
            self.attempt_status = later.attempt_status
            self.run_after = later.run_after

    def fail_unstorable(self, reason: str) -> None:
        """Turn into the failure of the task, for a row that the database refuses."""
        self.status = TaskStatus.FAILED
        self.state = self.result = self.traceback = self.attempt_status = self.run_after = None
        self.error = f"What this task wanted to store was refused: {reason}"
        self.finished_at = moment()
        self.logs = []

    def row(self) -> list[object]:
        """The task's own part, in the order that the trigger reads."""
        return [
            self.task_id,
            self.attempt,
            self.status,
            self.state,
            self.result,
            self.error,
            self.started_at,
            self.finished_at,
        ]

    @property
    def is_kept(self) -> bool:
        """Whether the attempt gets its own row; of one that ended well the task's row tells."""
        return self.status in (TaskStatus.FAILED, TaskStatus.CANCELLED)

    def attempt_row(self) -> list[object]:
        """The attempt's part, for one that did not end well."""
        return [
            self.task_id,
            self.attempt,
            self.attempt_status or self.status,
            self.started_at,
            self.finished_at,
            self.error,
            self.traceback,
        ]


@dataclass(frozen=True, slots=True)
class JobState:
    """The newest state of a job, to be stored if the stored one still has the version `base`."""

    job_id: int
    base: int
    state: str


WRITE_GROUP = statement("""
    INSERT INTO journal_group
      (worker_id, number, at, tasks, attempts, retries, logs, job_states, ending)
    VALUES
      (:worker_id, :number, :at, :tasks, :attempts, :retries, :logs, :job_states, :ending)
""")


def write_group(
    connection: Connection,
    worker_id: int,
    writes: Iterable[TaskWrites],
    job_states: Sequence[JobState],
    number: int | None = None,
) -> str:
    """Write a group in one transaction and return when that was.

    With the `number` of a group that may be written already, it is written once. Raises Fenced or
    StateMoved when it is refused whole.
    """
    said, at = list(writes), stamp()
    lines = [(each, line) for each in said for line in each.logs]
    values = {
        "worker_id": worker_id,
        "number": number or next_number(),
        "at": at,
        "tasks": _dump([each.row() for each in said if each.status or each.state is not None]),
        "attempts": _dump([each.attempt_row() for each in said if each.is_kept]),
        "retries": _dump(
            [[each.task_id, each.attempt, each.run_after] for each in said if each.run_after]
        ),
        "logs": _dump([[by.job_id, by.task_id, by.attempt, *line] for by, line in lines]),
        "job_states": _dump([[each.job_id, each.base, each.state] for each in job_states]),
        "ending": json.dumps(list({each.job_id for each in said if each.may_end_job})),
    }
    try:
        rows(connection, WRITE_GROUP, values)
    except IntegrityError as error:
        raise _refusal(error) from None
    return at


def refusal(
    database: Database,
    worker_id: int,
    writes: Sequence[TaskWrites],
    job_states: Sequence[JobState] = (),
) -> str | None:
    """Return why the database refuses to write this, or None; nothing is written."""
    try:
        with database.writing() as connection:
            write_group(connection, worker_id, writes, job_states)
            connection.rollback()
    except StateMoved:
        return None
    except OperationalError:
        raise
    except DBAPIError as error:
        return why(error)
    return None


def _dump(rows: list[list[object]]) -> str:
    return json.dumps(rows, ensure_ascii=False)


def _refusal(error: IntegrityError) -> Exception:
    said = str(error.orig)
    if "jobdeck: fenced" in said:
        return Fenced()
    if "jobdeck: moved" in said:
        return StateMoved()
    return error


JOB_STATE = statement("""
    SELECT state_version, state FROM job WHERE id = :job_id AND preparing_until IS NULL
""")
MOVE_JOB_STATE = statement("""
    UPDATE job SET state = :state, state_version = state_version + 1, version = version + 1
    WHERE id = :job_id AND state_version = :base
""")
MOVE_IN_STEP = statement(f"{MOVE_JOB_STATE.text} AND finisher = :worker_id AND started_at IS :run")


def job_state(connection: Connection, job_id: int) -> JobState:
    """Return the stored state of a job; raise JobNotFound."""
    found = rows(connection, JOB_STATE, {"job_id": job_id})
    if not found:
        raise JobNotFound(job_id)
    return JobState(job_id, *found[0])


def move_job_state(
    connection: Connection, newer: JobState, step: tuple[int, str | None] | None = None
) -> bool:
    """Store a job's newer state if nobody stored another one meanwhile; tell whether it was so.

    `step` is the worker and the run in whose finish step this happens: only while it has that.
    """
    values = {"job_id": newer.job_id, "base": newer.base, "state": newer.state}
    if step is None:
        return bool(connection.execute(MOVE_JOB_STATE, values).rowcount)
    worker_id, run = step
    values |= {"worker_id": worker_id, "run": run}
    return bool(connection.execute(MOVE_IN_STEP, values).rowcount)


RENAME = statement("UPDATE job SET name = :name, version = version + 1 WHERE id = :job_id")


def rename(connection: Connection, job_id: int, name: str) -> None:
    """Give a job another name."""
    connection.execute(RENAME, {"job_id": job_id, "name": name})


def moment(later: float = 0.0) -> str:
    """The time of a write, or so many seconds later, as it is stored."""
    return iso(now() + timedelta(seconds=later)) if later else stamp()
