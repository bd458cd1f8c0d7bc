"""The options of a start, and what is said of those that cannot be meant (B1, B2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.jobs import Handler
from app.jobs.errors import BadHandler, InvalidOptions
from app.jobs.options import checked
from tests.jobs.conftest import Engines

WHOLE = "Write a whole number from"
ZONE = "Write a time with its zone, as in 2026-11-30T09:00:00Z."
SECONDS = "Write a number of seconds from 0 to 315,360,000."
BAD = [
    ("priority", True, WHOLE),
    ("priority", 1.0, WHOLE),
    ("priority", "1", WHOLE),
    ("priority", None, WHOLE),
    ("priority", 10**7, WHOLE),
    ("priority", -(10**7), WHOLE),
    ("due", "tomorrow", ZONE),
    ("due", "2026-11-30T09:00:00", ZONE),
    ("due", "2026-11-30", ZONE),
    ("due", 1_800_000_000, ZONE),
    ("due", datetime(2026, 11, 30), ZONE),  # noqa: DTZ001 - it is what is wrong
    ("due", "9999-12-31T23:59:59-10:00", ZONE),
    ("delay", -1, SECONDS),
    ("delay", True, SECONDS),
    ("delay", "60", SECONDS),
    ("delay", float("nan"), SECONDS),
    ("delay", float("inf"), SECONDS),
    ("delay", timedelta(days=36_500), SECONDS),
    ("parallel_limit", 0, WHOLE),
    ("parallel_limit", True, WHOLE),
    ("parallel_limit", 2.5, WHOLE),
    ("parallel_limit", 10**9, WHOLE),
    ("retries", -1, "Write a whole number from"),
    ("retries", "2", "Write a whole number from"),
    ("timeout", 0, "Write a number of seconds above 0"),
    ("timeout", "60", "Write a number of seconds above 0"),
]


@pytest.mark.parametrize(("name", "value", "said"), BAD)
def test_what_cannot_be_meant_is_refused_in_a_sentence(name: Any, value: Any, said: str) -> None:
    given: Any = {name: value}
    with pytest.raises(InvalidOptions) as refused:
        checked(given)
    assert refused.value.fields.keys() == {name}
    [sentence] = refused.value.fields[name]
    assert sentence.startswith(said)
    assert sentence.endswith(".")


def test_all_that_is_wrong_is_said_at_once_and_nothing_is_stored(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=print), runs=False)
    with pytest.raises(InvalidOptions) as refused:
        engine.start("work", priority=10**9, due="soon", parallel_limit=0)
    assert refused.value.fields.keys() == {"priority", "due", "parallel_limit"}
    assert engine.jobs() == []


def test_a_time_and_a_delay_exclude_each_other() -> None:
    with pytest.raises(InvalidOptions, match="Give the time or the delay, not both"):
        checked({"due": "2026-11-30T09:00Z", "delay": 5})
    assert checked({"due": None, "delay": None}) == {"due": None}


def test_a_delay_is_counted_from_now() -> None:
    before = datetime.now(UTC)
    for delay in (60, 60.0, timedelta(minutes=1)):
        due = checked({"delay": delay})["due"]
        assert before <= due - timedelta(minutes=1) <= datetime.now(UTC)


def test_a_time_is_kept_in_utc() -> None:
    due = datetime(2026, 11, 30, 7, 30, tzinfo=UTC)
    assert checked({"due": "2026-11-30T09:00+01:30"}) == {"due": due}
    assert str(checked({"due": "2026-11-30T09:00+01:30"})["due"]) == "2026-11-30 07:30:00+00:00"


def test_an_option_that_there_is_not_is_a_mistake_of_the_caller(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=print), runs=False)
    unheard_of: dict[str, Any] = {"urgency": 1}
    with pytest.raises(TypeError, match="There is no option 'urgency'; there are priority, due"):
        engine.start("work", **unheard_of)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("priority", "high"),
        ("auto_reschedule_on_failure", -1),
        ("auto_reschedule_on_failure", True),
        ("max_reschedules", -1),
        ("max_reschedules", 1.5),
    ],
)
def test_a_handler_cannot_declare_it_either(name: str, value: object) -> None:
    declared: dict[str, Any] = {name: value}
    with pytest.raises(BadHandler, match=f"{name} of handler 'work' is {value!r}. "):
        Handler(name="work", run=print, **declared)
