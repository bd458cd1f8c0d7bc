"""An engine for a command: it runs nothing, and can do all the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.cli.schema import open_database
from app.config import Settings
from app.jobs import Engine


@contextmanager
def open_engine() -> Iterator[Engine]:
    """An engine on the database of the settings."""
    settings = Settings.from_environment()
    with open_database(settings) as database:
        yield Engine(database, settings)
