"""The words that templates speak in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from flask import Flask
from markupsafe import Markup

from app.timezones import UTC_ZONE
from app.web import filters

NOW = datetime(2026, 11, 21, 22, 47, 24, tzinfo=UTC)


def before(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def job(**given: object) -> SimpleNamespace:
    counts = dict.fromkeys(("in_progress", "done", "failed", "final", "processed", "progress"), 0)
    times = {"started_at": None, "finished_at": None, "is_final": False, "total": 100}
    return SimpleNamespace(**{**counts, **times, **given})


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "just now"),
        (4, "just now"),
        (5, "5 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86_399, "23 h ago"),
        (86_400, "yesterday"),
        (3 * 86_400, "3 days ago"),
        (7 * 86_400, "14 Nov 2026"),
    ],
)
def test_a_moment_is_told_by_its_distance(seconds: float, words: str) -> None:
    assert filters.since(before(seconds), NOW, UTC_ZONE) == words


def test_a_relative_time_carries_the_exact_one() -> None:
    assert filters.ago(before(120), NOW) == (
        '<time datetime="2026-11-21T22:45:24.000000Z" title="2026-11-21 22:45:24 UTC" data-ago>'
        "2 min ago</time>"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "now"), (-5, "now"), (0.2, "in 1 s"), (12, "in 12 s"), (61, "in 1 min 01 s")],
)
def test_what_is_to_come_is_told_by_its_distance(seconds: float, words: str) -> None:
    assert f"data-until>{words}</time>" in filters.until(before(-seconds), now=NOW)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3600, "1 h ago"), (-5, "now"), (0.2, "in 1 s"), (90, "in 2 min"), (3_599, "in 1 h"),
        (10_799, "in 3 h"), (172_800, "in 2 days"),
    ],
)  # fmt: skip
def test_when_a_job_is_due_is_told_in_the_unit_that_fits(seconds: float, words: str) -> None:
    assert f"data-due>{words}</time>" in filters.due(before(-seconds), now=NOW)


def test_a_missing_time_is_a_dash() -> None:
    assert filters.ago(None) == filters.clock(None) == filters.elapsed(None) == "–"  # noqa: RUF001


def test_a_log_line_shows_its_time_of_day() -> None:
    assert "data-clock>22:47:24</time>" in filters.clock(NOW)


def test_a_span_that_still_runs_ticks_in_the_page() -> None:
    assert "data-since>2 min 00 s</time>" in filters.elapsed(before(120), now=NOW)


def test_a_span_that_has_ended_is_text() -> None:
    assert filters.elapsed(before(120), before(60)) == "1 min 00 s"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 ms"),
        (0.0372, "37 ms"),
        (1, "1 s"),
        (4.29, "4.2 s"),
        (59.9, "59 s"),
        (192, "3 min 12 s"),
        (7500, "2 h 05 min"),
        (273_600, "3 d 4 h"),
        (timedelta(seconds=12), "12 s"),
        (None, "–"),  # noqa: RUF001
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float | timedelta | None, words: str) -> None:
    assert filters.duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345, "12.3 kB"),
        (214_300_000, "214 MB"),
        (999_999, "1.0 MB"),
        (3e15, "3.0 PB"),
        (3e18, "3000 PB"),
        (None, "–"),  # noqa: RUF001
    ],
)
def test_a_size_has_three_digits(count: float | None, words: str) -> None:
    assert filters.size(count) == words


def test_thousands_are_separated() -> None:
    assert filters.number(1_204_000) == "1,204,000"
    assert filters.plural(1_204, "task") == "1,204 tasks"
    assert filters.plural(1, "crash", "crashes") == "1 crash"
    assert filters.plural(2, "crash", "crashes") == "2 crashes"


@pytest.mark.parametrize(
    ("final", "seconds", "words"),
    [
        (0, 10, ""),
        (5, 0.5, ""),
        (500, 10, "50 tasks/s"),
        (25, 10, "2.5 tasks/s"),
        (1, 30, "2.0 tasks/min"),
    ],
)
def test_a_rate_is_said_in_the_unit_that_fits(final: int, seconds: float, words: str) -> None:
    assert filters.rate(job(final=final, started_at=before(seconds)), NOW) == words


def test_a_job_that_has_not_begun_has_no_rate() -> None:
    assert filters.rate(job(final=3), NOW) == ""


@pytest.mark.parametrize(
    ("final", "seconds", "words"),
    [
        (0, 60, ""),
        (100, 60, ""),
        (50, 2, ""),
        (50, 20, "20 s"),
        (99, 60, "5 s"),
        (50, 600, "10 min"),
        (50, 7500, "2 h 05 min"),
    ],
)
def test_the_time_left_is_a_round_guess(final: int, seconds: float, words: str) -> None:
    assert filters.time_left(job(final=final, started_at=before(seconds)), NOW) == words


def test_the_bar_has_a_part_for_each_kind_of_end() -> None:
    mixed = job(total=8, done=4, failed=1, processed=7, in_progress=1)
    assert filters.shares(mixed) == [
        ("done", 0.0, 50.0),
        ("failed", 50.0, 12.5),
        ("cancelled", 62.5, 25.0),
        ("running", 87.5, 12.5),
    ]


def test_a_job_without_tasks_has_a_bar_that_is_empty_until_it_ends() -> None:
    assert filters.shares(job(total=0)) == []
    ended = job(total=0, is_final=True, progress=100)
    assert filters.shares(ended) == [("done", 0.0, 100.0)]


def test_what_a_cancel_has_ended_leaves_the_bar_empty() -> None:
    assert filters.shares(job(total=0, is_final=True)) == []
    cancelled = job(total=4, done=1, processed=1, is_final=True)
    assert filters.shares(cancelled)[2:] == [("cancelled", 25.0, 0.0), ("running", 25.0, 0.0)]


def test_a_status_has_a_word_a_tone_and_an_icon() -> None:
    assert filters.label("DONE_WITH_ERRORS") == "Done with errors"
    assert filters.label("superadmin") == "Superadmin"
    assert filters.tone("FAILED") == "failed"
    assert filters.tone("QUEUED") == "idle"
    assert filters.status_icon("DONE") == "check"
    assert filters.status_icon("QUEUED") == "clock"


def test_a_state_fits_in_a_line() -> None:
    assert (
        filters.brief({"path": "a.txt", "bytes": 12, "ok": None})
        == "path: a.txt · bytes: 12 · ok: null"
    )
    assert filters.brief(None) == ""
    assert filters.brief([1, 2]) == "[1, 2]"
    assert filters.brief({"text": "x" * 200}, 20) == "text: xxxxxxxxxxxxx…"


def test_json_is_readable() -> None:
    assert filters.pretty({"ä": NOW}) == '{\n  "ä": "2026-11-21 22:47:24+00:00"\n}'


def test_a_list_says_how_many_jobs_it_has() -> None:
    counts = {"DONE": (1000, True), "QUEUED": (1, False)}
    assert filters.how_many(counts) == "1,001+ jobs"
    assert filters.how_many(counts, "QUEUED") == "1 job"
    assert filters.how_many(counts, "CANCELLED") == "0 jobs"


def test_an_address_leaves_out_what_is_not_set() -> None:
    assert filters.query(status=None, q="", task=0, handler="a b") == "task=0&handler=a+b"
    assert filters.href("/jobs", filters.query()) == "/jobs"
    assert filters.href("/jobs", "q=1") == "/jobs?q=1"


def test_an_application_gets_all_of_them() -> None:
    app = Flask("filters")
    filters.register(app)
    with app.test_request_context():
        drawn = app.jinja_env.from_string("{{ icon('x') }}{{ 'DONE'|label }}").render()
    assert drawn == Markup(
        '<svg class="icon" aria-hidden="true"><use href="/static/icons.svg#x"></use></svg>Done'
    )
