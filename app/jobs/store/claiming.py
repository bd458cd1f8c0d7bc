"""Who runs what: candidates are claimed in one guarded statement.

A claim is one INSERT into the view `claim`, and its trigger is the transaction: it ends what is
complete, takes finish steps, starts queued jobs into free slots, and takes tasks, each only if it
still may. Losing some of them to another process is a normal answer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from app.db import BY_KEYS, made_with_tables, stamp
from app.jobs.store.ending import IS_COMPLETE, OUTCOME
from app.jobs.store.numbering import in_its_turn, next_number
from app.jobs.store.steering import CONCURRENCY_LIMIT, PARALLEL_LIMIT, not_paused
from app.sql import reworded, rows, statement


@dataclass(frozen=True, slots=True)
class Order:
    """What one claim asks for: jobs to finish, finish steps, jobs to start and tasks, as ids.

    A start carries its rank among the starts of its handler, a task its rank among the tasks of
    its job, each from 1: a limit holds when what runs plus the rank does not exceed it.
    """

    finish: Sequence[int] = ()
    steps: Sequence[int] = ()
    start: Sequence[tuple[int, int]] = ()
    tasks: Sequence[tuple[int, int]] = ()

    def __bool__(self) -> bool:
        return bool(self.finish or self.steps or self.start or self.tasks)


@dataclass(frozen=True, slots=True)
class StepClaim:
    """A finish step that this worker now owns: which of its callbacks is due, and how often it
    was begun before: `rounds` in good order, `crashes` by workers that died of it."""

    job_id: int
    stage: str
    rounds: int
    crashes: int
    #: When the job was started last: a retry begins another run, and this step is not of that one.
    run: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that this worker now owns."""

    id: int
    job_id: int
    index: int
    attempt: int
    crashes: int
    state: str
    retries: int


CLAIM_VIEW = """CREATE VIEW claim AS SELECT
  NULL AS worker_id, NULL AS number, NULL AS at, NULL AS finish, NULL AS steps, NULL AS start,
  NULL AS tasks"""
CLAIM_TRIGGER = f"""CREATE TRIGGER claim_made INSTEAD OF INSERT ON claim BEGIN
  SELECT RAISE(ABORT, 'jobdeck: fenced')
  WHERE NOT EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive);

  UPDATE job SET status = {OUTCOME},
                 finished_at = NEW.at, finish_step = NULL, version = version + 1
  WHERE id IN (SELECT value FROM json_each(NEW.finish))
    AND {IS_COMPLETE};

  UPDATE job SET finisher = NEW.worker_id, finish_step = coalesce(finish_step, 'before'),
                 version = version + 1
  WHERE id IN (SELECT value FROM json_each(NEW.steps)) AND finisher IS NULL
    AND (finish_step = 'after'
         OR (+status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
             AND cancel_requested_at IS NULL))
    AND {not_paused("job.handler", "NEW.at")};

  UPDATE job SET status = 'IN_PROGRESS', started_at = NEW.at, version = version + 1
  WHERE id IN (
    SELECT queued.id FROM json_each(NEW.start) AS wanted
    CROSS JOIN job AS queued ON queued.id = json_extract(wanted.value, '$[0]')
    CROSS JOIN handler ON handler.name = queued.handler
    WHERE +queued.status = 'QUEUED' AND NOT queued.held AND queued.preparing_until IS NULL
      AND queued.retrying IS NULL AND queued.cancel_requested_at IS NULL
      AND coalesce(handler.running + json_extract(wanted.value, '$[1]')
        <= {CONCURRENCY_LIMIT}, true)
      AND {not_paused("queued.handler", "NEW.at")});

  UPDATE task SET status = 'IN_PROGRESS', worker_id = NEW.worker_id, attempt = attempt + 1,
                  started_at = NEW.at, finished_at = NULL, error = NULL, result = NULL,
                  version = (SELECT version + 1 FROM job WHERE id = task.job_id)
  WHERE id IN (
    SELECT wanted_task.id FROM json_each(NEW.tasks) AS wanted
    CROSS JOIN task AS wanted_task ON wanted_task.id = json_extract(wanted.value, '$[0]')
    CROSS JOIN job ON job.id = wanted_task.job_id
    CROSS JOIN handler ON handler.name = job.handler
    WHERE +wanted_task.status = 'SCHEDULED' AND wanted_task.run_after IS NULL
      AND +job.status = 'IN_PROGRESS' AND job.cancel_requested_at IS NULL
      AND coalesce(job.in_progress + json_extract(wanted.value, '$[1]')
        <= {PARALLEL_LIMIT}, true)
      AND {not_paused("job.handler", "NEW.at")});

  UPDATE job SET scheduled = scheduled - taken.tasks, in_progress = in_progress + taken.tasks,
                 version = version + 1
  FROM (
    SELECT task.job_id, count(*) AS tasks FROM json_each(NEW.tasks) AS wanted
    CROSS JOIN task ON task.id = json_extract(wanted.value, '$[0]')
    WHERE +task.worker_id = NEW.worker_id AND +task.status = 'IN_PROGRESS'
      AND task.started_at = NEW.at
    GROUP BY task.job_id
  ) AS taken WHERE job.id = taken.job_id;
END"""
made_with_tables("sqlite", CLAIM_VIEW, CLAIM_TRIGGER)

