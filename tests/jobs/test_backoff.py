"""How long a task that failed waits for its next try (B4)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.jobs import Handler, TaskTimedOut
from app.jobs.retries import JITTER, MOST_RETRIES, MOST_SECONDS

SPANS = some.floats(0, MOST_SECONDS)
BACKOFFS = some.sampled_from(["exponential", "linear", "fixed"])


def handler(**options: Any) -> Handler:
    return Handler(name="work", run=print, **options)


@pytest.mark.parametrize(
    ("backoff", "pauses"),
    [
        ("exponential", [3, 6, 12, 24, 48, 60, 60]),
        ("linear", [3, 6, 9, 12, 15, 18, 21]),
        ("fixed", [3, 3, 3, 3, 3, 3, 3]),
    ],
)
def test_pauses_grow_as_declared_and_no_further_than_the_longest(
    backoff: str, pauses: list[float]
) -> None:
    declared = handler(backoff=backoff, retry_delay=3, max_retry_delay=60)
    assert [declared.pause(retries, luck=0) for retries in range(7)] == pauses


def test_a_pause_is_up_to_a_quarter_longer() -> None:
    assert [handler(retry_delay=8).pause(0, luck) for luck in (0, 0.5, 1)] == [8, 9, 10]


def test_chance_spreads_what_failed_together() -> None:
    pauses = {handler(retry_delay=100).pause(0) for _ in range(20)}
    assert len(pauses) > 10
    assert all(100 <= pause <= 125 for pause in pauses)


@given(BACKOFFS, SPANS, SPANS, some.integers(0, MOST_RETRIES - 1), some.floats(0, 1))
def test_no_pause_shrinks_or_leaves_its_bounds(
    backoff: str, delay: float, most: float, retries: int, luck: float
) -> None:
    declared = handler(backoff=backoff, retry_delay=delay, max_retry_delay=most)
    pause = declared.pause(retries, luck)
    assert min(delay, most) <= pause <= most * (1 + JITTER)
    assert declared.pause(retries + 1, luck) >= pause


class Refined(ConnectionError):
    """What a library makes of an error."""


@pytest.mark.parametrize(
    ("retry_on", "error", "is_tried_again"),
    [
        ((Exception,), ValueError(), True),
        ((Exception,), SystemExit(), False),
        ((OSError,), Refined(), True),
        ((OSError, KeyError), ValueError(), False),
        ((), ValueError(), False),
        ((Exception,), TaskTimedOut(), True),
        ((OSError,), TaskTimedOut(), True),
        ((TaskTimedOut,), TaskTimedOut(), True),
        ((TaskTimedOut,), TimeoutError(), False),
        ((ConnectionError,), TaskTimedOut(), False),
    ],
)
def test_only_what_is_named_is_tried_again_and_a_timeout_is_a_timeout_error(
    retry_on: tuple[type[BaseException], ...], error: BaseException, is_tried_again: bool
) -> None:
    assert handler(retry_on=retry_on).retries_on(error) == is_tried_again
