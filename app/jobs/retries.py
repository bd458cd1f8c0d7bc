"""How often a task is tried, how long it waits in between, how long a try may take (B4, B5)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from app.jobs.errors import BadHandler, TaskTimedOut

#: How the pauses grow: `retry_delay` times 1, 2, 4, 8 ...; times 1, 2, 3, 4 ...; or not at all.
BACKOFFS: Final = ("exponential", "linear", "fixed")
#: A pause is up to so much longer than computed: what failed together is not tried together.
JITTER: Final = 0.25
MOST_RETRIES: Final = 10_000
#: The longest pause, and the longest time a try may be given: a year, in seconds.
MOST_SECONDS: Final = 366 * 86_400.0
#: Doubled so often, any pause is longer than the longest.
MOST_DOUBLINGS: Final = 64


@dataclass(kw_only=True)
class Retries:
    """What a handler declares of the tries of its tasks; checked by check_retries()."""

    name: str
    retries: int = 0
    retry_delay: float = 1.0
    backoff: str = "exponential"
    max_retry_delay: float = 3600.0
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    timeout: float | None = None

    def check_retries(self) -> None:
        """Raise BadHandler, with a sentence, for what cannot work."""
        self._demand("retries", is_count(self.retries), _A_COUNT)
        self._demand("retry_delay", is_span(self.retry_delay), _A_SPAN)
        self._demand("max_retry_delay", is_span(self.max_retry_delay), _A_SPAN)
        self._demand("timeout", self.timeout is None or is_timeout(self.timeout), _A_TIMEOUT)
        self._demand("backoff", self.backoff in BACKOFFS, f"one of {', '.join(BACKOFFS)}")
        self._demand("retry_on", _are_errors(self.retry_on), "a tuple of exception classes")

    def _demand(self, what: str, is_good: bool, wanted: str) -> None:
        if not is_good:
            said = f"{what} of handler {self.name!r} is {getattr(self, what)!r}"
            raise BadHandler(f"{said}; it must be {wanted}.")

    def retries_on(self, error: BaseException) -> bool:
        """Whether a task that failed with this is tried again; a timeout is a TimeoutError, too."""
        kinds = {*type(error).__mro__}
        if isinstance(error, TaskTimedOut):
            kinds |= {*TimeoutError.__mro__}
        return not kinds.isdisjoint(self.retry_on)

    def pause(self, retries: int, luck: float | None = None) -> float:
        """Seconds from a failure to the next try, after so many `retries` (0: the first failure).

        It is what `backoff` makes of `retry_delay`, `max_retry_delay` at most, and then up to a
        quarter longer, as `luck` (from 0 to 1; None: chance) will have it.
        """
        factor = {"exponential": 2.0 ** min(retries, MOST_DOUBLINGS), "linear": retries + 1.0}
        pause = min(self.retry_delay * factor.get(self.backoff, 1.0), self.max_retry_delay)
        return pause * (1 + JITTER * (random.random() if luck is None else luck))


_A_COUNT = f"a whole number from 0 to {MOST_RETRIES}"
_A_SPAN = f"a number of seconds from 0 to {MOST_SECONDS:.0f}, which is a year"
_A_TIMEOUT = f"a number of seconds above 0 and up to {MOST_SECONDS:.0f}, or None for no timeout"


def own_retries(value: object) -> object:
    """What a job has in place of its handler's `retries`; None: nothing. Raise ValueError."""
    if value is not None and not is_count(value):
        raise ValueError(f"Write {_A_COUNT}")
    return value


def own_timeout(value: object) -> object:
    """What a job has in place of its handler's `timeout`; None: nothing. Raise ValueError."""
    if value is not None and not is_timeout(value):
        raise ValueError(f"Write a number of seconds above 0 and up to {MOST_SECONDS:.0f}")
    return value


def is_count(value: object) -> bool:
    """Whether it is a number of retries."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_RETRIES


def is_span(value: object) -> bool:
    """Whether it is a number of seconds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= MOST_SECONDS  # type: ignore[operator]


def is_timeout(value: object) -> bool:
    """Whether it is a number of seconds that a try can take."""
    return is_span(value) and bool(value)


def _are_errors(kinds: object) -> bool:
    return isinstance(kinds, tuple) and all(
        isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds
    )
