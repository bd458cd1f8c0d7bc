"""The time zone in which a page shows times and takes days: that of the person who asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final
from zoneinfo import ZoneInfo

from flask import has_request_context

from app.timezones import UTC_ZONE, zone_of
from app.web.session import the_person

_override: Final[ContextVar[ZoneInfo | None]] = ContextVar("jobdeck_zone", default=None)


def current_zone() -> ZoneInfo:
    """Return the zone of the person who is signed in; UTC for a stranger, or outside a request."""
    if (zone := _override.get()) is not None:
        return zone
    person = the_person() if has_request_context() else None
    return UTC_ZONE if person is None else zone_of(person.time_zone)


@contextmanager
def override_zone(zone: ZoneInfo) -> Iterator[None]:
    """Let current_zone() return this one until the block is left, in this thread."""
    token = _override.set(zone)
    try:
        yield
    finally:
        _override.reset(token)
