"""Jobs and their tasks, attempts and log lines; handlers and workers; what counts and records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

JOB_STATUSES = "'QUEUED', 'IN_PROGRESS', 'DONE', 'DONE_WITH_ERRORS', 'CANCELLED'"
TASK_STATUSES = "'SCHEDULED', 'IN_PROGRESS', 'DONE', 'FAILED', 'CANCELLED', 'SKIPPED'"


def upgrade() -> None:
    """Make the tables about jobs; on SQLite also the views and triggers that move them."""
    _handlers_and_workers()
    _jobs()
    _tasks()
    _said()
    if op.get_context().dialect.name == "sqlite":
        for statement in SQLITE:
            op.get_bind().exec_driver_sql(statement)


def _handlers_and_workers() -> None:
    op.create_table(
        "handler",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("concurrency_limit", sa.Integer()),
        _count("running"),
        sa.Column("roles", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_handler")),
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("mark", sa.String(64), nullable=False),
        sa.Column("handlers", sa.Text(), nullable=False),
        sa.Column("alive", sa.Boolean(), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
        sqlite_autoincrement=True,
    )


def _jobs() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(500), nullable=False),
        sa.Column("handler", sa.String(100), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("held", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("100"), nullable=False),
        sa.Column("parallel_limit", sa.Integer()),
        sa.Column("preparing_until", Moment()),
        *(_count(name) for name in ("total", "scheduled", "in_progress", "done")),
        *(_count(name) for name in ("failed", "cancelled", "skipped")),
        sa.Column(
            "progress",
            sa.Integer(),
            sa.Computed(
                "CASE WHEN total = 0 THEN CASE WHEN cancel_requested_at IS NULL THEN 100 ELSE 0 END"
                " WHEN cancel_requested_at IS NULL"
                " THEN (done + failed + cancelled + skipped) * 100 / total"
                " ELSE (done + failed + skipped) * 100 / total END",
                persisted=True,
            ),
            nullable=False,
        ),
        _count("version"),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("started_at", Moment()),
        sa.Column("finished_at", Moment()),
        sa.Column("started_by", sa.Integer()),
        sa.Column("cancel_requested_at", Moment()),
        sa.Column("cancel_requested_by", sa.Integer()),
        sa.Column("error", sa.Text()),
        _count("state_version"),
        sa.Column("params", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("input", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.CheckConstraint(f"status IN ({JOB_STATUSES})", name=op.f("ck_job_status")),
        _of("job", "started_by", "user", "SET NULL"),
        _of("job", "cancel_requested_by", "user", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_status", "job", ["status", "id"])
    op.create_index("ix_job_handler", "job", ["handler", "id"])
    _index_where("ix_job_queued", "job", ["handler", "priority", "id"], "status = 'QUEUED'")
    _index_where("ix_job_in_progress", "job", ["priority", "id"], "status = 'IN_PROGRESS'")
    _index_where("ix_job_preparing", "job", ["preparing_until"], "preparing_until IS NOT NULL")


def _tasks() -> None:
    op.create_table(
        "task",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("worker_id", sa.Integer()),
        *(_count(name) for name in ("attempt", "crashes", "version")),
        sa.Column("started_at", Moment()),
        sa.Column("finished_at", Moment()),
        sa.Column("error", sa.Text()),
        sa.Column("state", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("result", sa.Text()),
        sa.CheckConstraint(f"status IN ({TASK_STATUSES})", name=op.f("ck_task_status")),
        _of("task", "job_id", "job", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    op.create_index("uq_task_job_id_idx", "task", ["job_id", "idx"], unique=True)
    for status in ("scheduled", "in_progress", "failed"):
        condition = f"status = '{status.upper()}'"
        _index_where(f"ix_task_{status}", "task", ["job_id", "idx"], condition)
    _index_where("ix_task_suspect", "task", ["id"], "status = 'SCHEDULED' AND crashes >= 2")


def _said() -> None:
    op.create_table(
        "attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("worker_id", sa.Integer()),
        sa.Column("started_at", Moment()),
        sa.Column("finished_at", Moment()),
        sa.Column("error", sa.Text()),
        sa.Column("traceback", sa.Text()),
        _of("attempt", "task_id", "task", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    op.create_index("uq_attempt_task_id_number", "attempt", ["task_id", "number"], unique=True)
    op.create_table(
        "log_line",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("level", sa.String(10), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        _of("log_line", "job_id", "job", "CASCADE"),
        _of("log_line", "task_id", "task", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_line")),
    )
    op.create_index("ix_log_line_job_id_id", "log_line", ["job_id", "id"])
    op.create_index("ix_log_line_task_id_id", "log_line", ["task_id", "id"])


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)


def _of(table: str, column: str, other: str, ondelete: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete=ondelete)


def _index_where(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


SQLITE = (
    """CREATE TRIGGER task_counted AFTER UPDATE OF status, state ON task BEGIN
  UPDATE job SET version = version + 1,
    scheduled = scheduled - (OLD.status = 'SCHEDULED') + (NEW.status = 'SCHEDULED'),
    in_progress = in_progress - (OLD.status = 'IN_PROGRESS') + (NEW.status = 'IN_PROGRESS'),
    done = done - (OLD.status = 'DONE') + (NEW.status = 'DONE'),
    failed = failed - (OLD.status = 'FAILED') + (NEW.status = 'FAILED'),
    cancelled = cancelled - (OLD.status = 'CANCELLED') + (NEW.status = 'CANCELLED'),
    skipped = skipped - (OLD.status = 'SKIPPED') + (NEW.status = 'SKIPPED')
  WHERE id = NEW.job_id;
