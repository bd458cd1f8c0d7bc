"""Waiting in tests: for a thing that will be so, never for a time to pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")


def eventually(look: Callable[[], Seen], *, within: float = 5.0, every: float = 0.01) -> Seen:
    """Look again and again until something true is seen, and return it; fail after a while."""
    pause, deadline = threading.Event(), time.monotonic() + within
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"Not so within {within} s; last seen: {seen!r}")
        pause.wait(every)
    return seen
