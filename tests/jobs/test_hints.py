"""Processes tell each other of work and of changes, on both databases; a lost hint costs a poll."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.db import Database
from app.jobs import hints, notices
from app.jobs.datagrams import Datagrams
from app.jobs.events import Bus
from app.jobs.hints import Hints, hints_of
from app.jobs.notices import Notices
from tests import postgresql as postgresql_server
from tests.eventually import eventually


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database that processes share, of each kind in turn."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'shared.sqlite3'}")
        yield database
        database.dispose()
        return
    server: postgresql_server.Server = request.getfixturevalue("postgresql")
    with server.database() as url:
        database = Database(url)
        yield database
        database.dispose()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where sockets are: its path is longer than that of a socket may be."""
    return tmp_path / ("far" * 40)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_changes_are_told_to_other_processes_and_not_to_the_own(
    shared: Database, folder: Path, stack: ExitStack
) -> None:
    here, there = (hints_of(shared, folder) for _ in range(2))
    heard: dict[str, list[int]] = {"here": [], "there": []}
    stack.enter_context(here.hearing_of_changes(heard["here"].extend))
    stack.enter_context(there.hearing_of_changes(heard["there"].extend))
    eventually(lambda: told(here, heard["there"], 7))
    eventually(lambda: told(there, heard["here"], 8))
    there.tell_of_work()  # to nobody, for nobody listens for that
    assert (set(heard["here"]), set(heard["there"])) == ({8}, {7})


def told(teller: Hints, heard: list[int], job_id: int) -> bool:
    """Whether a job has been heard of; else it is told again: who listens may do so only soon."""
    teller.tell_of_changes([job_id])
    return job_id in heard


def test_work_is_told_at_once(folder: Path, stack: ExitStack) -> None:
    here, there = (Hints(Datagrams(folder, token)) for token in ("here", "there"))
    woken = threading.Event()
    here.tell_of_work()  # to nobody
    with there.hearing_of_work(woken.set):
        here.tell_of_work()
        assert woken.wait(5)
    assert list(folder.iterdir()) == []


def test_what_changes_often_is_told_seldom_and_whole() -> None:
    wire = Wire()
    teller = Hints(wire)
    for job_id in range(300):
        teller.tell_of_changes([job_id])
    eventually(lambda: {id_ for said in wire.said for id_ in said.split(",")} >= {"0", "299"})
    assert sum(len(said.split(",")) for said in wire.said) == 300
    assert len(wire.said) < 10


class Wire:
    """A wire on which only one speaks."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.is_cut = False

    def tell(self, _kind: str, said: str) -> None:
        """Note what is said."""
        if self.is_cut:
            raise OSError("cut")
        self.said.append(said)

    def hearing(self, *_: Any) -> Any:
        """Nobody hears."""


def test_who_tells_goes_on_when_nobody_can_be_told(caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire()
    wire.is_cut = True
    Hints(wire).tell_of_work()
    assert "Other processes were not told, and will look by themselves: cut" in caplog.text


def test_a_thread_that_has_nothing_to_tell_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "IDLE_SECONDS", 0.01)
    wire = Wire()
    teller = Hints(wire)
    for job_id in (1, 2):
        teller.tell_of_changes([job_id])
        eventually(lambda job_id=job_id: str(job_id) in wire.said)  # type: ignore[misc]
        eventually(lambda: not teller._is_telling)


def test_the_sockets_of_dead_processes_are_removed_but_for_new_ones(folder: Path) -> None:
    with Datagrams(folder, "dead").hearing("work", lambda _: None):
        (left,) = folder.iterdir()
        dead = folder / "work-dead-left"
        os.link(left, dead)
    teller = Datagrams(folder, "here")
    teller.tell("work", "")
    assert list(folder.iterdir()) == [dead]
    os.utime(dead, (0, 0))
    for _ in range(2):
        teller.tell("work", "")
        assert list(folder.iterdir()) == []


def test_a_process_that_does_not_hear_holds_up_nobody(folder: Path) -> None:
    frozen, holds = threading.Event(), threading.Event()

    def freeze(_: str) -> None:
        frozen.set()
        assert holds.wait(20)

    with Datagrams(folder, "there").hearing("changes", freeze):
        teller = Datagrams(folder, "here")
        for _ in range(2_000):
            teller.tell("changes", "1")
        assert frozen.is_set()
        holds.set()


def test_where_no_socket_can_be_one_does_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.jobs.datagrams.os.path.exists", lambda _: False)
    with Datagrams(folder, "there").hearing("work", lambda _: None):
        assert "these are looked for: AF_UNIX path too long" in caplog.text


def test_a_lost_connection_is_made_anew(
    postgresql: postgresql_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "AGAIN_SECONDS", 0.05)
    with postgresql.database() as url:
        database = Database(url)
        here, there = (Hints(Notices(database, token)) for token in ("here", "there"))
        heard: list[int] = []
        with there.hearing_of_changes(heard.extend):
            eventually(lambda: told(here, heard, 1))
            postgresql.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            )
            eventually(lambda: told(here, heard, 2))
        database.dispose()


def test_a_bus_tells_others_but_passes_on_what_it_heard_from_them() -> None:
    others = Others()
    bus = Bus(others)
    heard: list[int] = []
    with bus.watching(heard.extend):
        bus.announce([1])
        bus.note([2])
        bus.pass_on([3])
        bus.announce([])
    assert heard == [1, 2, 3]
    assert others.heard == [1, "work", 2]


class Others:
    """Other processes that note what they are told."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def tell_of_work(self) -> None:
        """Note that there is work."""
        self.heard.append("work")

    def tell_of_changes(self, job_ids: Any) -> None:
        """Note what changed."""
        self.heard += job_ids
