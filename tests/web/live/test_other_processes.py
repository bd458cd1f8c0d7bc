"""What another process does to a job is told at once to who watches it here (A15)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.config import Settings
from app.db import Database
from app.jobs import Engine
from app.web.live import lookout
from tests.eventually import eventually
from tests.visitor import Visitor
from tests.web.live.conftest import Listen
from tests.web.live.listener import told


@pytest.fixture
def elsewhere(database: Database, settings: Settings) -> Iterator[Engine]:
    """An engine as another process has it: it shares the database and the folder, and no more."""
    engine = Engine(Database(database.url.render_as_string(hide_password=False)), settings)
    yield engine
    engine.stop()
    engine.database.dispose()


def test_it_is_told_long_before_anybody_looks(
    listen: Listen,
    vera: Visitor,
    elsewhere: Engine,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookout, "LOOK_SECONDS", 60.0)
    listener = listen(vera)
    listener.snapshot("job-updates")
    eventually(lambda: list((settings.data_dir / "hints").glob("changes-*")))
    elsewhere.run()
    job_id = elsewhere.start("swift")
    done = listener.hear_until(lambda message: "DONE" in str(message) and told(message, job_id))
    assert done["topic"] == "job-updates"


def test_what_is_not_told_is_seen_at_the_next_look(
    listen: Listen, vera: Visitor, elsewhere: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = listen(vera)
    listener.snapshot("job-updates")
    monkeypatch.setattr(elsewhere.bus, "_others", None)
    job_id = elsewhere.start("swift")
    assert listener.hear_until(lambda message: told(message, job_id))


def test_a_process_in_which_nobody_watches_any_more_hears_nothing(
    listen: Listen, vera: Visitor, settings: Settings
) -> None:
    hints = settings.data_dir / "hints"
    listener = listen(vera)
    eventually(lambda: list(hints.glob("changes-*")))
    listener.close()
    eventually(lambda: not list(hints.glob("changes-*")))
