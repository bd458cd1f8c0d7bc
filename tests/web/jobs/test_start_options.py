"""The options of a start in the create form: asked for, kept, refused, and filled in (B1, B2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.jobs import Engine, JobDetail
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, Page, opened, words
from tests.web.jobs.test_running_again import form_of


def sent(visitor: Visitor, **options: str) -> Any:
    """The answer to a form with these options."""
    named = {f"option.{name}": value for name, value in options.items()}
    return visitor.post("/jobs", {"handler": "ticked", "steps": "2", **named}, headers=SCRIPT)


def created(engine: Engine, answer: Any) -> JobDetail:
    """The job that was started."""
    assert answer.status_code == 201, answer.text
    return engine.job(engine.jobs()[0].id)


def test_what_is_left_empty_is_as_the_handler_declares(oscar: Visitor, engine: Engine) -> None:
    empty = dict.fromkeys(("priority", "parallel_limit", "retries", "timeout", "due", "delay"), "")
    job = created(engine, sent(oscar, when="now", unit="hours", zone="Z", **empty))
    assert (job.priority, job.parallel_limit, job.has_own_limit) == (100, 3, False)
    assert (job.retries, job.timeout, job.due_at) == (None, None, None)
    page = opened(oscar, "/jobs/new?handler=ticked", headers=SCRIPT)
    assert page.one(id="field-option.parallel_limit")["placeholder"] == "3"
    assert page.one(id="field-option.timeout")["placeholder"] == "none"


def test_what_is_written_holds_for_the_job(oscar: Visitor, engine: Engine) -> None:
    given = {"priority": "-5", "parallel_limit": "none", "retries": "2", "timeout": "1.5"}
    job = created(engine, sent(oscar, **given))
    assert (job.priority, job.parallel_limit, job.retries, job.timeout) == (-5, None, 2, 1.5)


def test_a_time_is_that_of_the_zone_in_which_it_was_asked_for(
    oscar: Visitor, engine: Engine
) -> None:
    asked = {"when": "at", "due": "2040-07-01T09:00"}
    job = created(engine, sent(oscar, zone="Europe/Berlin", **asked))
    assert (job.due_at, job.is_waiting) == (datetime(2040, 7, 1, 7, tzinfo=UTC), True)
    assert created(engine, sent(oscar, **asked)).due_at == datetime(2040, 7, 1, 9, tzinfo=UTC)
    oscar.post("/account/time-zone", {"time_zone": "Asia/Kathmandu"})
    job = created(engine, sent(oscar, **asked))
    assert job.due_at == datetime(2040, 7, 1, 3, 15, tzinfo=UTC)


def test_a_time_that_is_left_alone_stays_what_it_was(oscar: Visitor, engine: Engine) -> None:
    oscar.post("/account/time-zone", {"time_zone": "Europe/Berlin"})
    # Half past two comes twice that night; this is the second one.
    due = datetime(2040, 10, 28, 1, 30, 5, 123_456, tzinfo=UTC)
    first = engine.start("swift", due=due)
    page = opened(oscar, f"/jobs/new?again={first}", headers=SCRIPT)
    assert page.one(id="field-option.due")["value"] == "2040-10-28T02:30:05.123"
    zone, exact = (page.one(name=f"option.{name}")["value"] for name in ("zone", "exact"))
    again = {"when": "at", "due": "2040-10-28T02:30:05.123", "zone": zone, "exact": exact}
    assert created(engine, sent(oscar, **again)).due_at == due
    other = created(engine, sent(oscar, **(again | {"due": "2040-10-28T02:30:05"})))
    assert other.due_at == datetime(2040, 10, 28, 0, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("due", "zone", "sentence"),
    [
        ("2040-03-25T02:30", "Europe/Berlin", "02:30 does not exist on that day in Europe/Berlin"),
        ("2040-03-25T02:30", "Nowhere/Land", "Choose a date and a time."),
        ("soon", "UTC", "Choose a date and a time."),
    ],
)
def test_a_time_that_cannot_be_meant_is_asked_for_again(
    oscar: Visitor, engine: Engine, due: str, zone: str, sentence: str
) -> None:
    answer = sent(oscar, when="at", due=due, zone=zone)
    assert answer.status_code == 422
    assert sentence in words(Page(answer).one(id="field-option.due-errors"))


def test_a_delay_has_a_unit(oscar: Visitor, engine: Engine) -> None:
    job = created(engine, sent(oscar, when="in", delay="1.5", unit="hours"))
    assert job.due_at
    assert abs(job.due_at - job.created_at - timedelta(minutes=90)) < timedelta(minutes=1)


def test_only_the_chosen_way_counts(oscar: Visitor, engine: Engine) -> None:
    assert created(engine, sent(oscar, when="now", due="x", delay="x")).due_at is None


@pytest.mark.parametrize(
    ("options", "name", "said"),
    [
        ({"priority": "1.5"}, "priority", "Write a whole number from -1,000,000"),
        ({"priority": "none"}, "priority", "Write a whole number from -1,000,000"),
        ({"parallel_limit": "0"}, "parallel_limit", "or none for no limit."),
        ({"retries": "-1"}, "retries", "Write a whole number from 0"),
        ({"timeout": "0"}, "timeout", "Write a number of seconds above 0"),
        ({"when": "at", "due": ""}, "due", "Choose a date and a time."),
        ({"when": "at", "due": "9" * 40}, "due", "Choose a date and a time."),
        ({"when": "in", "delay": ""}, "delay", "Write a number from 0 up"),
        ({"when": "in", "delay": "-1"}, "delay", "Write a number from 0 up"),
        ({"when": "in", "delay": "9999", "unit": "days"}, "delay", "the longest is ten years."),
    ],
)
def test_a_mistake_is_told_where_it_was_made_and_nothing_is_started(
    oscar: Visitor, engine: Engine, options: dict[str, str], name: str, said: str
) -> None:
    answer = sent(oscar, **options)
    page = Page(answer)
    assert answer.status_code == 422
    field = page.one(id=f"field-option.{name}")
    assert field["aria-invalid"] == "true"
    assert said in page.one(id=f"field-option.{name}-errors").text
    assert field["value"] == options[name]
    assert "open" in page.hook("create-options")[0].attributes
    assert engine.jobs() == []


def test_an_address_fills_them_in(oscar: Visitor) -> None:
    asked = "option.priority=7&option.due=2040-07-01T09:00:00%2B02:00"
    page = opened(oscar, f"/jobs/new?handler=ticked&{asked}", headers=SCRIPT)
    assert page.one(id="field-option.priority")["value"] == "7"
    assert page.one(id="field-option.due")["value"] == "2040-07-01T07:00"
    assert "priority 7, at a time" in words(page.hook("create-options")[0])
    page = opened(oscar, "/jobs/new?handler=ticked&option.delay=3&option.unit=days", headers=SCRIPT)
    assert "in 3 days" in words(page.hook("create-options")[0])
    page = opened(oscar, "/jobs/new?handler=ticked&option.unit=years", headers=SCRIPT)
    assert "open" not in page.hook("create-options")[0].attributes


def test_to_run_a_job_again_keeps_them_and_links_the_two(oscar: Visitor, engine: Engine) -> None:
    first = engine.start(
        "ticked", priority=9, retries=1, timeout=60, parallel_limit=None, due="2040-01-01T00:00Z"
    )
    form = {name: said for name, said in form_of(oscar, first).items() if name != "csrf_token"}
    job = created(engine, oscar.post("/jobs", form, headers=SCRIPT))
    assert (job.rescheduled_from_job, job.priority, job.retries) == (first, 9, 1)
    assert (job.timeout, job.parallel_limit) == (60, None)
    assert job.due_at == datetime(2040, 1, 1, tzinfo=UTC)
    shown = opened(oscar, f"/jobs/{first}", headers=SCRIPT)
    assert f"repeated by #{job.id}" in words(shown.one(id=f"job-{first}-head"))
    assert f"Repeats#{first}" in words(
        opened(oscar, f"/jobs/{job.id}", headers=SCRIPT).one(id=f"job-{job.id}-facts")
    )


def test_it_is_no_repetition_of_what_one_may_not_see_or_of_another_kind(
    oscar: Visitor, engine: Engine
) -> None:
    for other in (engine.start("secretive"), engine.start("swift"), 999):
        assert created(engine, sent(oscar, again=str(other))).rescheduled_from_job is None
