"""A fresh database in a folder of its own, and moments to kill at that can be had again."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import schema
from app.db import Database
from app.jobs import Engine
from tests.faults.life import engine_of, settings_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data directory with an empty database of the newest schema."""
    database = Database(settings_of(tmp_path).database)
    schema.upgrade(database)
    database.dispose()
    return tmp_path


@pytest.fixture
def looking(folder: Path) -> Iterator[Engine]:
    """An engine that runs nothing, to start jobs and to look at them."""
    engine = engine_of(folder)
    yield engine
    engine.database.dispose()


@pytest.fixture
def chance() -> random.Random:
    """Random moments; JOBDECK_TEST_SEED, printed when a test fails, brings the same ones again."""
    seed = os.environ.get("JOBDECK_TEST_SEED") or str(random.randrange(10**9))
    print(f"JOBDECK_TEST_SEED={seed}")  # noqa: T201 - shown with a failure
    return random.Random(seed)
