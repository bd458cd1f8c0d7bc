"""Show moments in a person's zone, and read what stands there as the moments that are meant."""

from __future__ import annotations

from datetime import date, datetime, time, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.timezones import in_zone

UTC: Final = "Z"


def moment(text: Any) -> datetime | date | time | None:
    """Return the moment, day or time that a text of ISO 8601 means; None when it means none."""
    for kind in (date, time, datetime):
        try:
            return kind.fromisoformat(text)
        except (ValueError, TypeError):
            continue
    return None


def local_of(text: str, zone: str) -> datetime | None:
    """Return a moment as the clocks of a zone show it; None for what is no moment with a zone."""
    found, clocks = moment(text), _zone_named(zone)
    if not isinstance(found, datetime) or found.tzinfo is None or clocks is None:
        return None
    try:
        return found.astimezone(clocks).replace(tzinfo=None)
    except OverflowError:
        return None


def with_zone(text: str, zone: str, was: str) -> str:
    """Return a local time of a zone with its offset; any other text as it is.

    `was` is the moment that was shown: it is this very text as long as the clocks say the same,
    for some of their times are there twice. Raise ValueError, a sentence, for a time that is not
    there at all.
    """
    local, clocks = moment(text), _zone_named(zone)
    if not isinstance(local, datetime) or local.tzinfo is not None or clocks is None:
        return text
    if was and local_of(was, zone) == local:
        return was
    return in_zone(local, clocks, zone).isoformat()


def _zone_named(name: str) -> tzinfo | None:
    """The zone of an offset, such as +05:30 or Z, or of a place."""
    try:
        return datetime.fromisoformat(f"2000-01-01T00:00{name}").tzinfo
    except ValueError:
        pass
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
