"""A fresh database in a folder of its own, and moments to kill at that can be had again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.db import Database
from app.jobs import Engine
from tests.conftest import AT_HAND
from tests.faults import audit, life


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Leave the servers to the long run, in tests that do not name databases themselves."""
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    named = "conformance" in marks or any(mark.startswith("about_") for mark in marks)
    if "on" in metafunc.fixturenames and not named and not metafunc.config.getoption("--on"):
        there = [pytest.param(kind, marks=pytest.mark.long) for kind in AT_HAND[1:]]
        metafunc.parametrize("on", ["sqlite", *there], indirect=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave MariaDB to the long run in all of them: a default run is to end within 8 minutes."""
    callspec: Any = getattr(item, "callspec", None)
    if callspec and callspec.params.get("on") == "mariadb":
        item.add_marker(pytest.mark.long)


@pytest.fixture
def folder(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A data directory with an empty database of the newest schema, which its processes use."""
    audit.begin(database)
    monkeypatch.setenv("JOBDECK_DATABASE_URL", settings.database_url)
    yield settings.data_dir
    life.end_all()


@pytest.fixture
def looking(folder: Path) -> Iterator[Engine]:
    """An engine that runs nothing, to start jobs and to look at them."""
    engine = life.engine_of(life.settings_of(folder))
    yield engine
    engine.database.dispose()


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """What makes the moments of a test; printed when it fails, and `--seed` brings it again."""
    asked: int | None = request.config.getoption("--seed")
    seed = random.randrange(10**9) if asked is None else asked
    print(f"Replay this with --seed {seed}")  # noqa: T201 - shown with a failure
    return seed


@pytest.fixture
def chance(seed: int) -> random.Random:
    """Random moments."""
    return random.Random(seed)
