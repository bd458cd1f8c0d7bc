"""A socket is never silent for long: a page cannot see pings, and a dead one sends nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.jobs import Engine
from app.web.live import watcher
from tests.visitor import Visitor
from tests.web.live.conftest import Listen
from tests.web.live.listener import told


@pytest.fixture(autouse=True)
def _be_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "HEARTBEAT_SECONDS", 0.3)
    monkeypatch.setattr(watcher, "IDLE_SECONDS", 0.1)


def test_a_heartbeat_has_no_topic_and_tells_the_time(listen: Listen, vera: Visitor) -> None:
    beat = listen(vera).hear(within=2)
    assert list(beat) == ["heartbeat"]
    assert beat["heartbeat"].endswith("Z")
    age = datetime.now(UTC) - datetime.fromisoformat(beat["heartbeat"])
    assert timedelta() <= age < timedelta(seconds=2)


def test_heartbeats_go_on_while_nothing_happens(listen: Listen, vera: Visitor) -> None:
    listener = listen(vera)
    listener.snapshot("job-updates")
    assert all("heartbeat" in listener.hear(within=2) for _ in range(3))


def test_what_is_told_is_a_sign_of_life_too(
    listen: Listen, vera: Visitor, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "HEARTBEAT_SECONDS", 30)
    listener = listen(vera)
    listener.snapshot("job-updates")
    job_id = engine.start("swift")
    assert told(listener.hear(within=5), job_id)
    assert listener.silent_for(0.5)