POSTGRESQL_CLAIM = (
    """CREATE VIEW claim AS SELECT
  NULL::bigint AS worker_id, NULL::bigint AS number, NULL::timestamptz AS at,
  NULL::json AS finish, NULL::json AS steps, NULL::json AS start, NULL::json AS tasks""",
    f"""CREATE FUNCTION claim_made() RETURNS trigger LANGUAGE plpgsql
{BY_KEYS} AS $$ BEGIN
  {in_its_turn("last_claim")}

  IF json_array_length(NEW.finish) > 0 THEN
    UPDATE job SET status = {OUTCOME},
                   finished_at = NEW.at, finish_step = NULL, version = version + 1
    WHERE id = ANY (ARRAY(SELECT value::bigint FROM json_array_elements_text(NEW.finish)))
      AND {reworded(IS_COMPLETE)};
  END IF;

  IF json_array_length(NEW.steps) > 0 THEN
    UPDATE job SET finisher = NEW.worker_id, finish_step = coalesce(finish_step, 'before'),
                   version = version + 1
    WHERE id = ANY (ARRAY(SELECT value::bigint FROM json_array_elements_text(NEW.steps)))
      AND finisher IS NULL
      AND (finish_step = 'after'
           OR (status || '' = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
               AND cancel_requested_at IS NULL))
      AND {not_paused("job.handler", "NEW.at")};
  END IF;

  IF json_array_length(NEW.start) > 0 THEN
    UPDATE job SET status = 'IN_PROGRESS', started_at = NEW.at, version = version + 1
    FROM json_array_elements(NEW.start) AS wanted, handler
    WHERE job.id = (wanted.value ->> 0)::bigint AND handler.name = job.handler
      AND job.status || '' = 'QUEUED' AND NOT job.held AND job.preparing_until IS NULL
      AND job.retrying IS NULL AND job.cancel_requested_at IS NULL
      AND coalesce(handler.running + (wanted.value ->> 1)::bigint <= {CONCURRENCY_LIMIT}, true)
      AND {not_paused("job.handler", "NEW.at")};
  END IF;

  IF json_array_length(NEW.tasks) > 0 THEN
    UPDATE task SET status = 'IN_PROGRESS', worker_id = NEW.worker_id, attempt = attempt + 1,
                    started_at = NEW.at, finished_at = NULL, error = NULL, result = NULL,
                    version = job.version + 1
    FROM json_array_elements(NEW.tasks) AS wanted, job, handler
    WHERE task.id = (wanted.value ->> 0)::bigint AND job.id = task.job_id + 0
      AND handler.name = job.handler
      AND task.status || '' = 'SCHEDULED' AND task.run_after IS NULL
      AND job.status || '' = 'IN_PROGRESS' AND job.cancel_requested_at IS NULL
      AND coalesce(job.in_progress + (wanted.value ->> 1)::bigint <= {PARALLEL_LIMIT}, true)
      AND {not_paused("job.handler", "NEW.at")};
  END IF;
  RETURN NEW;
END $$""",
    """CREATE TRIGGER claim_made INSTEAD OF INSERT ON claim
FOR EACH ROW EXECUTE FUNCTION claim_made()""",
)
made_with_tables("postgresql", *POSTGRESQL_CLAIM)

