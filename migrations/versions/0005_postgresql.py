"""On PostgreSQL, too: what counts tasks and running jobs, claims, records, and tells of work.

On both databases: tasks that failed and wait for their next try, jobs that wait until they are
due, those that repeat another one, and what people decide about handlers: pauses, and limits.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and indexes; make the views and triggers that SQLite has had since 0002."""
    _retries()
    _due_times()
    _limits()
    _pauses()
    is_sqlite = op.get_context().dialect.name == "sqlite"
    for statement in SQLITE if is_sqlite else POSTGRESQL:
        op.get_bind().exec_driver_sql(statement)


def _retries() -> None:
    op.add_column("job", _count("waiting"))
    op.add_column("job", sa.Column("retries", sa.Integer()))
    op.add_column("job", sa.Column("timeout", sa.Double()))
    op.add_column("task", sa.Column("run_after", Moment()))
    op.add_column("task", _count("retries"))
    op.drop_index("ix_task_scheduled", "task")
    ready, waits = "status = 'SCHEDULED' AND run_after IS NULL", "run_after IS NOT NULL"
    _index_where("ix_task_scheduled", "task", ["job_id", "idx"], ready)
    _index_where("ix_task_waiting", "task", ["job_id", "idx"], waits)
    _index_where("ix_task_run_after", "task", ["run_after"], waits)


def _due_times() -> None:
    op.add_column("job", sa.Column("due_at", Moment()))
    op.add_column("job", sa.Column("waiting_until", Moment()))
    op.add_column("job", sa.Column("rescheduled_from_job", sa.Integer()))
    op.add_column("job", _count("reschedules"))
    op.drop_index("ix_job_queued", "job")
    queued = "status = 'QUEUED' AND waiting_until IS NULL"
    _index_where("ix_job_queued", "job", ["handler", "priority", "id"], queued)
    _index_where("ix_job_waiting", "job", ["waiting_until"], "waiting_until IS NOT NULL")
    repeats = "rescheduled_from_job"
    _index_where("ix_job_rescheduled", "job", [repeats, "id"], f"{repeats} IS NOT NULL")


def _limits() -> None:
    for name in ("parallel_limit", "set_concurrency_limit", "set_parallel_limit", "limits_set_by"):
        op.add_column("handler", sa.Column(name, sa.Integer()))
    op.add_column("handler", sa.Column("limits_set_at", Moment()))


