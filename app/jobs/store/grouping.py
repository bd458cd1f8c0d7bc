"""How a group of the journal is written: a view to insert it into, whose trigger does the work.

It refuses the whole group when the worker was taken for dead (fenced), or when the state of a job
is not the one that a change was made from (moved).
"""

from __future__ import annotations

from app.db import BY_KEYS, made_with_tables
from app.jobs.store.counting import COUNTS_ITSELF, IS_COUNTED, ONCE, count_running
from app.jobs.store.numbering import in_its_turn
from app.wordings import reworded

#: A job of which nothing is left to do when what is `said` of its tasks is counted. It is not said
#: whether it may end where one of them is to be tried again, which it is not after a cancel.
ENDS = """coalesce(said.may_end, job.cancel_requested_at IS NOT NULL)
             AND +job.status = 'IN_PROGRESS' AND job.finisher IS NULL AND job.scheduled = 0
             AND job.in_progress = said.done + said.failed + said.cancelled"""
#: What counts it, and ends the job if it `ends`: one update, for a job's indexes are what it costs.
COUNTED = """in_progress = job.in_progress - said.done - said.failed - said.cancelled,
                 done = job.done + said.done, failed = job.failed + said.failed,
                 cancelled = job.cancelled + said.cancelled, version = job.version + 1,
                 finished_at = CASE WHEN said.ends THEN NEW.at ELSE job.finished_at END,
                 finish_step = CASE WHEN NOT said.ends THEN job.finish_step END,
                 status = CASE WHEN NOT said.ends THEN job.status
                   WHEN job.cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN job.failed + said.failed > 0 OR job.cancelled + said.cancelled > 0
                   THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END"""
_COUNT = f"UPDATE job SET {COUNTED}"

GROUP_VIEW = """CREATE VIEW journal_group AS SELECT
  NULL AS worker_id, NULL AS number, NULL AS at, NULL AS jobs, NULL AS tasks, NULL AS attempts,
  NULL AS retries, NULL AS logs, NULL AS job_states"""
GROUP_TRIGGER = f"""CREATE TRIGGER journal_group_written INSTEAD OF INSERT ON journal_group BEGIN
  SELECT RAISE(ABORT, 'jobdeck: fenced')
  WHERE NOT EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive);

  SELECT RAISE(ABORT, 'jobdeck: moved') FROM json_each(NEW.job_states) AS newer
  LEFT JOIN job ON job.id = json_extract(newer.value, '$[0]')
  WHERE job.state_version IS NOT json_extract(newer.value, '$[1]');

  UPDATE job SET state = json_extract(newer.value, '$[2]'),
                 state_version = state_version + 1, version = version + 1
  FROM json_each(NEW.job_states) AS newer WHERE job.id = json_extract(newer.value, '$[0]');

  {_COUNT}
  FROM (
    SELECT said.*, {ENDS} AS ends
    FROM (
      SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS done,
             json_extract(value, '$[2]') AS failed, json_extract(value, '$[3]') AS cancelled,
             json_extract(value, '$[4]') AS may_end
      FROM json_each(NEW.jobs) {ONCE}
    ) AS said CROSS JOIN job ON job.id = said.id {ONCE}
  ) AS said WHERE job.id = said.id;

  UPDATE task SET status = coalesce(json_extract(said.value, '$[2]'), status),
                  started_at = coalesce(json_extract(said.value, '$[3]'), started_at),
                  finished_at = json_extract(said.value, '$[4]'),
                  state = coalesce(json_extract(said.value, '$[5]'), state),
                  result = json_extract(said.value, '$[6]'),
                  error = json_extract(said.value, '$[7]'),
                  version = (SELECT version FROM job WHERE id = task.job_id)
  FROM json_each(NEW.tasks) AS said
  WHERE task.id = json_extract(said.value, '$[0]')
    AND +task.attempt = json_extract(said.value, '$[1]')
    AND +task.worker_id = NEW.worker_id AND +task.status = 'IN_PROGRESS';

  SELECT RAISE(ABORT, 'jobdeck: lost') WHERE changes() < json_array_length(NEW.tasks);

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
END"""
made_with_tables("sqlite", GROUP_VIEW, GROUP_TRIGGER)

