"""How many tasks a worker claims ahead follows the rate at which they end (B8)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.jobs.ahead import AHEAD_SECONDS, CLAIM_SECONDS, LEAST_AHEAD, MOST_AHEAD, Ahead

THREADS = 10


class Counts:
    """What of a pool is asked for, and the time: nothing ends and nothing passes by itself."""

    def __init__(self) -> None:
        self.threads = self.low = THREADS
        self.ended = self.waiting = self.load = 0
        self.seconds = 100.0

    def end(self, tasks: int, seconds: float) -> None:
        """Let so many tasks end in that time."""
        self.ended += tasks
        self.seconds += seconds


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Counts:
    counts = Counts()
    clock = SimpleNamespace(monotonic=lambda: counts.seconds)
    monkeypatch.setattr("app.jobs.ahead.time", clock)
    return counts


@pytest.fixture
def look(pool: Counts) -> Ahead:
    return Ahead(cast(Any, pool))


def test_of_the_first_tasks_each_thread_gets_one(look: Ahead) -> None:
    assert look.room() == THREADS


def test_quick_tasks_are_known_after_the_first_few_dozen(pool: Counts, look: Ahead) -> None:
    pool.end(3 * THREADS, 0.002)
    assert look.room() == THREADS + MOST_AHEAD


def test_few_tasks_do_not_tell_yet_that_they_are_quick(pool: Counts, look: Ahead) -> None:
    pool.end(THREADS, 0.001)
    assert look.room() == THREADS


def test_slow_tasks_are_hardly_claimed_ahead(pool: Counts, look: Ahead) -> None:
    for _ in range(20):
        pool.end(THREADS // 2, 2 * AHEAD_SECONDS)
        room = look.room()
    assert THREADS <= room <= 2 * THREADS


def test_what_was_quick_once_is_forgotten(pool: Counts, look: Ahead) -> None:
    pool.end(100, 0.01)
    assert look.room() > THREADS
    pool.end(0, 20 * AHEAD_SECONDS)
    assert look.room() < 2 * THREADS


def test_nothing_is_claimed_while_enough_waits(pool: Counts, look: Ahead) -> None:
    pool.end(3 * THREADS, 0.003)
    pool.waiting = pool.load = MOST_AHEAD // 2 + 1
    assert look.room() == 0


def test_no_claim_keeps_others_from_writing_for_long(pool: Counts, look: Ahead) -> None:
    pool.end(3 * THREADS, 0.002)
    look.know_claim(400, seconds=2 * CLAIM_SECONDS)
    assert look.room() == THREADS + LEAST_AHEAD
    look.know_claim(LEAST_AHEAD, seconds=CLAIM_SECONDS / 2)
    assert look.room() == THREADS + 2 * LEAST_AHEAD


def test_a_claim_of_few_tasks_does_not_tell_what_many_would_take(pool: Counts, look: Ahead) -> None:
    pool.end(3 * THREADS, 0.002)
    look.know_claim(1, seconds=CLAIM_SECONDS / 4)
    assert look.room() == THREADS + MOST_AHEAD


def test_where_claims_take_long_more_is_claimed_for_the_meantime(pool: Counts, look: Ahead) -> None:
    pool.end(THREADS, 2 * AHEAD_SECONDS)
    few = look.room()
    look.know_claim(1, seconds=10 * AHEAD_SECONDS)
    assert look.room() > few
