"""`jobdeck db`, and what every other command asks first: can I work with this database?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.exc import DBAPIError, OperationalError

from app import schema
from app.config import Settings
from app.db import Database, why
from app.engines import is_forbidden
from app.jobs import Registry
from app.schema import Schema

REFUSALS = {
    Schema.EMPTY: "The database is empty. Run `jobdeck db upgrade` first.",
    Schema.OLD: "The database has an older schema. Make a copy of it, then run "
    "`jobdeck db upgrade`.",
    Schema.UNKNOWN: "The database has a schema that this version of Jobdeck does not know: it is "
    "from a newer version, or not Jobdeck's. Use that version, or set JOBDECK_DATABASE_URL.",
}


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
def upgrade() -> None:
    """Bring the database to the schema of this version."""
    with closing_database(Settings.from_environment()) as database:
        if schema.look_at(database) is Schema.UNKNOWN:
            raise click.ClickException(REFUSALS[Schema.UNKNOWN])
        schema.upgrade(database)
    click.echo(f"The database is at revision {schema.newest()}.")


@db.command()
@click.argument("message")
def draft(message: str) -> None:
    """Draft the migration that the models need, for its author to finish."""
    settings = Settings.from_environment()
    _load_tables_of_handlers(settings)
    with open_database(settings) as database:
        try:
            drafted = schema.draft(database, message)
        except schema.CannotDraft as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"Now read and finish {drafted}")


def _load_tables_of_handlers(settings: Settings) -> None:
    registry = Registry()
    registry.discover(settings.handler_modules)
    if registry.failures:
        raise click.ClickException(
            f"{registry.failures[0].sentence} A draft would drop the tables that it may have."
        )


@contextmanager
def open_database(settings: Settings, *, may_be_empty: bool = False) -> Iterator[Database]:
    """The database, when its schema is current; an empty one is upgraded where that is allowed."""
    with closing_database(settings) as database:
        found = schema.look_at(database)
        if found is Schema.EMPTY and may_be_empty:
            schema.upgrade(database)
        elif found is not Schema.CURRENT:
            raise click.ClickException(REFUSALS[found])
        yield database


@contextmanager
def closing_database(settings: Settings) -> Iterator[Database]:
    """The database, whatever it looks like; its connections are closed in the end."""
    if not settings.database_url:
        settings.prepare_data_dir()
    database = Database(settings.database)
    try:
        yield database
    except OperationalError as error:
        raise click.ClickException(f"The database could not do this: {why(error)}") from error
    except DBAPIError as error:
        if not is_forbidden(error):
            raise
        raise click.ClickException(
            f"The database's user may not do this: {why(error)}. Grant what docs/databases.md asks."
        ) from error
    finally:
        database.dispose()
