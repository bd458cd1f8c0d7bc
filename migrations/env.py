"""How Alembic runs the revisions: on the connection that `app.schema` hands over."""

from __future__ import annotations

from alembic import context

import app.jobs.models
import app.users.models  # noqa: F401
from app.db import Base
from app.resources import all_resources

all_resources()  # whose modules may have tables of their own

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