def _pauses() -> None:
    op.create_table(
        "pause",
        sa.Column("handler", sa.String(100), nullable=False),
        sa.Column("paused_at", Moment(), nullable=False),
        sa.Column("paused_by", sa.Integer()),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("until", Moment()),
        sa.ForeignKeyConstraint(
            ["paused_by"], ["user.id"], name=op.f("fk_pause_paused_by_user"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("handler", name=op.f("pk_pause")),
    )
    op.add_column("worker", _count("threads"))
    op.add_column("worker", sa.Column("renewed_at", Moment()))


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)


def _index_where(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


SQLITE = (
    "DROP TRIGGER task_counted",
    "DROP TRIGGER claim_made",
    "DROP TRIGGER journal_group_written",
    "DROP VIEW journal_group",
    """CREATE TRIGGER task_counted AFTER UPDATE OF status ON task
WHEN OLD.status <> NEW.status
  AND NOT (OLD.status = 'SCHEDULED' AND NEW.status = 'IN_PROGRESS')
  AND NOT (OLD.status = 'IN_PROGRESS' AND NEW.status IN ('DONE', 'FAILED', 'CANCELLED')
           AND NEW.crashes = OLD.crashes) BEGIN
  UPDATE job SET version = version + 1,
    scheduled = scheduled - (OLD.status = 'SCHEDULED') + (NEW.status = 'SCHEDULED'),
    in_progress = in_progress - (OLD.status = 'IN_PROGRESS') + (NEW.status = 'IN_PROGRESS'),
    done = done - (OLD.status = 'DONE') + (NEW.status = 'DONE'),
    failed = failed - (OLD.status = 'FAILED') + (NEW.status = 'FAILED'),
    cancelled = cancelled - (OLD.status = 'CANCELLED') + (NEW.status = 'CANCELLED'),
    skipped = skipped - (OLD.status = 'SKIPPED') + (NEW.status = 'SKIPPED')
  WHERE id = NEW.job_id;
END""",
    """CREATE TRIGGER task_waits AFTER UPDATE OF run_after ON task
WHEN (OLD.run_after IS NULL) <> (NEW.run_after IS NULL) BEGIN
  UPDATE job SET version = version + 1,
    waiting = waiting - (OLD.run_after IS NOT NULL) + (NEW.run_after IS NOT NULL)
  WHERE id = NEW.job_id;
END""",
    """CREATE TRIGGER claim_made INSTEAD OF INSERT ON claim BEGIN
  SELECT RAISE(ABORT, 'jobdeck: fenced')
  WHERE NOT EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive);

  UPDATE job SET status = CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN failed > 0 OR cancelled > 0 THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END,
                 finished_at = NEW.at, finish_step = NULL, version = version + 1
  WHERE id IN (SELECT value FROM json_each(NEW.finish))
    AND +status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
    AND finisher IS NULL;

  UPDATE job SET finisher = NEW.worker_id, finish_step = coalesce(finish_step, 'before'),
                 version = version + 1
  WHERE id IN (SELECT value FROM json_each(NEW.steps)) AND finisher IS NULL
    AND (finish_step = 'after'
         OR (+status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
             AND cancel_requested_at IS NULL))
    AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > NEW.at));

  UPDATE job SET status = 'IN_PROGRESS', started_at = NEW.at, version = version + 1
  WHERE id IN (
    SELECT queued.id FROM json_each(NEW.start) AS wanted
    CROSS JOIN job AS queued ON queued.id = json_extract(wanted.value, '$[0]')
    CROSS JOIN handler ON handler.name = queued.handler
    WHERE +queued.status = 'QUEUED' AND NOT queued.held AND queued.preparing_until IS NULL
      AND queued.retrying IS NULL AND queued.cancel_requested_at IS NULL
      AND coalesce(handler.running + json_extract(wanted.value, '$[1]')
        <= nullif(coalesce(
          handler.set_concurrency_limit, handler.concurrency_limit), 0), true)
      AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (queued.handler, '*')
            AND (pause.until IS NULL OR pause.until > NEW.at)));

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
        <= nullif(coalesce(
          job.parallel_limit, handler.set_parallel_limit, handler.parallel_limit), 0), true)
      AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > NEW.at)));

  UPDATE job SET scheduled = scheduled - taken.tasks, in_progress = in_progress + taken.tasks,
                 version = version + 1
  FROM (
    SELECT task.job_id, count(*) AS tasks FROM json_each(NEW.tasks) AS wanted
    CROSS JOIN task ON task.id = json_extract(wanted.value, '$[0]')
    WHERE +task.worker_id = NEW.worker_id AND +task.status = 'IN_PROGRESS'
      AND task.started_at = NEW.at
    GROUP BY task.job_id
  ) AS taken WHERE job.id = taken.job_id;
END""",
    """CREATE VIEW journal_group AS SELECT
  NULL AS worker_id, NULL AS at, NULL AS tasks, NULL AS attempts, NULL AS retries, NULL AS logs,
  NULL AS job_states, NULL AS ending""",
    """CREATE TRIGGER journal_group_written INSTEAD OF INSERT ON journal_group BEGIN
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

  UPDATE job SET status = CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN failed > 0 OR cancelled > 0 THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END,
                 finished_at = NEW.at, finish_step = NULL, version = version + 1
  WHERE id IN (SELECT value FROM json_each(NEW.ending))
    AND +status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
    AND finisher IS NULL;
END""",
)

POSTGRESQL = (
    """CREATE FUNCTION task_counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
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
    """CREATE VIEW claim AS SELECT
  NULL::bigint AS worker_id, NULL::timestamptz AS at,
  NULL::json AS finish, NULL::json AS steps, NULL::json AS start, NULL::json AS tasks""",
    """CREATE FUNCTION claim_made() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM pg_advisory_xact_lock(1246708068);
  IF NOT EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive) THEN
    RAISE EXCEPTION 'jobdeck: fenced' USING ERRCODE = 'integrity_constraint_violation';
  END IF;

  UPDATE job SET status = CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN failed > 0 OR cancelled > 0 THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END,
                 finished_at = NEW.at, finish_step = NULL, version = version + 1
  WHERE id = ANY (ARRAY(SELECT value::bigint FROM json_array_elements_text(NEW.finish)))
    AND +status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
    AND finisher IS NULL;

  UPDATE job SET finisher = NEW.worker_id, finish_step = coalesce(finish_step, 'before'),
                 version = version + 1
  WHERE id = ANY (ARRAY(SELECT value::bigint FROM json_array_elements_text(NEW.steps)))
    AND finisher IS NULL
    AND (finish_step = 'after'
         OR (status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
             AND cancel_requested_at IS NULL))
    AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > NEW.at));

  UPDATE job SET status = 'IN_PROGRESS', started_at = NEW.at, version = version + 1
  FROM json_array_elements(NEW.start) AS wanted, handler
  WHERE job.id = (wanted.value ->> 0)::bigint AND handler.name = job.handler
    AND job.status = 'QUEUED' AND NOT job.held AND job.preparing_until IS NULL
    AND job.retrying IS NULL AND job.cancel_requested_at IS NULL
    AND coalesce(handler.running + (wanted.value ->> 1)::bigint <= nullif(coalesce(
          handler.set_concurrency_limit, handler.concurrency_limit), 0), true)
    AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > NEW.at));

  UPDATE task SET status = 'IN_PROGRESS', worker_id = NEW.worker_id, attempt = attempt + 1,
                  started_at = NEW.at, finished_at = NULL, error = NULL, result = NULL,
                  version = job.version + 1
  FROM json_array_elements(NEW.tasks) AS wanted, job, handler
  WHERE task.id = (wanted.value ->> 0)::bigint AND job.id = task.job_id
    AND handler.name = job.handler
    AND task.status = 'SCHEDULED' AND task.run_after IS NULL
    AND job.status = 'IN_PROGRESS' AND job.cancel_requested_at IS NULL
    AND coalesce(job.in_progress + (wanted.value ->> 1)::bigint <= nullif(coalesce(
          job.parallel_limit, handler.set_parallel_limit, handler.parallel_limit), 0), true)
    AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > NEW.at));
  RETURN NEW;
