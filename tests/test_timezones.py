"""Days and local times in zones: jumps over midnight, days of 23 and 25 hours, half hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.timezones import (
    NoSuchLocalTime,
    abbreviation,
    abbreviations,
    begin_of,
    end_of,
    is_zone,
    local_text,
    moment_of,
    zone_names,
    zone_of,
)

BERLIN = ZoneInfo("Europe/Berlin")
moments = st.integers(631_152_000, 2_114_380_800).map(lambda at: datetime.fromtimestamp(at, UTC))
zones = st.sampled_from(zone_names()).map(ZoneInfo)


@pytest.mark.parametrize(
    ("zone", "day", "begin", "hours"),
    [
        ("UTC", "2026-06-14", "2026-06-14T00:00Z", 24),
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00Z", 23),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00Z", 25),
        ("Asia/Kathmandu", "2026-06-14", "2026-06-13T18:15Z", 24),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00Z", 24.5),
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00Z", 23),  # there is no midnight
        ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00Z", 23),  # nor here
        ("America/Havana", "2026-11-01", "2026-11-01T04:00Z", 25),  # midnight comes twice
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30Z", 23.5),  # 23:30 was followed by 00:30
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00Z", 0),  # a day that nobody had
        ("Pacific/Kiritimati", "2999-12-31", "2999-12-30T10:00Z", 24),
    ],
)
def test_a_day_begins_where_the_clocks_of_its_zone_say(
    zone: str, day: str, begin: str, hours: float
) -> None:
    first, last = date.fromisoformat(day), ZoneInfo(zone)
    assert begin_of(first, last) == datetime.fromisoformat(begin)
    assert end_of(first, last) - begin_of(first, last) == timedelta(hours=hours)


@given(moments, zones)
def test_each_moment_is_in_the_day_that_is_shown(moment: datetime, zone: ZoneInfo) -> None:
    shown = moment.astimezone(zone).date()
    if begin_of(shown, zone) > moment or end_of(shown, zone) <= moment:
        # Only where the clocks went back over midnight: a day then begins twice.
        near = {(moment + timedelta(hours=each)).astimezone(zone).utcoffset() for each in (-26, 26)}
        assert len(near) > 1


@given(moments, zones)
def test_a_moment_that_is_shown_and_left_alone_is_that_moment(
    moment: datetime, zone: ZoneInfo
) -> None:
    moment += timedelta(microseconds=123_456)
    assert moment_of(local_text(moment, zone), zone, moment) == moment


def test_a_local_time_is_taken_in_its_zone() -> None:
    assert moment_of("2026-06-14T09:12", BERLIN) == datetime(2026, 6, 14, 7, 12, tzinfo=UTC)
    assert moment_of("2026-06-14T09:12Z", BERLIN) == datetime(2026, 6, 14, 9, 12, tzinfo=UTC)
    assert moment_of("2026-10-25T02:30", BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "2026-02-30T10:00", "0001-01-01T00:00+14:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(NoSuchLocalTime, match="Choose a date and a time"):
        moment_of(text, BERLIN)


def test_a_time_that_the_clocks_jump_over_is_refused() -> None:
    with pytest.raises(NoSuchLocalTime, match="02:30 does not exist on that day in Europe/Berlin"):
        moment_of("2026-03-29T02:30", BERLIN)


@pytest.mark.parametrize(
    ("zone", "summer", "winter"),
    [
        ("Europe/Berlin", "CEST", "CET"),
        ("America/New_York", "EDT", "EST"),
        ("Asia/Kathmandu", "UTC+05:45", "UTC+05:45"),
        ("America/St_Johns", "NDT", "NST"),
        ("Pacific/Marquesas", "UTC-09:30", "UTC-09:30"),
        ("UTC", "UTC", "UTC"),
    ],
)
def test_a_zone_is_named_as_people_there_do(zone: str, summer: str, winter: str) -> None:
    named = ZoneInfo(zone)
    assert abbreviation(datetime(2026, 7, 1, tzinfo=UTC), named) == summer
    assert abbreviation(datetime(2026, 1, 1, tzinfo=UTC), named) == winter
    found = abbreviations(named, datetime(2026, 5, 5, tzinfo=UTC))
    assert set(found.values()) == {summer, winter}


def test_the_names_of_zones_are_known_wherever_this_is_installed() -> None:
    assert {"Europe/Berlin", "Asia/Calcutta", "US/Pacific", "UTC"} <= set(zone_names())
    for bad in ("", "Etc/Unknown", "europe/berlin", "../etc/passwd", "Factory", "Europe/Berlin\0"):
        assert not is_zone(bad)
        assert zone_of(bad).key == "UTC" or bad in ("Factory",)
