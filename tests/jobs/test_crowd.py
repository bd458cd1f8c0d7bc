"""One thread begins all tasks where ten would only be in each other's way, and no longer (B8)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.jobs.crowd import LONG_SECONDS, PAUSE_SECONDS, QUICK_RATE, WINDOW_SECONDS, Crowd
from app.jobs.pool import Pool
from tests.eventually import eventually

QUICK = 2 * QUICK_RATE


class Rates:
    """What of a pool is asked for, and the time: tasks end as a test lets them."""

    is_alone = False
    ended = 0
    waiting = 100
    moment = 100.0

    def let_one_begin(self) -> None:
        self.is_alone = True

    def let_all_begin(self) -> None:
        self.is_alone = False


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Rates:
    pool = Rates()
    clock = SimpleNamespace(monotonic=lambda: pool.moment)
    monkeypatch.setattr("app.jobs.crowd.time", clock)
    return pool


@pytest.fixture
def crowd(pool: Rates) -> Crowd:
    return Crowd(cast(Any, pool))


def go_on(pool: Rates, crowd: Crowd, rate: float, seconds: float = WINDOW_SECONDS) -> bool:
    """Let tasks end at this rate for a while; tell whether one thread begins all then."""
    pool.moment += 1.01 * seconds
    pool.ended += int(rate * 1.01 * seconds)
    crowd.look()
    return pool.is_alone


def test_where_tasks_take_their_time_all_threads_begin_them(pool: Rates, crowd: Crowd) -> None:
    assert not go_on(pool, crowd, QUICK_RATE / 2)


def test_where_they_are_quick_one_is_tried_and_stays_while_it_is_quicker(
    pool: Rates, crowd: Crowd
) -> None:
    assert go_on(pool, crowd, QUICK)
    for _ in range(40):
        assert go_on(pool, crowd, 1.2 * QUICK)


def test_one_that_is_far_slower_is_given_up_at_once(pool: Rates, crowd: Crowd) -> None:
    go_on(pool, crowd, QUICK)
    assert not go_on(pool, crowd, QUICK / 3)


def test_one_that_is_a_little_slower_is_given_up_when_that_is_certain(
    pool: Rates, crowd: Crowd
) -> None:
    go_on(pool, crowd, QUICK)
    assert go_on(pool, crowd, 0.9 * QUICK)
    assert not go_on(pool, crowd, 0.9 * QUICK, LONG_SECONDS)


def test_each_time_that_it_was_slower_it_is_tried_again_later(pool: Rates, crowd: Crowd) -> None:
    for pause in (PAUSE_SECONDS, 2 * PAUSE_SECONDS, 4 * PAUSE_SECONDS):
        assert go_on(pool, crowd, QUICK)
        go_on(pool, crowd, QUICK / 3)
        assert not go_on(pool, crowd, QUICK, pause - 2 * WINDOW_SECONDS)
        pool.moment += 2 * WINDOW_SECONDS
        crowd.look()


def test_when_there_was_nothing_to_do_it_is_tried_at_the_next_chance(
    pool: Rates, crowd: Crowd
) -> None:
    go_on(pool, crowd, QUICK)
    pool.waiting = 0
    assert not go_on(pool, crowd, 0)
    assert go_on(pool, crowd, QUICK)


class Task:
    """Something to run, which may wait until a test lets it go on."""

    mark = 1

    def __init__(self, gate: threading.Event | None = None) -> None:
        self.gate = gate
        self.thread = ""


class Runs:
    """Runs tasks, and notes in which thread."""

    def execute(self, task: Task) -> None:
        task.thread = threading.current_thread().name
        if task.gate:
            assert task.gate.wait(20)


@pytest.fixture
def alone() -> Iterator[Pool]:
    """A pool of four threads, one of which begins all tasks."""
    worker = SimpleNamespace(is_trusted=True, runs=lambda slot, mark: None)
    pool = Pool(cast(Any, Runs()), cast(Any, worker), threads=4, on_room=lambda: None)
    pool.let_one_begin()
    pool.start()
    yield pool
    pool.stop()
    eventually(lambda: not pool._members)


def test_one_thread_runs_what_comes_while_it_is_to_begin_all(
    alone: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.pool.HELD_UP_SECONDS", 60)  # on a busy machine, too
    tasks = [Task() for _ in range(50)]
    alone.submit(cast(Any, tasks))
    eventually(lambda: alone.ended == 50)
    assert {task.thread for task in tasks} == {"jobdeck-pool-0"}


def test_when_that_one_is_held_up_the_others_go_on(alone: Pool, gate: threading.Event) -> None:
    alone.submit(cast(Any, [Task(gate), *(Task() for _ in range(5))]))
    eventually(lambda: alone.ended == 5)
    gate.set()
    eventually(lambda: alone.ended == 6)
