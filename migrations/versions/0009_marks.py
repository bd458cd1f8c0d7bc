"""Marks that transactions leave, so that it is known afterwards whether they have come true."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Moment

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of marks."""
    op.create_table(
        "mark",
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_mark")),
    )
    op.create_index("ix_mark_at", "mark", ["at"])
