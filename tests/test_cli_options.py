"""`jobdeck jobs start` with options, and what is changed while a job waits (B1, B2, B4, B5)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.cli.start_options import read
from app.db import Database
from tests.command import Run

START = ("jobs", "start", "example_job_handler", "--json")


def started(jobdeck: Run, *options: str) -> dict[str, Any]:
    """A job that was started so."""
    ended = jobdeck(*START, *options)
    assert ended.code == 0, ended.err
    told: dict[str, Any] = json.loads(ended.out)
    return told


def test_a_job_is_started_with_options(jobdeck: Run, database: Database) -> None:
    job = started(
        jobdeck, "--priority", "-7", "--due", "2040-01-02T03:04Z", "--retries", "2",
        "--timeout", "15m", "--parallel-limit", "none",
    )  # fmt: skip
    assert (job["priority"], job["due_at"]) == (-7, "2040-01-02T03:04:00.000000Z")
    assert (job["retries"], job["timeout"], job["parallel_limit"]) == (2, 900, None)


def test_show_tells_them_and_of_others_nothing(jobdeck: Run, database: Database) -> None:
    job = started(jobdeck, "--due", "2040-01-02T03:04Z", "--retries", "2")
    shown = jobdeck("jobs", "show", str(job["id"])).out
    assert "priority: 100\ndue: 2040-01-02T03:04:00.000000Z\nretries: 2\n" in shown
    assert "timeout" not in shown


def test_a_delay_has_a_unit(jobdeck: Run, database: Database) -> None:
    job = started(jobdeck, "--delay", "2h")
    due = datetime.fromisoformat(job["due_at"])
    assert abs(due - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90", 90), ("1.5", 1.5), ("15m", 900), ("0.5 h", 1800), ("2d", 172_800), ("-7", -7),
        ("none", None), ("soon", "soon"), ("1" * 40, "1" * 40), ("2026-11-30T09:00Z",) * 2,
    ],
)  # fmt: skip
def test_numbers_may_have_units_and_the_rest_is_left_as_it_is(text: str, value: object) -> None:
    assert read(text) == value


def test_what_cannot_be_meant_is_refused_in_sentences(jobdeck: Run, database: Database) -> None:
    ended = jobdeck(*START, "--priority", "high", "--delay", "soon", "--retries", "-1")
    assert ended.code == 1
    for said in ("priority: Write a whole number", "delay: Write a number", "retries: Write a"):
        assert said in ended.err


def test_the_priority_of_a_job_that_waits_is_changed(jobdeck: Run, database: Database) -> None:
    job_id = str(started(jobdeck)["id"])
    ended = jobdeck("jobs", "priority", job_id, "5")
    assert (ended.code, ended.out) == (0, f"Job {job_id} has priority 5 now.\n")
    assert json.loads(jobdeck("jobs", "priority", job_id, "6", "--json").out)["priority"] == 6


def test_a_job_is_told_to_start_before_its_time(jobdeck: Run, database: Database) -> None:
    job_id = str(started(jobdeck, "--delay", "1d")["id"])
    assert jobdeck("jobs", "start-now", job_id).out == f"Job {job_id} may start now.\n"
    refused = jobdeck("jobs", "start-now", job_id)
    assert (refused.code, "waits no more" in refused.err) == (1, True)
    job_id = str(started(jobdeck, "--delay", "1d")["id"])
    assert json.loads(jobdeck("jobs", "start-now", job_id, "--json").out)["due_at"] is None
