"""How Alembic runs the revisions: on the connection that `app.schema` hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

import app.jobs.models
import app.users.models  # noqa: F401
from app.db import Base, Moment
from app.resources import all_resources

all_resources()  # whose modules may have tables of their own


def render(kind: str, item: Any, drafted: AutogenContext) -> str | Literal[False]:
    """Write our own type into a draft as a person would, with its import."""
    if kind != "type" or not isinstance(item, Moment):
        return False
    drafted.imports.add("from app.db import Moment")
    return "Moment()"


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
    render_item=render,
)
with context.begin_transaction():
    context.run_migrations()
