"""What jobs need to be cancelled, retried, extended and finished with callbacks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ACTIVE = "status IN ('QUEUED', 'IN_PROGRESS')"


def upgrade() -> None:
    """Add the columns and their indexes; on SQLite a claim also takes finish steps."""
    for name in ("end_index", "finish_rounds", "finish_crashes"):
        op.add_column("job", _count(name))
    op.add_column("job", sa.Column("adding_until", Moment()))
    op.add_column("job", sa.Column("retrying", sa.Text()))
    op.add_column("job", sa.Column("finish_step", sa.String(10)))
    op.add_column("job", sa.Column("finisher", sa.Integer()))
    op.execute("UPDATE job SET end_index = total")
    _indexes()
    if op.get_context().dialect.name == "sqlite":
        for statement in SQLITE:
            op.get_bind().exec_driver_sql(statement)


def _indexes() -> None:
    op.create_index("ix_job_name", "job", ["name", "id"])
    op.create_index("ix_job_created_at", "job", ["created_at", "id"])
    op.create_index("ix_job_finished_at", "job", ["finished_at", "id"])
    op.create_index("ix_job_started_by", "job", ["started_by", "id"])
    _index_where("ix_job_active", "job", ["started_by", "id"], ACTIVE)
    _index_where(
        "ix_job_cancelling", "job", ["id"], f"cancel_requested_at IS NOT NULL AND {ACTIVE}"
    )
    _index_where("ix_job_retrying", "job", ["id"], "retrying IS NOT NULL")
    _index_where("ix_job_adding", "job", ["adding_until"], "adding_until IS NOT NULL")
    _index_where("ix_job_finisher", "job", ["finisher"], "finisher IS NOT NULL")
    who = "cancel_requested_by"
    _index_where("ix_job_canceller", "job", [who], f"{who} IS NOT NULL")
    _index_where("ix_job_finishing", "job", ["id"], "finish_step = 'after'")
    _index_where("ix_task_cancelled", "task", ["job_id", "idx"], "status = 'CANCELLED'")


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)


def _index_where(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


SQLITE = (
    "DROP VIEW claim",
    """CREATE VIEW claim AS SELECT
  NULL AS worker_id, NULL AS at, NULL AS finish, NULL AS steps, NULL AS start, NULL AS tasks""",
    """CREATE TRIGGER claim_made INSTEAD OF INSERT ON claim BEGIN
  SELECT RAISE(ABORT, 'jobdeck: fenced')
  WHERE NOT EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive);

  UPDATE job SET status = CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN failed > 0 OR cancelled > 0 THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END,
                 finished_at = NEW.at, finish_step = NULL, version = version + 1
  WHERE id IN (SELECT value FROM json_each(NEW.finish))
    AND +status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0 AND finisher IS NULL;

  UPDATE job SET finisher = NEW.worker_id, finish_step = coalesce(finish_step, 'before'),
                 version = version + 1
  WHERE id IN (SELECT value FROM json_each(NEW.steps)) AND finisher IS NULL
    AND (finish_step = 'after'
         OR (+status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
             AND cancel_requested_at IS NULL));

  UPDATE job SET status = 'IN_PROGRESS', started_at = NEW.at, version = version + 1
  WHERE id IN (
    SELECT queued.id FROM json_each(NEW.start) AS wanted
    CROSS JOIN job AS queued ON queued.id = json_extract(wanted.value, '$[0]')
    CROSS JOIN handler ON handler.name = queued.handler
    WHERE +queued.status = 'QUEUED' AND NOT queued.held AND queued.preparing_until IS NULL
      AND queued.retrying IS NULL AND queued.cancel_requested_at IS NULL
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
)
