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

from app.db import BY_KEYS, Database, iso, made_with_tables, now, stamp, why
from app.jobs.errors import JobNotFound
from app.jobs.states import TaskStatus
from app.jobs.store.ending import IS_COMPLETE, OUTCOME
from app.jobs.store.numbering import in_its_turn, next_number
from app.sql import reworded, rows, statement


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
    #: How the attempt ended, where that is not the status of its task.
    attempt_status: str | None = None
    #: Of a failure that is not the last word: when the task is to be tried again.
    run_after: str | None = None
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


GROUP_VIEW = """CREATE VIEW journal_group AS SELECT
  NULL AS worker_id, NULL AS number, NULL AS at, NULL AS tasks, NULL AS attempts, NULL AS retries,
  NULL AS logs, NULL AS job_states, NULL AS ending"""
GROUP_TRIGGER = f"""CREATE TRIGGER journal_group_written INSTEAD OF INSERT ON journal_group BEGIN
  SELECT RAISE(ABORT, 'jobdeck: fenced')
  WHERE NOT EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive);

  SELECT RAISE(ABORT, 'jobdeck: moved') FROM json_each(NEW.job_states) AS newer
  LEFT JOIN job ON job.id = json_extract(newer.value, '$[0]')
  WHERE job.state_version IS NOT json_extract(newer.value, '$[1]');

  UPDATE job SET state = json_extract(newer.value, '$[2]'),
                 state_version = state_version + 1, version = version + 1
  FROM json_each(NEW.job_states) AS newer WHERE job.id = json_extract(newer.value, '$[0]');

  UPDATE job SET in_progress = in_progress - said.done - said.failed - said.cancelled,
                 done = job.done + said.done, failed = job.failed + said.failed,
                 cancelled = job.cancelled + said.cancelled, version = version + 1
  FROM (
    SELECT task.job_id,
           count(*) FILTER (WHERE json_extract(said.value, '$[2]') = 'DONE') AS done,
           count(*) FILTER (WHERE json_extract(said.value, '$[2]') = 'FAILED') AS failed,
           count(*) FILTER (WHERE json_extract(said.value, '$[2]') = 'CANCELLED') AS cancelled
    FROM json_each(NEW.tasks) AS said
    CROSS JOIN task ON task.id = json_extract(said.value, '$[0]')
    WHERE task.attempt = json_extract(said.value, '$[1]')
      AND +task.worker_id = NEW.worker_id AND +task.status = 'IN_PROGRESS'
    GROUP BY task.job_id
  ) AS said WHERE job.id = said.job_id;

  UPDATE task SET status = coalesce(json_extract(said.value, '$[2]'), status),
                  state = coalesce(json_extract(said.value, '$[3]'), state),
                  result = json_extract(said.value, '$[4]'),
                  error = json_extract(said.value, '$[5]'),
                  started_at = coalesce(json_extract(said.value, '$[6]'), started_at),
                  finished_at = json_extract(said.value, '$[7]'),
                  version = (SELECT version FROM job WHERE id = task.job_id)
  FROM json_each(NEW.tasks) AS said
  WHERE task.id = json_extract(said.value, '$[0]')
    AND +task.attempt = json_extract(said.value, '$[1]')
    AND +task.worker_id = NEW.worker_id AND +task.status = 'IN_PROGRESS';

  INSERT INTO attempt
    (task_id, number, status, worker_id, started_at, finished_at, error, traceback)
  SELECT json_extract(bad.value, '$[0]'), json_extract(bad.value, '$[1]'),
         json_extract(bad.value, '$[2]'), NEW.worker_id, json_extract(bad.value, '$[3]'),
         json_extract(bad.value, '$[4]'), json_extract(bad.value, '$[5]'),
         json_extract(bad.value, '$[6]')
  FROM json_each(NEW.attempts) AS bad
  JOIN task ON task.id = json_extract(bad.value, '$[0]')
    AND task.attempt = json_extract(bad.value, '$[1]') AND task.worker_id = NEW.worker_id;

  UPDATE task SET status = 'SCHEDULED', worker_id = NULL, started_at = NULL, finished_at = NULL,
                  run_after = json_extract(again.value, '$[2]'), retries = retries + 1,
                  version = (SELECT version + 1 FROM job WHERE id = task.job_id)
  FROM json_each(NEW.retries) AS again
  WHERE task.id = json_extract(again.value, '$[0]')
    AND +task.attempt = json_extract(again.value, '$[1]')
    AND +task.worker_id = NEW.worker_id AND +task.status = 'FAILED'
    AND (SELECT cancel_requested_at FROM job WHERE id = task.job_id) IS NULL;

  INSERT INTO log_line (job_id, task_id, attempt, at, level, message)
  SELECT json_extract(line.value, '$[0]'), json_extract(line.value, '$[1]'),
         json_extract(line.value, '$[2]'), json_extract(line.value, '$[3]'),
         json_extract(line.value, '$[4]'), json_extract(line.value, '$[5]')
  FROM json_each(NEW.logs) AS line
  JOIN task ON task.id = json_extract(line.value, '$[1]');

  UPDATE job SET version = version + 1
  WHERE id IN (SELECT json_extract(value, '$[0]') FROM json_each(NEW.logs));

  UPDATE job SET status = {OUTCOME},
                 finished_at = NEW.at, finish_step = NULL, version = version + 1
  WHERE id IN (SELECT value FROM json_each(NEW.ending))
    AND {IS_COMPLETE};
END"""
made_with_tables("sqlite", GROUP_VIEW, GROUP_TRIGGER)