CLAIM = statement("""
    INSERT INTO claim (worker_id, number, at, finish, steps, start, tasks)
    VALUES (:worker_id, :number, :at, :finish, :steps, :start, :tasks)
""")
CLAIMED = statement(
    """
    SELECT id, job_id, idx, attempt, crashes, state, retries FROM task
    WHERE id IN (SELECT value FROM json_each(:ids))
      AND +worker_id = :worker_id AND +status = 'IN_PROGRESS'
    ORDER BY job_id, idx
""",
    columns="id, job_id, idx, attempt, crashes, state, retries",
)


def claim(connection: Connection, worker_id: int, order: Order) -> str:
    """Carry out what of the order still may be, in one transaction; return when that is."""
    at = stamp()
    rows(
        connection,
        CLAIM,
        {
            "worker_id": worker_id,
            "number": next_number(),
            "at": at,
            "finish": json.dumps(order.finish),
            "steps": json.dumps(order.steps),
            "start": json.dumps(order.start),
            "tasks": json.dumps(order.tasks),
        },
    )
    return at


def claimed(connection: Connection, worker_id: int, order: Order) -> list[Claim]:
    """Return those of the order's tasks that this worker got."""
    values = {"worker_id": worker_id, "ids": json.dumps([task_id for task_id, _ in order.tasks])}
    return [Claim(*row) for row in rows(connection, CLAIMED, values)]


CLAIMED_STEPS = statement("""
    SELECT id, finish_step, finish_rounds, finish_crashes, started_at FROM job
    WHERE finisher = :worker_id AND id IN (SELECT value FROM json_each(:ids))
""")


def claimed_steps(connection: Connection, worker_id: int, order: Order) -> list[StepClaim]:
    """Return those of the order's finish steps that this worker got."""
    values = {"worker_id": worker_id, "ids": json.dumps(order.steps)}
    return [StepClaim(*row) for row in rows(connection, CLAIMED_STEPS, values)]


HAND_BACK = statement("""
    UPDATE task SET status = 'SCHEDULED', worker_id = NULL, attempt = attempt - 1,
                    started_at = NULL,
                    version = (SELECT version + 1 FROM job WHERE id = task.job_id)
    WHERE id IN (SELECT value FROM json_each(:ids))
      AND +worker_id = :worker_id AND +status = 'IN_PROGRESS'
""")
HAND_BACK_STEPS = statement("""
    UPDATE job SET finisher = NULL, finish_step = nullif(finish_step, 'before'),
                   version = version + 1
    WHERE finisher = :worker_id AND id IN (SELECT value FROM json_each(:ids))
""")


def hand_back(
    connection: Connection, worker_id: int, task_ids: Sequence[int], step_ids: Sequence[int] = ()
) -> None:
    """Return tasks, and finish steps of jobs, that were claimed and not begun (B10)."""
    tasks = {"worker_id": worker_id, "ids": json.dumps(list(task_ids))}
    steps = {"worker_id": worker_id, "ids": json.dumps(list(step_ids))}
    if task_ids:
        connection.execute(HAND_BACK, tasks)
    if step_ids:
        connection.execute(HAND_BACK_STEPS, steps)
