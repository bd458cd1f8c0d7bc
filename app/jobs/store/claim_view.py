"""What one claim does, in the words of both databases: a view, and the trigger behind it.

The trigger is the transaction. Whatever was looked at before, it asks again: whether the worker is
alive, whether a job or task still waits, whether its limit leaves room, and whether it is paused.
"""

from __future__ import annotations

from app.db import POSTGRESQL_TURN, made_with_tables
from app.jobs.store.ending import IS_COMPLETE, OUTCOME
from app.jobs.store.steering import CONCURRENCY_LIMIT, PARALLEL_LIMIT, not_paused
from app.sql import reworded, statement

CLAIM_VIEW = """CREATE VIEW claim AS SELECT
  NULL AS worker_id, NULL AS at, NULL AS finish, NULL AS steps, NULL AS start, NULL AS tasks"""
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
  NULL::bigint AS worker_id, NULL::timestamptz AS at,
  NULL::json AS finish, NULL::json AS steps, NULL::json AS start, NULL::json AS tasks""",
    f"""CREATE FUNCTION claim_made() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM {POSTGRESQL_TURN};
  IF NOT EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive) THEN
    RAISE EXCEPTION 'jobdeck: fenced' USING ERRCODE = 'integrity_constraint_violation';
  END IF;

  UPDATE job SET status = {OUTCOME},
                 finished_at = NEW.at, finish_step = NULL, version = version + 1
  WHERE id = ANY (ARRAY(SELECT value::bigint FROM json_array_elements_text(NEW.finish)))
    AND {reworded(IS_COMPLETE)};

  UPDATE job SET finisher = NEW.worker_id, finish_step = coalesce(finish_step, 'before'),
                 version = version + 1
  WHERE id = ANY (ARRAY(SELECT value::bigint FROM json_array_elements_text(NEW.steps)))
    AND finisher IS NULL
    AND (finish_step = 'after'
         OR (status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
             AND cancel_requested_at IS NULL))
    AND {not_paused("job.handler", "NEW.at")};

  UPDATE job SET status = 'IN_PROGRESS', started_at = NEW.at, version = version + 1
  FROM json_array_elements(NEW.start) AS wanted, handler
  WHERE job.id = (wanted.value ->> 0)::bigint AND handler.name = job.handler
    AND job.status = 'QUEUED' AND NOT job.held AND job.preparing_until IS NULL
    AND job.retrying IS NULL AND job.cancel_requested_at IS NULL
    AND coalesce(handler.running + (wanted.value ->> 1)::bigint <= {CONCURRENCY_LIMIT}, true)
    AND {not_paused("job.handler", "NEW.at")};

  UPDATE task SET status = 'IN_PROGRESS', worker_id = NEW.worker_id, attempt = attempt + 1,
                  started_at = NEW.at, finished_at = NULL, error = NULL, result = NULL,
                  version = job.version + 1
  FROM json_array_elements(NEW.tasks) AS wanted, job, handler
  WHERE task.id = (wanted.value ->> 0)::bigint AND job.id = task.job_id
    AND handler.name = job.handler
    AND task.status = 'SCHEDULED' AND task.run_after IS NULL
    AND job.status = 'IN_PROGRESS' AND job.cancel_requested_at IS NULL
    AND coalesce(job.in_progress + (wanted.value ->> 1)::bigint <= {PARALLEL_LIMIT}, true)
    AND {not_paused("job.handler", "NEW.at")};
  RETURN NEW;
END $$""",
    """CREATE TRIGGER claim_made INSTEAD OF INSERT ON claim
FOR EACH ROW EXECUTE FUNCTION claim_made()""",
)
made_with_tables("postgresql", *POSTGRESQL_CLAIM)

CLAIM = statement("""
    INSERT INTO claim (worker_id, at, finish, steps, start, tasks)
    VALUES (:worker_id, :at, :finish, :steps, :start, :tasks)
""")
