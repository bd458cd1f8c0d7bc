"""Who runs what: candidates are claimed in one guarded statement.

A claim is one INSERT into the view `claim`, and its trigger is the transaction: it ends what is
complete, takes finish steps, starts queued jobs into free slots, and takes tasks, each only if it
still may. Losing some of them to another process is a normal answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from app.db import BY_KEYS, made_with_tables, stamp
from app.jobs.store.counting import COUNTS_ITSELF, IS_COUNTED, ONCE, count_running
from app.jobs.store.ending import IS_COMPLETE, OUTCOME
from app.jobs.store.numbering import in_its_turn, next_number
from app.jobs.store.steering import CONCURRENCY_LIMIT, PARALLEL_LIMIT, not_paused
from app.sql import rows, statement
from app.wordings import reworded


@dataclass(frozen=True, slots=True)
class Order:
    """What one claim asks for: jobs to finish, finish steps, jobs to start and tasks, as ids.

    A start carries its rank among the starts of its handler, from 1; tasks are listed by their job,
    in their order: a limit holds when what runs plus the rank does not exceed it.
    """

    finish: Sequence[int] = ()
    steps: Sequence[int] = ()
    start: Sequence[tuple[int, int]] = ()
    tasks: Mapping[int, Sequence[int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.finish or self.steps or self.start or self.tasks)

    @property
    def size(self) -> int:
        """For how many threads there is work in it, or may be."""
        return max(len(self.start), len(self.task_ids) + len(self.steps))

    @property
    def task_ids(self) -> list[int]:
        """The tasks of all jobs."""
        return [task_id for tasks in self.tasks.values() for task_id in tasks]

    @property
    def jobs(self) -> list[tuple[int, int | None, Sequence[int]]]:
        """As the claim takes it: a job, its rank if it is to be started, and its tasks."""
        starts = dict(self.start)
        ids = dict.fromkeys([*starts, *self.tasks])
        return [(id_, starts.get(id_), self.tasks.get(id_, ())) for id_ in ids]


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


@dataclass(slots=True)  # not frozen: hundreds are made in a turn
class Claim:
    """A task that this worker now owns."""

    id: int
    job_id: int
    index: int
    attempt: int
    crashes: int
    state: str
    retries: int


#: The condition that a `job` of this `handler` runs, or may start as one of the rank `asked` for.
MAY_RUN = f"""job.cancel_requested_at IS NULL
      AND {not_paused("job.handler", "NEW.at")}
      AND (+job.status = 'IN_PROGRESS'
           OR (asked.rank IS NOT NULL AND +job.status = 'QUEUED' AND NOT job.held
               AND job.preparing_until IS NULL AND job.retrying IS NULL
               AND coalesce(handler.running + asked.rank <= {CONCURRENCY_LIMIT}, true)))"""
_ASKED = """(
      SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS rank,
             json_extract(value, '$[2]') AS tasks
      FROM json_each(NEW.jobs)) AS asked"""

CLAIM_VIEW = """CREATE VIEW claim AS SELECT
  NULL AS worker_id, NULL AS number, NULL AS at, NULL AS finish, NULL AS steps, NULL AS jobs"""
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

  UPDATE task SET status = 'IN_PROGRESS', worker_id = NEW.worker_id, attempt = attempt + 1,
                  started_at = NEW.at, finished_at = NULL, error = NULL, result = NULL,
                  version = (SELECT version + 1 FROM job WHERE id = task.job_id)
  WHERE id IN (
    SELECT ready.id FROM {_ASKED}
    CROSS JOIN job ON job.id = asked.id
    CROSS JOIN handler ON handler.name = job.handler
    CROSS JOIN json_each(asked.tasks) AS wanted
    CROSS JOIN task AS ready ON ready.id = wanted.value AND +ready.job_id = job.id
    WHERE {MAY_RUN}
      AND +ready.status = 'SCHEDULED' AND ready.run_after IS NULL
      AND coalesce(job.in_progress + wanted.key < {PARALLEL_LIMIT}, true));

  UPDATE job SET status = 'IN_PROGRESS',
                 started_at = CASE job.status WHEN 'QUEUED' THEN NEW.at ELSE job.started_at END,
                 scheduled = job.scheduled - asked.taken,
                 in_progress = job.in_progress + asked.taken, version = job.version + 1
  FROM (
    SELECT id, rank, (
      SELECT count(*) FROM json_each(asked.tasks) AS wanted
      CROSS JOIN task ON task.id = wanted.value AND +task.job_id = asked.id
      WHERE +task.worker_id = NEW.worker_id AND +task.status = 'IN_PROGRESS'
        AND task.started_at = NEW.at) AS taken
    FROM {_ASKED} {ONCE}
  ) AS asked
  WHERE job.id = asked.id
    AND (asked.taken > 0
         OR (+job.status = 'QUEUED' AND EXISTS (
      SELECT 1 FROM handler WHERE handler.name = job.handler
      AND {MAY_RUN})));
END"""
made_with_tables("sqlite", CLAIM_VIEW, CLAIM_TRIGGER)

