"""Claims and groups of PostgreSQL read what they are given once, and a group says what it counts.

As on SQLite, a group is refused when a task of it is not its worker's any more. Nothing of what
finds its rows by their keys is compiled: of a table of one row each way looks dear enough for that.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the views and functions of PostgreSQL anew."""
    if op.get_context().dialect.name == "postgresql":
        for statement in STATEMENTS:
            op.get_bind().exec_driver_sql(statement)


STATEMENTS = (
    "DROP VIEW claim",
    "DROP FUNCTION claim_made",
    "DROP VIEW journal_group",
    "DROP FUNCTION journal_group_written",
    """CREATE OR REPLACE FUNCTION task_counted() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_indexscan = off SET enable_indexonlyscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$ BEGIN
  IF current_setting('jobdeck.counts_itself', true) = 'on' THEN
    RETURN NULL;
  END IF;
  UPDATE job SET version = job.version + 1,
    scheduled = job.scheduled + coalesce(moved.scheduled, 0),
    in_progress = job.in_progress + coalesce(moved.in_progress, 0),
    done = job.done + coalesce(moved.done, 0),
    failed = job.failed + coalesce(moved.failed, 0),
    cancelled = job.cancelled + coalesce(moved.cancelled, 0),
    skipped = job.skipped + coalesce(moved.skipped, 0),
    waiting = job.waiting + coalesce(moved.waiting, 0)
  FROM (
    SELECT moved.job_id,
      sum(moved.by) FILTER (WHERE moved.status = 'SCHEDULED') AS scheduled,
      sum(moved.by) FILTER (WHERE moved.status = 'IN_PROGRESS') AS in_progress,
      sum(moved.by) FILTER (WHERE moved.status = 'DONE') AS done,
      sum(moved.by) FILTER (WHERE moved.status = 'FAILED') AS failed,
      sum(moved.by) FILTER (WHERE moved.status = 'CANCELLED') AS cancelled,
      sum(moved.by) FILTER (WHERE moved.status = 'SKIPPED') AS skipped,
      sum(moved.by) FILTER (WHERE moved.run_after IS NOT NULL) AS waiting
    FROM (SELECT job_id, status, run_after, 1 AS by FROM newer
          UNION ALL SELECT job_id, status, run_after, -1 FROM older) AS moved
    GROUP BY moved.job_id
  ) AS moved
  WHERE job.id = moved.job_id;
  RETURN NULL;
END $$""",
    """CREATE VIEW claim AS SELECT
  NULL::bigint AS worker_id, NULL::bigint AS number, NULL::timestamptz AS at,
  NULL::jsonb AS finish, NULL::jsonb AS steps, NULL::jsonb AS jobs""",
    """CREATE FUNCTION claim_made() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_indexscan = off SET enable_indexonlyscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE counting text;
BEGIN
  PERFORM pg_advisory_xact_lock(1246708068);
  UPDATE worker SET last_claim = NEW.number
  WHERE id = NEW.worker_id AND alive AND last_claim < NEW.number;
  IF NOT FOUND THEN
    IF EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive) THEN
      RETURN NEW;
    END IF;
    RAISE EXCEPTION 'jobdeck: fenced' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  counting := set_config('jobdeck.counts_itself', 'on', true);

  IF jsonb_array_length(NEW.finish) > 0 THEN
    WITH ended AS (
      UPDATE job SET status = CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN failed > 0 OR cancelled > 0 THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END,
                     finished_at = NEW.at, finish_step = NULL, version = version + 1
      WHERE id = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text(NEW.finish)))
        AND status || '' = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
    AND finisher IS NULL
      RETURNING handler
    ) UPDATE handler SET running = handler.running - counted.jobs
    FROM (SELECT handler, count(*) AS jobs FROM ended GROUP BY handler) AS counted
    WHERE handler.name = counted.handler;
  END IF;

  IF jsonb_array_length(NEW.steps) > 0 THEN
    UPDATE job SET finisher = NEW.worker_id, finish_step = coalesce(finish_step, 'before'),
                   version = version + 1
    WHERE id = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text(NEW.steps)))
      AND finisher IS NULL
      AND (finish_step = 'after'
           OR (status || '' = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
               AND cancel_requested_at IS NULL))
      AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > NEW.at));
  END IF;

  IF jsonb_array_length(NEW.jobs) > 0 THEN
    WITH able AS MATERIALIZED (
      SELECT job.id, job.version, job.status, job.in_progress, asked.tasks AS wanted,
             nullif(coalesce(
          job.parallel_limit, handler.set_parallel_limit, handler.parallel_limit), 0) AS most
      FROM (
        SELECT (value ->> 0)::bigint AS id, (value ->> 1)::bigint AS rank, value -> 2 AS tasks
        FROM jsonb_array_elements(NEW.jobs)
      ) AS asked
      JOIN job ON job.id = asked.id
      JOIN handler ON handler.name = job.handler
      WHERE job.cancel_requested_at IS NULL
      AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > NEW.at))
      AND (job.status || '' = 'IN_PROGRESS'
           OR (asked.rank IS NOT NULL AND job.status || '' = 'QUEUED' AND NOT job.held
               AND job.preparing_until IS NULL AND job.retrying IS NULL
               AND coalesce(handler.running + asked.rank <= nullif(coalesce(
          handler.set_concurrency_limit, handler.concurrency_limit), 0), true)))
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
    UPDATE handler SET running = handler.running + counted.jobs
    FROM (SELECT handler, count(*) AS jobs FROM started GROUP BY handler) AS counted
    WHERE handler.name = counted.handler;
  END IF;
  counting := set_config('jobdeck.counts_itself', 'off', true);
  RETURN NEW;
END $$""",
    """CREATE TRIGGER claim_made INSTEAD OF INSERT ON claim
FOR EACH ROW EXECUTE FUNCTION claim_made()""",
    """CREATE VIEW journal_group AS SELECT
  NULL::bigint AS worker_id, NULL::bigint AS number, NULL::timestamptz AS at,
  NULL::jsonb AS jobs, NULL::jsonb AS tasks, NULL::jsonb AS attempts, NULL::jsonb AS retries,
  NULL::jsonb AS logs, NULL::jsonb AS job_states""",
    """CREATE FUNCTION journal_group_written() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_indexscan = off SET enable_indexonlyscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE counting text; stored int; versions jsonb;
BEGIN
  PERFORM pg_advisory_xact_lock(1246708068);
  UPDATE worker SET last_group = NEW.number
  WHERE id = NEW.worker_id AND alive AND last_group < NEW.number;
  IF NOT FOUND THEN
    IF EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive) THEN
      RETURN NEW;
    END IF;
    RAISE EXCEPTION 'jobdeck: fenced' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  counting := set_config('jobdeck.counts_itself', 'on', true);

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
    UPDATE job SET in_progress = job.in_progress - said.done - said.failed - said.cancelled,
                 done = job.done + said.done, failed = job.failed + said.failed,
                 cancelled = job.cancelled + said.cancelled, version = job.version + 1,
                 finished_at = CASE WHEN said.ends THEN NEW.at ELSE job.finished_at END,
                 finish_step = CASE WHEN NOT said.ends THEN job.finish_step END,
                 status = CASE WHEN NOT said.ends THEN job.status
                   WHEN job.cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN job.failed + said.failed > 0 OR job.cancelled + said.cancelled > 0
                   THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END
    FROM (
      SELECT said.*, coalesce(said.may_end, job.cancel_requested_at IS NOT NULL)
             AND job.status || '' = 'IN_PROGRESS' AND job.finisher IS NULL AND job.scheduled = 0
             AND job.in_progress = said.done + said.failed + said.cancelled AS ends
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
  ), counted AS (UPDATE handler SET running = handler.running - counted.jobs
    FROM (SELECT handler, count(*) AS jobs FROM ended GROUP BY handler) AS counted
    WHERE handler.name = counted.handler)
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
  counting := set_config('jobdeck.counts_itself', 'off', true);

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
