"""Engines for the tests of the core: real ones, with real threads, on a real file."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.config import Settings
from app.db import Database
from app.jobs import Engine, Handler, Registry


class Engines:
    """Makes engines on one database file; each has its own connections, as a process would."""

    def __init__(self, settings: Settings) -> None:
        self._settings = dataclasses.replace(
            settings, threads=4, poll_seconds=0.05, grace_seconds=1.0
        )
        self._made: list[Engine] = []

    def __call__(self, *handlers: Handler, runs: bool = True, **settings: Any) -> Engine:
        """An engine that has these handlers, and runs them unless told not to."""
        own = dataclasses.replace(self._settings, **settings)
        engine = Engine(Database(own.database), own, Registry(handlers))
        self._made.append(engine)
        if runs:
            engine.run()
        return engine

    def stop(self) -> None:
        """Stop them all."""
        for engine in self._made:
            engine.begin_stop()
        for engine in self._made:
            engine.stop()
            engine.database.dispose()


@pytest.fixture
def engines(database: Database, settings: Settings) -> Iterator[Engines]:
    """What makes engines on the test's database."""
    engines = Engines(settings)
    yield engines
    engines.stop()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What handlers of a test wait at; it opens at the end at the latest."""
    gate = threading.Event()
    yield gate
    gate.set()
