"""On PostgreSQL, too: what counts tasks and running jobs, claims, records, and tells of work."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the views, functions and triggers there that SQLite has had since 0002."""
    for name in ("last_claim", "last_group"):
        whole, none = sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.text("0")
        op.add_column("worker", sa.Column(name, whole, server_default=none, nullable=False))
    if op.get_context().dialect.name == "postgresql":
        _ids_of_64_bits()
        for statement in POSTGRESQL:
            op.get_bind().exec_driver_sql(statement)


def _ids_of_64_bits() -> None:
    """As SQLite's have."""
    connection = op.get_bind()
    # PostgreSQL would write the conditions of these two in other words than before.
    op.drop_index("ix_job_active", "job")
    op.drop_index("ix_job_cancelling", "job")
    for table in sa.inspect(connection).get_table_names():
        for column in sa.inspect(connection).get_columns(table):
            if column["name"] in IDS:
                op.alter_column(table, column["name"], type_=sa.BigInteger())
            if "nextval" in str(column["default"]):
                connection.exec_driver_sql(f"ALTER SEQUENCE {table}_id_seq AS bigint")
    active = "status IN ('QUEUED', 'IN_PROGRESS')"
    op.create_index("ix_job_active", "job", ["started_by", "id"], postgresql_where=sa.text(active))
    cancelling = sa.text(f"cancel_requested_at IS NOT NULL AND {active}")
    op.create_index("ix_job_cancelling", "job", ["id"], postgresql_where=cancelling)


IDS = {
    *("id", "job_id", "task_id", "user_id", "worker_id", "finisher", "rescheduled_from_job"),
    "started_by_job",
    *("started_by", "cancel_requested_by", "uploaded_by", "paused_by", "limits_set_by", "idx"),
}