POSTGRESQL_GROUP = (
    """CREATE VIEW journal_group AS SELECT
  NULL::bigint AS worker_id, NULL::bigint AS number, NULL::timestamptz AS at,
  NULL::json AS tasks, NULL::json AS attempts, NULL::json AS retries,
  NULL::json AS logs, NULL::json AS job_states, NULL::json AS ending""",
    f"""CREATE FUNCTION journal_group_written() RETURNS trigger LANGUAGE plpgsql
{BY_KEYS} AS $$
DECLARE stored int;
BEGIN
  {in_its_turn("last_group")}

  IF json_array_length(NEW.job_states) > 0 THEN
    UPDATE job SET state = newer.value ->> 2,
                   state_version = state_version + 1, version = version + 1
    FROM json_array_elements(NEW.job_states) AS newer
    WHERE job.id = (newer.value ->> 0)::bigint AND job.state_version = (newer.value ->> 1)::bigint;
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored < json_array_length(NEW.job_states) THEN
      RAISE EXCEPTION 'jobdeck: moved' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  END IF;

  IF json_array_length(NEW.tasks) > 0 THEN
    UPDATE task SET status = coalesce(said.value ->> 2, task.status),
                    state = coalesce(said.value ->> 3, task.state),
                    result = said.value ->> 4,
                    error = said.value ->> 5,
                    started_at = coalesce((said.value ->> 6)::timestamptz, task.started_at),
                    finished_at = (said.value ->> 7)::timestamptz,
                    version = job.version + 1
    FROM json_array_elements(NEW.tasks) AS said, job
    WHERE task.id = (said.value ->> 0)::bigint AND task.attempt = (said.value ->> 1)::bigint
      AND task.worker_id = NEW.worker_id AND task.status || '' = 'IN_PROGRESS'
      AND job.id = task.job_id + 0;
  END IF;

  IF json_array_length(NEW.attempts) > 0 THEN
    INSERT INTO attempt
      (task_id, number, status, worker_id, started_at, finished_at, error, traceback)
    SELECT task.id, task.attempt, bad.value ->> 2, NEW.worker_id, (bad.value ->> 3)::timestamptz,
           (bad.value ->> 4)::timestamptz, bad.value ->> 5, bad.value ->> 6
    FROM json_array_elements(NEW.attempts) AS bad
    JOIN task ON task.id = (bad.value ->> 0)::bigint
      AND task.attempt = (bad.value ->> 1)::bigint AND task.worker_id = NEW.worker_id;
  END IF;

  IF json_array_length(NEW.retries) > 0 THEN
    UPDATE task SET status = 'SCHEDULED', worker_id = NULL, started_at = NULL, finished_at = NULL,
                    run_after = (again.value ->> 2)::timestamptz, retries = task.retries + 1,
                    version = job.version + 1
    FROM json_array_elements(NEW.retries) AS again, job
    WHERE task.id = (again.value ->> 0)::bigint AND task.attempt = (again.value ->> 1)::bigint
      AND task.worker_id = NEW.worker_id AND task.status || '' = 'FAILED'
      AND job.id = task.job_id + 0 AND job.cancel_requested_at IS NULL;
  END IF;

  IF json_array_length(NEW.logs) > 0 THEN
    INSERT INTO log_line (job_id, task_id, attempt, at, level, message)
    SELECT task.job_id, task.id, (line.value ->> 2)::bigint, (line.value ->> 3)::timestamptz,
           line.value ->> 4, line.value ->> 5
    FROM json_array_elements(NEW.logs) WITH ORDINALITY AS line (value, place)
    JOIN task ON task.id = (line.value ->> 1)::bigint
    ORDER BY line.place;

    UPDATE job SET version = version + 1
    WHERE id = ANY (ARRAY(SELECT (value ->> 0)::bigint FROM json_array_elements(NEW.logs)));
  END IF;

  IF json_array_length(NEW.ending) > 0 THEN
    UPDATE job SET status = {OUTCOME},
                   finished_at = NEW.at, finish_step = NULL, version = version + 1
    WHERE id = ANY (ARRAY(SELECT value::bigint FROM json_array_elements_text(NEW.ending)))
      AND {reworded(IS_COMPLETE)};
  END IF;
  RETURN NEW;
END $$""",
    """CREATE TRIGGER journal_group_written INSTEAD OF INSERT ON journal_group
FOR EACH ROW EXECUTE FUNCTION journal_group_written()""",
)
made_with_tables("postgresql", *POSTGRESQL_GROUP)

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