POSTGRESQL_GROUP = (
    """CREATE VIEW journal_group AS SELECT
  NULL::bigint AS worker_id, NULL::bigint AS number, NULL::timestamptz AS at,
  NULL::jsonb AS jobs, NULL::jsonb AS tasks, NULL::jsonb AS attempts, NULL::jsonb AS retries,
  NULL::jsonb AS logs, NULL::jsonb AS job_states""",
    f"""CREATE FUNCTION journal_group_written() RETURNS trigger LANGUAGE plpgsql
{BY_KEYS} AS $$
DECLARE counting text; stored int; versions jsonb;
BEGIN
  {in_its_turn("last_group")}
  {COUNTS_ITSELF}

  IF jsonb_array_length(NEW.job_states) > 0 THEN
    UPDATE job SET state = newer.value ->> 2,
                   state_version = state_version + 1, version = version + 1
    FROM jsonb_array_elements(NEW.job_states) AS newer
    WHERE job.id = (newer.value ->> 0)::bigint AND job.state_version = (newer.value ->> 1)::bigint;
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored < jsonb_array_length(NEW.job_states) THEN
      RAISE EXCEPTION 'jobdeck: moved' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  END IF;

  WITH moved AS (
    {_COUNT}
    FROM (
      SELECT said.*, {reworded(ENDS)} AS ends
      FROM (
        SELECT (value ->> 0)::bigint AS id, (value ->> 1)::int AS done,
               (value ->> 2)::int AS failed, (value ->> 3)::int AS cancelled,
               (value ->> 4)::int = 1 AS may_end
        FROM jsonb_array_elements(NEW.jobs)
      ) AS said JOIN job ON job.id = said.id
    ) AS said
    WHERE job.id = said.id
    RETURNING job.id, job.version, job.handler, said.ends
  ), ended AS (SELECT handler FROM moved WHERE ends
  ), counted AS ({count_running("ended", "-")})
  SELECT jsonb_object_agg(id, version) INTO versions FROM moved;

  UPDATE task SET status = coalesce(said.value ->> 2, task.status),
                  started_at = coalesce((said.value ->> 3)::timestamptz, task.started_at),
                  finished_at = (said.value ->> 4)::timestamptz,
                  state = coalesce(said.value ->> 5, task.state),
                  result = said.value ->> 6,
                  error = said.value ->> 7,
                  version = (versions ->> task.job_id::text)::bigint
  FROM jsonb_array_elements(NEW.tasks) AS said
  WHERE task.id = (said.value ->> 0)::bigint AND task.attempt = (said.value ->> 1)::bigint
    AND task.worker_id = NEW.worker_id AND task.status || '' = 'IN_PROGRESS';
  GET DIAGNOSTICS stored = ROW_COUNT;
  IF stored < jsonb_array_length(NEW.tasks) THEN
    RAISE EXCEPTION 'jobdeck: lost' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  {IS_COUNTED}

  IF jsonb_array_length(NEW.attempts) > 0 THEN
    INSERT INTO attempt
      (task_id, number, status, worker_id, started_at, finished_at, error, traceback)
    SELECT task.id, task.attempt, bad.value ->> 2, NEW.worker_id, (bad.value ->> 3)::timestamptz,
           (bad.value ->> 4)::timestamptz, bad.value ->> 5, bad.value ->> 6
    FROM jsonb_array_elements(NEW.attempts) AS bad
    JOIN task ON task.id = (bad.value ->> 0)::bigint
      AND task.attempt = (bad.value ->> 1)::bigint AND task.worker_id = NEW.worker_id;
  END IF;

  IF jsonb_array_length(NEW.retries) > 0 THEN
    UPDATE task SET status = 'SCHEDULED', worker_id = NULL, started_at = NULL, finished_at = NULL,
                    run_after = (again.value ->> 2)::timestamptz, retries = task.retries + 1,
                    version = job.version + 1
    FROM jsonb_array_elements(NEW.retries) AS again, job
    WHERE task.id = (again.value ->> 0)::bigint AND task.attempt = (again.value ->> 1)::bigint
      AND task.worker_id = NEW.worker_id AND task.status || '' = 'FAILED'
      AND job.id = task.job_id + 0 AND job.cancel_requested_at IS NULL;
  END IF;

  IF jsonb_array_length(NEW.logs) > 0 THEN
    INSERT INTO log_line (job_id, task_id, attempt, at, level, message)
    SELECT task.job_id, task.id, (line.value ->> 2)::bigint, (line.value ->> 3)::timestamptz,
           line.value ->> 4, line.value ->> 5
    FROM jsonb_array_elements(NEW.logs) WITH ORDINALITY AS line (value, place)
    JOIN task ON task.id = (line.value ->> 1)::bigint
    ORDER BY line.place;
  END IF;
  RETURN NEW;
END $$""",
    """CREATE TRIGGER journal_group_written INSTEAD OF INSERT ON journal_group
FOR EACH ROW EXECUTE FUNCTION journal_group_written()""",
)
made_with_tables("postgresql", *POSTGRESQL_GROUP)