POSTGRESQL_CLAIM = (
    """CREATE VIEW claim AS SELECT
  NULL::bigint AS worker_id, NULL::bigint AS number, NULL::timestamptz AS at,
  NULL::jsonb AS finish, NULL::jsonb AS steps, NULL::jsonb AS jobs""",
    f"""CREATE FUNCTION claim_made() RETURNS trigger LANGUAGE plpgsql
{BY_KEYS} AS $$
DECLARE counting text;
BEGIN
  {in_its_turn("last_claim")}
  {COUNTS_ITSELF}

  IF jsonb_array_length(NEW.finish) > 0 THEN
    WITH ended AS (
      UPDATE job SET status = {OUTCOME},
                     finished_at = NEW.at, finish_step = NULL, version = version + 1
      WHERE id = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text(NEW.finish)))
        AND {reworded(IS_COMPLETE)}
      RETURNING handler
    ) {count_running("ended", "-")};
  END IF;

  IF jsonb_array_length(NEW.steps) > 0 THEN
    UPDATE job SET finisher = NEW.worker_id, finish_step = coalesce(finish_step, 'before'),
                   version = version + 1
    WHERE id = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text(NEW.steps)))
      AND finisher IS NULL
      AND (finish_step = 'after'
           OR (status || '' = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
               AND cancel_requested_at IS NULL))
      AND {not_paused("job.handler", "NEW.at")};
  END IF;

  IF jsonb_array_length(NEW.jobs) > 0 THEN
    WITH able AS MATERIALIZED (
      SELECT job.id, job.version, job.status, job.in_progress, asked.tasks AS wanted,
             {PARALLEL_LIMIT} AS most
      FROM (
        SELECT (value ->> 0)::bigint AS id, (value ->> 1)::bigint AS rank, value -> 2 AS tasks
        FROM jsonb_array_elements(NEW.jobs)
      ) AS asked
      JOIN job ON job.id = asked.id
      JOIN handler ON handler.name = job.handler
      WHERE {reworded(MAY_RUN)}
    ), taken AS (
      UPDATE task SET status = 'IN_PROGRESS', worker_id = NEW.worker_id, attempt = attempt + 1,
                      started_at = NEW.at, finished_at = NULL, error = NULL, result = NULL,
                      version = able.version + 1
      FROM able CROSS JOIN LATERAL jsonb_array_elements_text(able.wanted)
        WITH ORDINALITY AS wanted (id, place)
      WHERE task.id = wanted.id::bigint AND task.job_id + 0 = able.id
        AND task.status || '' = 'SCHEDULED' AND task.run_after IS NULL
        AND coalesce(able.in_progress + wanted.place <= able.most, true)
      RETURNING task.job_id
    ), counts AS MATERIALIZED (
      SELECT jsonb_object_agg(job_id, tasks) AS of
      FROM (SELECT job_id, count(*) AS tasks FROM taken GROUP BY job_id) AS counted
    ), moved AS (
      UPDATE job SET status = 'IN_PROGRESS',
                     started_at = CASE job.status WHEN 'QUEUED' THEN NEW.at ELSE job.started_at END,
                     scheduled = job.scheduled - able.taken,
                     in_progress = job.in_progress + able.taken, version = job.version + 1
      FROM (
        SELECT able.*, coalesce((counts.of ->> able.id::text)::bigint, 0) AS taken
        FROM counts CROSS JOIN able
      ) AS able
      WHERE job.id = able.id AND (able.taken > 0 OR able.status = 'QUEUED')
      RETURNING job.handler, job.started_at
    ), started AS (SELECT handler FROM moved WHERE started_at = NEW.at)
    {count_running("started", "+")};
  END IF;
  {IS_COUNTED}
  RETURN NEW;
END $$""",
    """CREATE TRIGGER claim_made INSTEAD OF INSERT ON claim
FOR EACH ROW EXECUTE FUNCTION claim_made()""",
)
made_with_tables("postgresql", *POSTGRESQL_CLAIM)

CLAIM = statement("""
    INSERT INTO claim (worker_id, number, at, finish, steps, jobs)
    VALUES (:worker_id, :number, :at, :finish, :steps, :jobs)
""").on_mariadb("CALL claim(:worker_id, :number, :at, :finish, :steps, :jobs)")
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
            "jobs": json.dumps(order.jobs),
        },
    )
    return at


def claimed(connection: Connection, worker_id: int, order: Order) -> list[Claim]:
    """Return those of the order's tasks that this worker got."""
    values = {"worker_id": worker_id, "ids": json.dumps(order.task_ids)}
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
