"""Time zones: their names, when a day begins in one, and local times as people write them."""

from __future__ import annotations

import functools
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

UTC_ZONE: Final = ZoneInfo("UTC")
#: Longer than any name that there is; the column that keeps one is as wide.
LONGEST: Final = 64
_NO_PLACES: Final = {"Factory", "localtime", "posixrules"}
_REGIONS: Final = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia"),
    *("Atlantic", "Australia", "Europe", "Indian", "Pacific"),
)
_SECOND: Final = timedelta(seconds=1)
_YEARS: Final = range(-2, 2)


class NoSuchLocalTime(ValueError):
    """A local time cannot be meant: it is no time, or the clocks of the zone jump over it."""


@functools.cache
def zone_names() -> tuple[str, ...]:
    """Return the names of all zones that are known here, in order."""
    return tuple(sorted(zoneinfo.available_timezones() - _NO_PLACES))


def is_zone(name: str) -> bool:
    """Tell whether a zone of this name is known here."""
    return name in zone_names()


def places() -> dict[str, list[str]]:
    """Return the zones to choose from by their part of the world, and UTC."""
    found: dict[str, list[str]] = {}
    for name in zone_names():
        region, _, place = name.partition("/")
        if place and region in _REGIONS:
            found.setdefault(region, []).append(name)
    return found | {"Everywhere": ["UTC"]}


def zone_of(name: str | None) -> ZoneInfo:
    """Return the zone of this name; UTC for none, or for one that is unknown on this host."""
    if not name:
        return UTC_ZONE
    try:
        return ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return UTC_ZONE


def begin_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a day in a zone, in UTC.

    Where the clocks jump over midnight, that is the moment of the jump.
    """
    wall = datetime.combine(day, time(), zone)
    begin, early = wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC)
    if begin.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return begin
    while begin - early > _SECOND:
        middle = early + timedelta(seconds=(begin - early) // _SECOND // 2)
        if middle.astimezone(zone).date() < day:
            early = middle
        else:
            begin = middle
    return begin


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of the day after, in UTC."""
    return begin_of(day + timedelta(days=1), zone)


def abbreviation(moment: datetime, zone: ZoneInfo) -> str:
    """Return what the zone is called at that moment: CEST, or UTC+05:45 where it has no name."""
    local = moment.astimezone(zone)
    name = local.tzname() or ""
    if name.isalpha():
        return name
    minutes = round((local.utcoffset() or timedelta()) / timedelta(minutes=1))
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"


def abbreviations(zone: ZoneInfo, now: datetime) -> dict[int, str]:
    """Return what a zone was and will be called in these years, by its minutes ahead of UTC."""
    return _abbreviations(zone, now.year)


@functools.lru_cache(maxsize=64)
def _abbreviations(zone: ZoneInfo, year: int) -> dict[int, str]:
    months = [
        datetime(year + each, month, 1, tzinfo=UTC).astimezone(zone)
        for each in _YEARS
        for month in range(1, 13)
    ]
    return {
        round((local.utcoffset() or timedelta()) / timedelta(minutes=1)): abbreviation(local, zone)
        for local in months
    }


def local_text(moment: datetime, zone: ZoneInfo) -> str:
    """Return a moment as `<input type="datetime-local">` takes it, with seconds if it has some."""
    local = _local(moment, zone)
    if local.microsecond:
        return local.isoformat(timespec="milliseconds")
    return local.isoformat(timespec="seconds" if local.second else "minutes")


def moment_of(text: str, zone: ZoneInfo, shown: datetime | None = None) -> datetime:
    """Return the moment of a local time, in UTC; of a time that comes twice, the first.

    `shown` is the moment whose local_text() was put into the field: as long as the text is still
    that, it is exactly this moment. A text that says its own zone keeps it. Raise NoSuchLocalTime,
    a sentence.
    """
    try:
        local = datetime.fromisoformat(text)
        # Times are compared: a browser may write the same one in another way.
        if shown is not None and local == _local(shown, zone):
            return shown.astimezone(UTC)
        if local.tzinfo is not None:
            return local.astimezone(UTC)
        return in_zone(local, zone, zone.key).astimezone(UTC)
    except NoSuchLocalTime:
        raise
    except (ValueError, OverflowError) as error:
        raise NoSuchLocalTime("Choose a date and a time.") from error


def in_zone(local: datetime, zone: tzinfo, name: str) -> datetime:
    """Return a local time with its zone; of one that comes twice, the first.

    Raise NoSuchLocalTime, a sentence that calls the zone by `name`, for one that is not there;
    OverflowError at the ends of the calendar.
    """
    moment = local.replace(tzinfo=zone)
    if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
        raise NoSuchLocalTime(
            f"{local:%H:%M} does not exist on that day in {name}: the clocks jump over it. "
            "Choose another time."
        )
    return moment


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return it without its zone, as precise as a browser's control is: to the millisecond."""
    local = moment.astimezone(zone).replace(tzinfo=None)
    return local.replace(microsecond=local.microsecond // 1000 * 1000)
