"""Files of jobs: uploads, and what handlers make."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of files."""
    op.create_table(
        "file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("uploaded", sa.Boolean(), nullable=False),
        sa.Column("uploaded_by", sa.Integer()),
        sa.Column("job_id", sa.Integer()),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment()),
        sa.CheckConstraint(
            "role IN ('viewer', 'operator', 'superadmin')", name=op.f("ck_file_role")
        ),
        sa.ForeignKeyConstraint(
            ["uploaded_by"],
            ["user.id"],
            name=op.f("fk_file_uploaded_by_user"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_file_job_id_job"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file")),
        sa.UniqueConstraint("token", name=op.f("uq_file_token")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_file_job_id_name", "file", ["job_id", "name"], unique=True)
    op.create_index("ix_file_uploaded_by", "file", ["uploaded_by"])
    without_job = sa.text("job_id IS NULL")
    op.create_index(
        "ix_file_without_job",
        "file",
        ["expires_at"],
        sqlite_where=without_job,
        postgresql_where=without_job,
    )
