"""A thread that hangs beyond its timeout costs the pool nothing for ever (B5)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.jobs import Engine, Handler, Task
from app.jobs.deadlines import Deadline, Deadlines
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold a thread for one that hangs soon after its deadline."""
    monkeypatch.setattr("app.jobs.deadlines.HANG_SECONDS", 0.02)


def hanging(engines: Engines, gate: threading.Event, tasks: int, **more: Any) -> tuple[Engine, int]:
    """An engine of two threads, and a job whose tasks hang until the gate opens."""
    hangs = Handler(name="hangs", run=lambda _: gate.wait(60), timeout=0.02, **FREE)
    swift = Handler(name="swift", run=lambda task: task.index, **FREE)
    engine = engines(hangs, swift, threads=2, **more)
    return engine, engine.start_new_job("x", None, blank(tasks), "hangs")


def members(engine: Engine) -> list[threading.Thread]:
    assert engine._running
    return list(engine._running._pool._members)


def test_another_thread_takes_its_place_until_it_returns(
    engines: Engines, gate: threading.Event
) -> None:
    engine, job_id = hanging(engines, gate, tasks=2)
    before = members(engine)
    ended(engine, job_id)
    eventually(lambda: engine.hung == 2)
    done(engine, engine.start_new_job("y", None, blank(20), "swift"))
    assert len(members(engine)) == 4
    gate.set()
    eventually(lambda: engine.hung == 0)
    eventually(lambda: len(members(engine)) == 2)
    assert not set(before) & set(members(engine))
    assert not any(thread.is_alive() for thread in eventually(lambda: before))
    done(engine, engine.start_new_job("z", None, blank(20), "swift"))


def test_there_are_so_many_of_them_and_no_more(
    engines: Engines, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    engine, job_id = hanging(engines, gate, tasks=4)
    ended(engine, job_id)
    eventually(lambda: engine.hung == 4)
    assert len(members(engine)) == 4
    assert engine.trouble
    assert "All 4 threads hang beyond the timeouts of their tasks" in engine.trouble
    assert "too many do. Restart this process" in caplog.text
    waits = engine.start_new_job("y", None, blank(1), "swift")
    gate.set()
    done(engine, waits)
    eventually(lambda: len(members(engine)) == 2)
    assert not engine.trouble


def test_one_that_ends_soon_keeps_its_place(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.deadlines.HANG_SECONDS", 60)
    engine = engines(
        Handler(name="work", run=lambda task: task.sleep(60), timeout=0.02, **FREE), threads=2
    )
    before = members(engine)
    ended(engine, engine.start_new_job("x", None, blank(6), "work"))
    assert members(engine) == before


def test_a_crash_is_laid_at_the_door_of_what_runs_in_its_place(
    engines: Engines, gate: threading.Event
) -> None:
    beside = threading.Event()

    def body(task: Task) -> None:
        beside.set()
        assert gate.wait(60)

    hangs = Handler(name="hangs", run=lambda _: let_go.wait(60), timeout=0.02, **FREE)
    let_go = threading.Event()
    engine = engines(hangs, Handler(name="work", run=body, **FREE), threads=1)
    ended(engine, engine.start_new_job("x", None, blank(1), "hangs"))
    job_id = engine.start_new_job("y", None, blank(1), "work")
    assert beside.wait(20)
    let_go.set()
    eventually(lambda: len(members(engine)) == 1)
    assert engine._running
    mark = engine._running._worker._mark
    assert mark
    running = int.from_bytes(mark._slots[16:24], "little")
    assert running == engine.task(job_id, 0).id


def test_stopping_waits_for_no_thread_that_hangs(engines: Engines, gate: threading.Event) -> None:
    engine, job_id = hanging(engines, gate, tasks=1, grace_seconds=60)
    ended(engine, job_id)
    eventually(lambda: engine.hung == 1)
    engine.stop()
    assert engine.hung == 0


@pytest.fixture
def deadlines() -> Iterator[Deadlines]:
    """Deadlines that nobody else has."""
    deadlines = Deadlines()
    yield deadlines
    deadlines.stop()


def deadline(seconds: float, cut_off: Any, replace: Any = lambda _: True) -> Deadline:
    return Deadline(time.monotonic() + seconds, cut_off, replace)


def test_the_earliest_is_waited_for_also_when_it_comes_later(deadlines: Deadlines) -> None:
    cut_off: list[str] = []
    deadlines.begin(deadline(600, lambda _: cut_off.append("last")))
    deadlines.begin(deadline(0.05, lambda _: cut_off.append("first")))
    eventually(lambda: cut_off == ["first"])


def test_what_cannot_be_recorded_is_tried_again(deadlines: Deadlines) -> None:
    tries: list[int] = []

    def cut_off(_: threading.Thread) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("not yet")

    watched = deadline(0, cut_off)
    deadlines.begin(watched)
    eventually(lambda: watched.hangs)
    assert len(tries) == 3
    assert deadlines.end(watched) is False
