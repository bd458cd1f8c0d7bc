"""An index of the jobs of which there is something to do, instead of all that run.

Those that only wait for their tasks to be tried again are not walked any more.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes anew; MariaDB has no partial ones, and keeps what it has."""
    if op.get_context().dialect.name == "mariadb":
        return
    op.drop_index("ix_job_in_progress", "job")
    op.drop_index("ix_job_active", "job")
    _make("ix_job_ready", ["priority", "id"], READY)
    _make("ix_job_active", ["started_by", "id"], "finished_at IS NULL")


READY = """status = 'IN_PROGRESS' AND (scheduled > waiting
    OR (scheduled = 0 AND in_progress = 0 AND finisher IS NULL)
    OR cancel_requested_at IS NOT NULL)"""


def _make(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "job", columns, sqlite_where=where, postgresql_where=where)
