"""How a group of the journal is written: a view to insert it into, whose trigger does the work.

It refuses the whole group when the worker was taken for dead (fenced), or when the state of a job
is not the one that a change was made from (moved).
"""

from __future__ import annotations

from app.db import BY_KEYS, made_with_tables
from app.jobs.store.ending import IS_COMPLETE, OUTCOME
from app.jobs.store.numbering import in_its_turn
from app.sql import reworded

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
