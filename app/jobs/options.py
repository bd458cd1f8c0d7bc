"""The options of a start: when a job may begin, its place in the queue, how much of it at once.

Each may be left out; then what its handler declares holds. They are checked here, whoever asks:
a program, a page, the API or the command line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypedDict

from app.db import now
from app.jobs import retries
from app.jobs.errors import InvalidOptions

#: A job's priority unless another one is given, however it is made: lower comes first (B1).
PRIORITY: Final = 100
#: How far priorities go either way, how many tasks may be allowed at once, and the longest delay.
MOST: Final = 1_000_000
LONGEST_DELAY: Final = timedelta(days=3_650)


class StartOptions(TypedDict, total=False):
    """What a start may say beside params; see Engine.start()."""

    priority: int
    due: datetime | str | None
    delay: float | timedelta | None
    parallel_limit: int | None
    retries: int | None
    timeout: float | None
    rescheduled_from: int | None


def checked(given: StartOptions) -> dict[str, Any]:
    """Return options as a new job has them; raise InvalidOptions with a sentence for each bad one.

    A delay has become the time when it is over.
    """
    found: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    for name, value in given.items():
        try:
            found[name] = _check_of(name)(value)
        except ValueError as error:
            wrong[name] = [f"{error}."]
    delay = found.pop("delay", None)
    if delay is not None and found.get("due") is not None:
        wrong["delay"] = ["Give the time or the delay, not both."]
    if wrong:
        raise InvalidOptions(wrong)
    return found if delay is None else found | {"due": now() + delay}


def priority(value: Any) -> int:
    """A place in the queue."""
    if not is_whole(value) or not -MOST <= value <= MOST:
        raise ValueError(f"Write a whole number from {-MOST:,} to {MOST:,}; lower comes first")
    return int(value)


def due(value: Any) -> datetime | None:
    """A time with its zone, also as ISO 8601 text; None: now."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("Write a time with its zone, as in 2026-11-30T09:00:00Z")


def delay(value: Any) -> timedelta | None:
    """How long to wait: a number of seconds, or a timedelta; None: not at all."""
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    most = int(LONGEST_DELAY.total_seconds())
    if not is_number or not 0 <= seconds <= most or math.isnan(seconds):
        raise ValueError(f"Write a number of seconds from 0 to {most:,}")
    return timedelta(seconds=seconds)


def parallel_limit(value: Any) -> int:
    """How many tasks of a job run at once; None, stored as 0: as many as there are threads."""
    if value is not None and (not is_whole(value) or not 1 <= value <= MOST):
        raise ValueError(f"Write a whole number from 1 to {MOST:,}, or none for no limit")
    return 0 if value is None else int(value)


def reschedules(value: Any) -> int | None:
    """How often in a row a job is started again; None: always."""
    if value is not None and (not is_whole(value) or value < 0):
        raise ValueError("It must be a whole number from 0 up, or None for no limit")
    return None if value is None else int(value)


def is_whole(value: Any) -> bool:
    """Whether it is a whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "priority": priority,
    "due": due,
    "delay": delay,
    "parallel_limit": parallel_limit,
    "retries": retries.own_retries,
    "timeout": retries.own_timeout,
    "rescheduled_from": lambda job_id: job_id,
}


def _check_of(name: str) -> Callable[[Any], Any]:
    if name not in CHECKS:
        raise TypeError(f"There is no option {name!r}; there are {', '.join(CHECKS)}.")
    return CHECKS[name]
