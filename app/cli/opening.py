"""An engine for a command: it runs nothing, and can do all the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

from app.cli.schema import open_database
from app.config import Settings
from app.db import Database
from app.jobs import Engine


@contextmanager
def open_engine() -> Iterator[Engine]:
    """An engine on the database of the settings."""
    settings = Settings.from_environment()
    with open_database(settings) as database:
        yield Engine(database, settings, within=_application_context(settings, database))


def _application_context(
    settings: Settings, database: Database
) -> Callable[[], AbstractContextManager[object]]:
    """Return what makes the context of generators and validators, for which the web is loaded."""

    @cache
    def made() -> Callable[[], AbstractContextManager[object]]:
        from app import create_app
        from app.extensions import handler_context

        return handler_context(create_app(settings, database))

    return lambda: made()()
