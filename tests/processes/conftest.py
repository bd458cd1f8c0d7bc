"""A stage for each test, or one for all tests of a module on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgresql as postgresql_server
from tests.processes.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage of the test's own, on SQLite."""
    stage = Stage(tmp_path)
    yield stage
    stage.end()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """A stage for all tests of a module, on each kind of database in turn."""
    folder = tmp_path_factory.mktemp("stage")
    if request.param == "sqlite":
        stage = Stage(folder)
        yield stage
        stage.end()
        return
    server: postgresql_server.Server = request.getfixturevalue("postgresql")
    with server.database() as url:
        stage = Stage(folder, url)
        yield stage
        stage.end()
