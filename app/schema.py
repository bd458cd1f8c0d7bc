"""The database's schema: which revision it has, which it should have, and how to bring it there."""

from __future__ import annotations

from enum import Enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from app.db import Database
from app.package_files import is_installed, package_file

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = package_file("migrations")


class CannotDraft(RuntimeError):
    """Migrations are drafted in a checkout of Jobdeck; an installed one loses them when updated."""


class Schema(Enum):
    """What a database looks like to this version of Jobdeck."""

    EMPTY = "empty"
    CURRENT = "current"
    OLD = "old"
    UNKNOWN = "unknown"


def look_at(database: Database) -> Schema:
    """Compare the database's revision with the newest one of this version."""
    with database.reading() as connection:
        tables = inspect(connection).get_table_names()
        if "alembic_version" not in tables:
            return Schema.UNKNOWN if tables else Schema.EMPTY
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision == newest():
        return Schema.CURRENT
    return Schema.OLD if revision in _known() else Schema.UNKNOWN


def is_current(database: Database) -> bool:
    """Whether this version of Jobdeck can work with the database."""
    return look_at(database) is Schema.CURRENT


def newest() -> str:
    """The revision that this version of Jobdeck works with."""
    return _known()[-1]


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the database to a revision, the newest one if none is named.

    In one transaction, but on MariaDB, where each change of a table is one by itself.
    """
    from alembic import command

    first = database.kind.first_revision
    with database.migrating() as connection:
        config = _alembic()
        config.attributes["connection"] = connection
        if first and look_at(database) is Schema.EMPTY:
            command.stamp(config, _known()[_known().index(first) - 1])
        command.upgrade(config, revision)


def draft(database: Database, message: str) -> Path:
    """Write a new revision with what the models have and the database has not; for its author.

    Raises CannotDraft.
    """
    from alembic import command

    if is_installed():
        raise CannotDraft(CannotDraft.__doc__)
    with database.writing() as connection:
        config = _alembic()
        config.attributes["connection"] = connection
        number = f"{int(newest()) + 1:04}"
        made = command.revision(config, message, autogenerate=True, rev_id=number)
    assert made is not None
    assert not isinstance(made, list)
    return Path(made.path)


@cache
def _known() -> tuple[str, ...]:
    """The revisions in their order, by the names of their files: 0001_people.py is 0001.

    Asking Alembic takes a quarter of a second, of which every start would have its share.
    """
    return tuple(sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")))


def _alembic() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
