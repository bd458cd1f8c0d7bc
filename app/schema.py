"""The database's schema: which revision it has, which it should have, and how to bring it there."""

from __future__ import annotations

from enum import Enum
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from app.db import Database

MIGRATIONS = Path(__file__).parent.parent / "migrations"


class Schema(Enum):
    """What a database looks like to this version of Jobdeck."""

    EMPTY = "empty"
    CURRENT = "current"
    OLD = "old"
    UNKNOWN = "unknown"


def look_at(database: Database) -> Schema:
    """Compare the database's revision with the newest one of this version."""
    with database.reading() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
        tables = revision is not None or inspect(connection).get_table_names()
    if revision is None:
        return Schema.UNKNOWN if tables else Schema.EMPTY
    if revision == newest():
        return Schema.CURRENT
    return Schema.OLD if revision in _known() else Schema.UNKNOWN


def is_current(database: Database) -> bool:
    """Whether this version of Jobdeck can work with the database."""
    return look_at(database) is Schema.CURRENT


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the database to a revision, the newest one if none is named, in one transaction."""
    with database.writing() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def newest() -> str:
    """The revision that this version of Jobdeck works with."""
    return _known()[0]


@cache
def _known() -> tuple[str, ...]:
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return tuple(script.revision for script in scripts)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config
