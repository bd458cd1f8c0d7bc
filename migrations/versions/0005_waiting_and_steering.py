"""Tasks that wait for their next try, jobs that wait until they are due or repeat another one,
what people decide about handlers, and counting a claim or a group of outcomes at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and indexes; on SQLite, make the views and triggers anew that know them."""
    _retries()
    _due_times()
    _limits()
    _pauses()
    if op.get_context().dialect.name == "sqlite":
        for statement in SQLITE:
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
    op.add_column("job", sa.Column("started_by_job", sa.Integer()))
    op.drop_index("ix_job_queued", "job")
    queued = "status = 'QUEUED' AND waiting_until IS NULL"
    _index_where("ix_job_queued", "job", ["handler", "priority", "id"], queued)
    _index_where("ix_job_waiting", "job", ["waiting_until"], "waiting_until IS NOT NULL")
    repeats = "rescheduled_from_job"
    _index_where("ix_job_rescheduled", "job", [repeats, "id"], f"{repeats} IS NOT NULL")
    parent = "started_by_job"
    _index_where("ix_job_started_by_job", "job", [parent, "id"], f"{parent} IS NOT NULL")


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
    "DROP VIEW claim",
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
    """CREATE VIEW journal_group AS SELECT
  NULL AS worker_id, NULL AS number, NULL AS at, NULL AS tasks, NULL AS attempts, NULL AS retries,
  NULL AS logs, NULL AS job_states, NULL AS ending""",
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
    """CREATE VIEW claim AS SELECT
  NULL AS worker_id, NULL AS number, NULL AS at, NULL AS finish, NULL AS steps, NULL AS start,
  NULL AS tasks""",
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
)
