"""Alembic's way in: which tables there should be, and which database to bring there.

A caller may hand over an open connection; `flask db ...` uses the database of the settings.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

import app.jobs.models
import app.users.models  # noqa: F401
from app.config import Settings
from app.db import Base, Database


def migrate(connection: Connection) -> None:
    """Run the revisions asked for inside the connection's own transaction."""
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


handed_over = context.config.attributes.get("connection")
if handed_over is not None:
    migrate(handed_over)
else:
    with Database(Settings.from_environment().database).writing() as own:
        migrate(own)