END $$""",
    """CREATE TRIGGER claim_made INSTEAD OF INSERT ON claim
FOR EACH ROW EXECUTE FUNCTION claim_made()""",
    """CREATE VIEW journal_group AS SELECT
  NULL::int AS worker_id, NULL::timestamptz AS at, NULL::json AS tasks, NULL::json AS attempts,
  NULL::json AS retries, NULL::json AS logs, NULL::json AS job_states, NULL::json AS ending""",
    """CREATE FUNCTION journal_group_written() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE stored int;
BEGIN
  PERFORM pg_advisory_xact_lock(1246708068);
  IF NOT EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive) THEN
    RAISE EXCEPTION 'jobdeck: fenced' USING ERRCODE = 'integrity_constraint_violation';
  END IF;

  UPDATE job SET state = newer.value ->> 2,
                 state_version = state_version + 1, version = version + 1
  FROM json_array_elements(NEW.job_states) AS newer
  WHERE job.id = (newer.value ->> 0)::int AND job.state_version = (newer.value ->> 1)::int;
  GET DIAGNOSTICS stored = ROW_COUNT;
  IF stored < json_array_length(NEW.job_states) THEN
    RAISE EXCEPTION 'jobdeck: moved' USING ERRCODE = 'integrity_constraint_violation';
  END IF;

  UPDATE task SET status = coalesce(said.value ->> 2, task.status),
                  state = coalesce(said.value ->> 3, task.state),
                  result = said.value ->> 4,
                  error = said.value ->> 5,
                  started_at = coalesce((said.value ->> 6)::timestamptz, task.started_at),
                  finished_at = (said.value ->> 7)::timestamptz,
                  version = job.version + 1
  FROM json_array_elements(NEW.tasks) AS said, job
  WHERE task.id = (said.value ->> 0)::int AND task.attempt = (said.value ->> 1)::int
    AND task.worker_id = NEW.worker_id AND task.status = 'IN_PROGRESS' AND job.id = task.job_id;

  INSERT INTO attempt
    (task_id, number, status, worker_id, started_at, finished_at, error, traceback)
  SELECT task.id, task.attempt, bad.value ->> 2, NEW.worker_id, (bad.value ->> 3)::timestamptz,
         (bad.value ->> 4)::timestamptz, bad.value ->> 5, bad.value ->> 6
  FROM json_array_elements(NEW.attempts) AS bad
  JOIN task ON task.id = (bad.value ->> 0)::int
    AND task.attempt = (bad.value ->> 1)::int AND task.worker_id = NEW.worker_id;

  UPDATE task SET status = 'SCHEDULED', worker_id = NULL, started_at = NULL, finished_at = NULL,
                  run_after = (again.value ->> 2)::timestamptz, retries = task.retries + 1,
                  version = job.version + 1
  FROM json_array_elements(NEW.retries) AS again, job
  WHERE task.id = (again.value ->> 0)::int AND task.attempt = (again.value ->> 1)::int
    AND task.worker_id = NEW.worker_id AND task.status = 'FAILED'
    AND job.id = task.job_id AND job.cancel_requested_at IS NULL;

  INSERT INTO log_line (job_id, task_id, attempt, at, level, message)
  SELECT task.job_id, task.id, (line.value ->> 2)::int, (line.value ->> 3)::timestamptz,
         line.value ->> 4, line.value ->> 5
  FROM json_array_elements(NEW.logs) AS line
  JOIN task ON task.id = (line.value ->> 1)::int;

  UPDATE job SET version = version + 1
  WHERE id = ANY (ARRAY(SELECT (value ->> 0)::int FROM json_array_elements(NEW.logs)));

  UPDATE job SET status = CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN failed > 0 OR cancelled > 0 THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END,
                 finished_at = NEW.at, finish_step = NULL, version = version + 1
  WHERE id = ANY (ARRAY(SELECT value::int FROM json_array_elements_text(NEW.ending)))
    AND +status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
    AND finisher IS NULL;
  RETURN NEW;
END $$""",
    """CREATE TRIGGER journal_group_written INSTEAD OF INSERT ON journal_group
FOR EACH ROW EXECUTE FUNCTION journal_group_written()""",
)
