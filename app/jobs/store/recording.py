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
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from app.db import Database, iso, now, stamp, why
from app.jobs.errors import JobNotFound
from app.jobs.states import TaskStatus
from app.jobs.store.numbering import next_number
from app.sql import rows, statement

#: An attempt that ended so gets its own row; of one that ended well the task's row tells.
KEPT: Final = frozenset({TaskStatus.FAILED, TaskStatus.CANCELLED})


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

    def row(self) -> str:
        """The task's own part as JSON, in the order that the trigger reads.

        Most tasks say nothing but that they are done: their rows are short, and made in a fraction
        of the time that an encoder takes.
        """
        if self.is_plain:
            return (
                f'[{self.task_id},{self.attempt},"DONE","{self.started_at}","{self.finished_at}"]'
            )
        return _dump(
            [
                self.task_id,
                self.attempt,
                self.status,
                self.started_at,
                self.finished_at,
                self.state,
                self.result,
                self.error,
            ]
        )

    @property
    def is_plain(self) -> bool:
        """Whether a task says of itself only that it is done, and when."""
        return (
            self.status == TaskStatus.DONE
            and self.state is None
            and self.result is None
            and self.finished_at is not None
            and self.started_at is not None
        )

    @property
    def size(self) -> int:
        """What it takes, about, in characters."""
        said = (self.state, self.result, self.error, self.traceback)
        lines = sum(len(message) for _, _, message in self.logs) if self.logs else 0
        return sum(len(each) for each in said if each is not None) + lines

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
      (worker_id, number, at, jobs, tasks, attempts, retries, logs, job_states)
    VALUES
      (:worker_id, :number, :at, :jobs, :tasks, :attempts, :retries, :logs, :job_states)
""").on_mariadb("""
    CALL journal_group
      (:worker_id, :number, :at, :jobs, :tasks, :attempts, :retries, :logs, :job_states)
""")


#: Where the count of each is in what is said of a job.
PLACES: Final[dict[str, int]] = {TaskStatus.DONE: 1, TaskStatus.FAILED: 2, TaskStatus.CANCELLED: 3}
OWN = statement("""
    SELECT id, attempt FROM task WHERE id IN (SELECT value FROM json_each(:ids))
      AND +worker_id = :worker_id AND +status = 'IN_PROGRESS'
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
    said = list(writes)
    values = _values(worker_id, said, job_states, number)
    own = _with_outcome(said)
    while not _is_written(connection, values, said, own):
        own = _still_own(connection, worker_id, own)
    return str(values["at"])


def _values(
    worker_id: int, said: Sequence[TaskWrites], job_states: Sequence[JobState], number: int | None
) -> dict[str, object]:
    """What of a group is the same whichever tasks are still its worker's."""
    bad = [each for each in said if each.status in KEPT]
    lines = [(each, line) for each in said if each.logs for line in each.logs]
    return {
        "worker_id": worker_id,
        "number": number or next_number(),
        "at": stamp(),
        "attempts": _dump([each.attempt_row() for each in bad]),
        "retries": _dump(
            [[each.task_id, each.attempt, each.run_after] for each in bad if each.run_after]
        ),
        "logs": _dump([[by.job_id, by.task_id, by.attempt, *line] for by, line in lines]),
        "job_states": _dump([[each.job_id, each.base, each.state] for each in job_states]),
    }


def _with_outcome(said: Iterable[TaskWrites]) -> list[TaskWrites]:
    """Those that change the row of their task."""
    return [each for each in said if each.status or each.state is not None]


def _is_written(
    connection: Connection,
    values: dict[str, object],
    said: Sequence[TaskWrites],
    own: Sequence[TaskWrites],
) -> bool:
    """Write a group, with what the tasks that are still its worker's `own` have come to.

    False: some of them are not; nothing was written.
    """
    values |= {
        "jobs": json.dumps(_counted(said, own)),
        "tasks": f"[{','.join([each.row() for each in own])}]",
    }
    try:
        rows(connection, WRITE_GROUP, values)
    except IntegrityError as error:
        if "jobdeck: lost" in str(error.orig):
            return False
        raise _refusal(error) from None
    return True


def _counted(said: Iterable[TaskWrites], own: Iterable[TaskWrites]) -> list[list[int | None]]:
    """Of each job its id, how many tasks are DONE, FAILED, CANCELLED, and whether it may end.

    The last is left open where one of them is to be tried again: it is not after a cancel.
    """
    counted: dict[int, list[int]] = {}
    for each in said:
        job = counted.get(each.job_id) or counted.setdefault(each.job_id, [each.job_id, 0, 0, 0, 0])
        job[4] |= each.may_end_job
    for each in own:
        if each.status:
            counted[each.job_id][PLACES[each.status]] += 1
    again = {each.job_id for each in own if each.run_after}
    return [
        [*counts, None if may_end and job_id in again else may_end]
        for job_id, (*counts, may_end) in counted.items()
    ]


def _still_own(
    connection: Connection, worker_id: int, writes: Sequence[TaskWrites]
) -> list[TaskWrites]:
    """Return what is said of tasks that still belong to their claims."""
    values = {"worker_id": worker_id, "ids": json.dumps([each.task_id for each in writes])}
    own = {(id_, attempt) for id_, attempt in rows(connection, OWN, values)}
    return [each for each in writes if (each.task_id, each.attempt) in own]


def refusal(
    database: Database,
    worker_id: int,
    writes: Sequence[TaskWrites],
    job_states: Sequence[JobState] = (),
) -> str | None:
    """Return why the database refuses to write this, or None; nothing is written."""
    try:
        with database.writing() as connection:
            # First, for a transaction that was refused answers nothing any more on PostgreSQL.
            own = _still_own(connection, worker_id, _with_outcome(writes))
            _is_written(connection, _values(worker_id, writes, job_states, None), writes, own)
            connection.rollback()
    except StateMoved:
        return None
    except OperationalError:
        raise
    except DBAPIError as error:
        return why(error)
    return None


_dump = json.JSONEncoder(ensure_ascii=False).encode


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