POSTGRESQL = (
    """CREATE FUNCTION task_counted() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$ BEGIN
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
    """CREATE TRIGGER task_counted AFTER UPDATE ON task
REFERENCING OLD TABLE AS older NEW TABLE AS newer
FOR EACH STATEMENT EXECUTE FUNCTION task_counted()""",
    """CREATE FUNCTION job_counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  UPDATE handler SET running = running + CASE NEW.status WHEN 'IN_PROGRESS' THEN 1 ELSE -1 END
  WHERE name = NEW.handler;
  RETURN NULL;
END $$""",
    """CREATE TRIGGER job_counted AFTER UPDATE OF status ON job
FOR EACH ROW WHEN ((OLD.status = 'IN_PROGRESS') <> (NEW.status = 'IN_PROGRESS'))
EXECUTE FUNCTION job_counted()""",
    """CREATE FUNCTION job_deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  UPDATE handler SET running = running - 1 WHERE name = OLD.handler;
  RETURN NULL;
END $$""",
    """CREATE TRIGGER job_deleted AFTER DELETE ON job
FOR EACH ROW WHEN (OLD.status = 'IN_PROGRESS') EXECUTE FUNCTION job_deleted()""",
    """CREATE FUNCTION job_told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NOTIFY jobdeck;
  RETURN NULL;
END $$""",
    """CREATE TRIGGER job_made_told AFTER INSERT ON job EXECUTE FUNCTION job_told()""",
    """CREATE TRIGGER job_told AFTER UPDATE ON job
FOR EACH ROW WHEN (
  NEW.preparing_until IS NULL AND (
    (OLD.status = 'IN_PROGRESS') > (NEW.status = 'IN_PROGRESS')
    OR NEW.scheduled > OLD.scheduled OR NEW.waiting < OLD.waiting
    OR (NEW.status = 'QUEUED' AND (OLD.status <> 'QUEUED' OR OLD.held
        OR OLD.preparing_until IS NOT NULL OR OLD.retrying IS NOT NULL
        OR OLD.waiting_until IS NOT NULL))
    OR NEW.parallel_limit IS DISTINCT FROM OLD.parallel_limit
    OR (NEW.cancel_requested_at IS NOT NULL AND OLD.cancel_requested_at IS NULL)))
EXECUTE FUNCTION job_told()""",
    """CREATE TRIGGER pause_told AFTER INSERT OR UPDATE OR DELETE ON pause
FOR EACH STATEMENT EXECUTE FUNCTION job_told()""",
    """CREATE TRIGGER limits_told
AFTER UPDATE OF set_concurrency_limit, set_parallel_limit ON handler
FOR EACH STATEMENT EXECUTE FUNCTION job_told()""",
    """CREATE VIEW journal_group AS SELECT
  NULL::bigint AS worker_id, NULL::bigint AS number, NULL::timestamptz AS at,
  NULL::json AS tasks, NULL::json AS attempts, NULL::json AS retries,
  NULL::json AS logs, NULL::json AS job_states, NULL::json AS ending""",
    """CREATE FUNCTION journal_group_written() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE stored int;
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
    UPDATE job SET status = CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN failed > 0 OR cancelled > 0 THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END,
                   finished_at = NEW.at, finish_step = NULL, version = version + 1
    WHERE id = ANY (ARRAY(SELECT value::bigint FROM json_array_elements_text(NEW.ending)))
      AND status || '' = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
    AND finisher IS NULL;
  END IF;
  RETURN NEW;
END $$""",
    """CREATE TRIGGER journal_group_written INSTEAD OF INSERT ON journal_group
FOR EACH ROW EXECUTE FUNCTION journal_group_written()""",
    """CREATE VIEW claim AS SELECT
  NULL::bigint AS worker_id, NULL::bigint AS number, NULL::timestamptz AS at,
  NULL::json AS finish, NULL::json AS steps, NULL::json AS start, NULL::json AS tasks""",
    """CREATE FUNCTION claim_made() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$ BEGIN
  PERFORM pg_advisory_xact_lock(1246708068);
  UPDATE worker SET last_claim = NEW.number
  WHERE id = NEW.worker_id AND alive AND last_claim < NEW.number;
  IF NOT FOUND THEN
    IF EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive) THEN
      RETURN NEW;
    END IF;
    RAISE EXCEPTION 'jobdeck: fenced' USING ERRCODE = 'integrity_constraint_violation';
  END IF;

  IF json_array_length(NEW.finish) > 0 THEN
    UPDATE job SET status = CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN failed > 0 OR cancelled > 0 THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END,
                   finished_at = NEW.at, finish_step = NULL, version = version + 1
    WHERE id = ANY (ARRAY(SELECT value::bigint FROM json_array_elements_text(NEW.finish)))
      AND status || '' = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
    AND finisher IS NULL;
  END IF;

  IF json_array_length(NEW.steps) > 0 THEN
    UPDATE job SET finisher = NEW.worker_id, finish_step = coalesce(finish_step, 'before'),
                   version = version + 1
    WHERE id = ANY (ARRAY(SELECT value::bigint FROM json_array_elements_text(NEW.steps)))
      AND finisher IS NULL
      AND (finish_step = 'after'
           OR (status || '' = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
               AND cancel_requested_at IS NULL))
      AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > NEW.at));
  END IF;

  IF json_array_length(NEW.start) > 0 THEN
    UPDATE job SET status = 'IN_PROGRESS', started_at = NEW.at, version = version + 1
    FROM json_array_elements(NEW.start) AS wanted, handler
    WHERE job.id = (wanted.value ->> 0)::bigint AND handler.name = job.handler
      AND job.status || '' = 'QUEUED' AND NOT job.held AND job.preparing_until IS NULL
      AND job.retrying IS NULL AND job.cancel_requested_at IS NULL
      AND coalesce(handler.running + (wanted.value ->> 1)::bigint <= nullif(coalesce(
          handler.set_concurrency_limit, handler.concurrency_limit), 0), true)
      AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > NEW.at));
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
      AND coalesce(job.in_progress + (wanted.value ->> 1)::bigint <= nullif(coalesce(
          job.parallel_limit, handler.set_parallel_limit, handler.parallel_limit), 0), true)
      AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > NEW.at));
  END IF;
  RETURN NEW;
END $$""",
    """CREATE TRIGGER claim_made INSTEAD OF INSERT ON claim
FOR EACH ROW EXECUTE FUNCTION claim_made()""",
)