END""",
    """CREATE TRIGGER job_counted AFTER UPDATE OF status ON job
WHEN (OLD.status = 'IN_PROGRESS') <> (NEW.status = 'IN_PROGRESS') BEGIN
  UPDATE handler SET running = running + (NEW.status = 'IN_PROGRESS') - (OLD.status = 'IN_PROGRESS')
  WHERE name = NEW.handler;
END""",
    """CREATE TRIGGER job_deleted AFTER DELETE ON job WHEN OLD.status = 'IN_PROGRESS' BEGIN
  UPDATE handler SET running = running - 1 WHERE name = OLD.handler;
END""",
    """CREATE VIEW claim AS SELECT
  NULL AS worker_id, NULL AS at, NULL AS finish, NULL AS start, NULL AS tasks""",
    """CREATE TRIGGER claim_made INSTEAD OF INSERT ON claim BEGIN
  SELECT RAISE(ABORT, 'jobdeck: fenced')
  WHERE NOT EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive);

  UPDATE job SET status = CASE WHEN failed > 0 THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END,
                 finished_at = NEW.at, version = version + 1
  WHERE id IN (SELECT value FROM json_each(NEW.finish))
    AND +status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
    AND cancel_requested_at IS NULL;

  UPDATE job SET status = 'IN_PROGRESS', started_at = NEW.at, version = version + 1
  WHERE id IN (
    SELECT queued.id FROM json_each(NEW.start) AS wanted
    CROSS JOIN job AS queued ON queued.id = json_extract(wanted.value, '$[0]')
    CROSS JOIN handler ON handler.name = queued.handler
    WHERE +queued.status = 'QUEUED' AND NOT queued.held AND queued.preparing_until IS NULL
      AND (handler.concurrency_limit IS NULL
           OR handler.running + json_extract(wanted.value, '$[1]') <= handler.concurrency_limit));

  UPDATE task SET status = 'IN_PROGRESS', worker_id = NEW.worker_id, attempt = attempt + 1,
                  started_at = NEW.at, finished_at = NULL, error = NULL, result = NULL,
                  version = (SELECT version + 1 FROM job WHERE id = task.job_id)
  WHERE id IN (
    SELECT wanted_task.id FROM json_each(NEW.tasks) AS wanted
    CROSS JOIN task AS wanted_task ON wanted_task.id = json_extract(wanted.value, '$[0]')
    CROSS JOIN job ON job.id = wanted_task.job_id
    WHERE +wanted_task.status = 'SCHEDULED'
      AND +job.status = 'IN_PROGRESS' AND job.cancel_requested_at IS NULL
      AND (job.parallel_limit IS NULL
           OR job.in_progress + json_extract(wanted.value, '$[1]') <= job.parallel_limit));
END""",
    """CREATE VIEW journal_group AS SELECT
  NULL AS worker_id, NULL AS tasks, NULL AS attempts, NULL AS logs, NULL AS job_states""",
    """CREATE TRIGGER journal_group_written INSTEAD OF INSERT ON journal_group BEGIN
  SELECT RAISE(ABORT, 'jobdeck: fenced')
  WHERE NOT EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive);

  SELECT RAISE(ABORT, 'jobdeck: moved') FROM json_each(NEW.job_states) AS newer
  LEFT JOIN job ON job.id = json_extract(newer.value, '$[0]')
  WHERE job.state_version IS NOT json_extract(newer.value, '$[1]');

  UPDATE job SET state = json_extract(newer.value, '$[2]'),
                 state_version = state_version + 1, version = version + 1
  FROM json_each(NEW.job_states) AS newer WHERE job.id = json_extract(newer.value, '$[0]');

  UPDATE task SET status = coalesce(json_extract(said.value, '$[2]'), status),
                  state = coalesce(json_extract(said.value, '$[3]'), state),
                  result = json_extract(said.value, '$[4]'),
                  error = json_extract(said.value, '$[5]'),
                  started_at = coalesce(json_extract(said.value, '$[6]'), started_at),
                  finished_at = json_extract(said.value, '$[7]'),
                  version = (SELECT version + 1 FROM job WHERE id = task.job_id)
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

  INSERT INTO log_line (job_id, task_id, attempt, at, level, message)
  SELECT json_extract(line.value, '$[0]'), json_extract(line.value, '$[1]'),
         json_extract(line.value, '$[2]'), json_extract(line.value, '$[3]'),
         json_extract(line.value, '$[4]'), json_extract(line.value, '$[5]')
  FROM json_each(NEW.logs) AS line
  JOIN task ON task.id = json_extract(line.value, '$[1]');

  UPDATE job SET version = version + 1
  WHERE id IN (SELECT json_extract(value, '$[0]') FROM json_each(NEW.logs));
END""",
)
