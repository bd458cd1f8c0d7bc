"""The application with handlers of the tests, and its engine at rest or at work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.config import Settings
from app.jobs import Engine
from tests.at_work import AtWork, Gate


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a server with handlers from outside."""
    return Settings(
        data_dir=tmp_path,
        secret_key="for tests only",
        rate_limit=False,
        handlers=("tests.outside",),
        grace_seconds=1,
    )


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """What the tasks of a gated job wait for."""
    return Gate(tmp_path / "gate")


@pytest.fixture
def engine(app: Flask) -> Engine:
    """The engine at rest: jobs are made and stay as they are."""
    found: Engine = app.extensions["jobdeck"]
    return found


@pytest.fixture
def at_work(engine: Engine, gate: Gate) -> Iterator[AtWork]:
    """The engine at work: jobs run."""
    engine.run()
    yield AtWork(engine)
    gate.open()
    engine.begin_stop()
    engine.stop()
