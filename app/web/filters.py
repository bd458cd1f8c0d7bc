"""What templates can say in one word: times, durations, sizes, statuses, icons, links.

Pure functions, so that a template holds no arithmetic and a test needs no page.
"""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Flask, url_for
from markupsafe import Markup

from app.admin.query import COUNT_CAP
from app.admin.refill import blank_row
from app.timezones import abbreviation, abbreviations
from app.web.pending import named_jobs, pending_words
from app.web.timezones import current_zone

NOTHING = "–"  # noqa: RUF001 - an en dash reads as "no value" in a table cell

LABELS = {
    "QUEUED": "Queued",
    "IN_PROGRESS": "Running",
    "DONE": "Done",
    "DONE_WITH_ERRORS": "Done with errors",
    "CANCELLED": "Cancelled",
    "SCHEDULED": "Scheduled",
    "FAILED": "Failed",
    "SKIPPED": "Skipped",
    "CRASHED": "Crashed",
    "TIMED_OUT": "Timed out",
}
TONES = {
    "IN_PROGRESS": "running",
    "DONE": "done",
    "DONE_WITH_ERRORS": "failed",
    "FAILED": "failed",
    "CRASHED": "failed",
    "TIMED_OUT": "failed",
    "CANCELLED": "cancelled",
}
STATUS_ICONS = {
    "IN_PROGRESS": "loader-2",
    "DONE": "check",
    "DONE_WITH_ERRORS": "alert-triangle",
    "FAILED": "alert-circle",
    "CRASHED": "bolt",
    "TIMED_OUT": "hourglass",
    "CANCELLED": "ban",
    "SKIPPED": "arrow-right",
}
SIZES = ("kB", "MB", "GB", "TB", "PB")


class Counted(Protocol):
    """A job as far as its bar and its clock are concerned."""

    @property
    def total(self) -> int: ...
    @property
    def in_progress(self) -> int: ...
    @property
    def done(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def progress(self) -> int: ...
    @property
    def processed(self) -> int: ...
    @property
    def final(self) -> int: ...
    @property
    def is_final(self) -> bool: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def finished_at(self) -> datetime | None: ...


def register(app: Flask) -> None:
    """Give every template of the application these filters and globals."""
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals.update(GLOBALS)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


# Times ------------------------------------------------------------------------------------------


def ago(moment: datetime | None, now: datetime | None = None) -> Markup | str:
    """`3 min ago` as a <time> whose title is exact; the page keeps it true while it stays open."""
    if moment is None:
        return NOTHING
    words = since(moment, now or datetime.now(UTC), current_zone())
    return _time(moment, words, "data-ago")


def since(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    """The words of `ago`: days are those of the zone. static/js/times.js says the same."""
    seconds = int((now - moment).total_seconds())
    for limit, unit, name in ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h")):
        if seconds < 5:
            return "just now"
        if seconds < limit:
            return f"{seconds // unit} {name} ago"
    local = moment.astimezone(zone)
    days = (now.astimezone(zone).date() - local.date()).days
    if days < 7:
        return "yesterday" if days <= 1 else f"{days} days ago"
    return f"{local.day} {local:%b %Y}"


def due(moment: datetime | None, now: datetime | None = None) -> Markup | str:
    """`in 3 h` as a <time> whose title is exact; the page keeps it true while it stays open."""
    if moment is None:
        return NOTHING
    return _time(moment, ahead(moment, now or datetime.now(UTC), current_zone()), "data-due")


def ahead(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    """The words of `due`. static/js/times.js says the same; keep the two alike."""
    seconds = math.ceil((moment - now).total_seconds())
    if seconds <= 0:
        return "now" if seconds > -60 else since(moment, now, zone)
    for limit, unit, name in ((60, 1, "s"), (3_570, 60, "min"), (171_000, 3_600, "h")):
        if seconds < limit:
            return f"in {int(seconds / unit + 0.5)} {name}"
    return f"in {int(seconds / 86_400 + 0.5)} days"


def until(moment: datetime, now: datetime | None = None) -> Markup:
    """`in 12 s` as a <time>, and `now` when that is over; the page counts down."""
    left = moment - (now or datetime.now(UTC))
    words = f"in {duration(math.ceil(left.total_seconds()))}" if left > timedelta() else "now"
    return _time(moment, words, "data-until")


def clock(moment: datetime | None) -> Markup | str:
    """Hour, minute and second, for lines of a log."""
    if moment is None:
        return NOTHING
    return _time(moment, f"{moment.astimezone(current_zone()):%H:%M:%S}", "data-clock")


def exactly(moment: datetime | None) -> Markup | str:
    """`14 Jun 2026, 11:12 CEST`."""
    if moment is None:
        return NOTHING
    zone = current_zone()
    exact = moment.astimezone(zone)
    words = f"{exact.day} {exact:%b %Y, %H:%M} {abbreviation(moment, zone)}"
    return _time(moment, words, "data-exactly")


def after(moment: datetime, seconds: float, now: datetime | None = None) -> Markup:
    """Attributes of an element that is hidden until so long after a moment."""
    begin = moment.astimezone(UTC) + timedelta(seconds=seconds)
    hidden = " hidden" if begin > (now or datetime.now(UTC)) else ""
    return Markup('data-after="{}"{}').format(f"{begin:%Y-%m-%dT%H:%M:%S.%fZ}", hidden)


def elapsed(
    start: datetime | None, end: datetime | None = None, now: datetime | None = None
) -> Markup | str:
    """How long it took, or takes so far: then the page lets it tick."""
    if start is None:
        return NOTHING
    if end is not None:
        return duration(end - start)
    words = duration((now or datetime.now(UTC)) - start)
    return _time(start, words, "data-since")


def duration(span: timedelta | float | None) -> str:
    """`230 ms`, `4.2 s`, `3 min 12 s`, `2 h 05 min`, `3 d 4 h`. Takes seconds, too."""
    if span is None:
        return NOTHING
    seconds = max(span.total_seconds() if isinstance(span, timedelta) else float(span), 0.0)
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 10:
        return f"{int(seconds * 10) / 10:g} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def _time(moment: datetime, words: str, kind: str) -> Markup:
    zone = current_zone()
    title = f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S} {abbreviation(moment, zone)}"
    return Markup('<time datetime="{}" title="{}" {}>{}</time>').format(
        f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", title, Markup(kind), words
    )


def zone_names() -> str:
    """The abbreviations of the reader's zone as JSON, for the page's script."""
    return json.dumps(abbreviations(current_zone(), datetime.now(UTC)), separators=(",", ":"))


# Numbers ----------------------------------------------------------------------------------------


def number(value: float | None) -> str:
    """Thousands separated: 1,204."""
    return NOTHING if value is None else f"{value:,}"


def size(count: float | None) -> str:
    """Bytes as people read them, in powers of 1000: 1.2 MB."""
    if count is None:
        return NOTHING
    amount = float(count)
    if amount < 1000:
        return f"{int(amount)} B"
    exponent = 0
    while amount >= 999.5 and exponent < len(SIZES):
        amount, exponent = amount / 1000, exponent + 1
    return f"{amount:.{0 if amount >= 100 else 1}f} {SIZES[exponent - 1]}"


def rate(job: Counted, now: datetime | None = None) -> str:
    """Finished tasks a second (or a minute, when slow) over the whole run; '' when unknown."""
    seconds = _seconds(job, now)
    if seconds < 1 or not job.final:
        return ""
    per_second = job.final / seconds
    if per_second >= 10:
        return f"{per_second:,.0f} tasks/s"
    if per_second >= 1:
        return f"{per_second:.1f} tasks/s"
    return f"{per_second * 60:.1f} tasks/min"


def time_left(job: Counted, now: datetime | None = None) -> str:
    """A guess by the average so far; '' when there is nothing to go by."""
    seconds = _seconds(job, now)
    if job.is_final or seconds < 3 or not job.final or job.final >= job.total:
        return ""
    left = seconds / job.final * (job.total - job.final)
    if left < 57:
        return f"{max(round(left / 5) * 5, 5)} s"
    minutes = max(round(left / 60), 1)
    return f"{minutes} min" if minutes < 60 else duration(minutes * 60)


def _seconds(job: Counted, now: datetime | None) -> float:
    if job.started_at is None:
        return 0.0
    end = job.finished_at or now or datetime.now(UTC)
    return (end - job.started_at).total_seconds()


def shares(job: Counted) -> list[tuple[str, float, float]]:
    """The parts of the bar as (tone, left, width) in percent.

    What is scheduled stays empty, and so does what a cancel of the job has ended.
    """
    if not job.total:
        return [("done", 0.0, 100.0)] if job.is_final and job.progress else []
    return list(_shares(job))


def _shares(job: Counted) -> Iterator[tuple[str, float, float]]:
    left = 0.0
    counts = (
        ("done", job.done),
        ("failed", job.failed),
        ("cancelled", job.processed - job.done - job.failed),
        ("running", job.in_progress),
    )
    for tone_name, count in counts:
        width = round(100 * count / job.total, 3)
        yield tone_name, round(left, 3), width
        left += width


# Words ------------------------------------------------------------------------------------------


def label(status: str) -> str:
    """A status, role or name of the code as a person reads it."""
    return LABELS.get(status) or status.replace("_", " ").strip().capitalize()


def tone(status: str) -> str:
    """The colour family of a status: running, done, failed, cancelled or idle."""
    return TONES.get(status, "idle")


def status_icon(status: str) -> str:
    """The symbol of a status, so that colour is never the only sign."""
    return STATUS_ICONS.get(status, "clock")


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 task`, `1,204 tasks`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def how_many(counts: Mapping[str, tuple[int, bool]], status: str | None = None) -> str:
    """`3 jobs`, or `1,000+ jobs` when some were too many to count; of a status, or of all."""
    of_interest = [count for key, count in counts.items() if status in (None, key)]
    total = sum(count for count, _ in of_interest)
    more = "+" if any(capped for _, capped in of_interest) else ""
    return f"{total:,}{more} {'job' if total == 1 else 'jobs'}"


def counted(count: int, one: str, many: str) -> str:
    """`3 users`, or `1,000+ users` when there are too many to count."""
    capped = f"{COUNT_CAP:,}+" if count > COUNT_CAP else f"{count:,}"
    return f"{capped} {one if count == 1 else many}"


def pretty(value: object) -> str:
    """JSON for reading."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def brief(value: object, length: int = 140) -> str:
    """A state in one line: `path: a.txt · bytes: 12`."""
    if isinstance(value, Mapping):
        text = " · ".join(f"{key}: {_inline(item)}" for key, item in value.items())
    else:
        text = "" if value is None else _inline(value)
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _inline(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


# Links ------------------------------------------------------------------------------------------


def icon(name: str) -> Markup:
    """A symbol of static/icons.svg, hidden from screen readers: the text beside it speaks."""
    source = url_for("static", filename="icons.svg")
    return Markup('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>').format(
        source, name
    )


def query(**values: object) -> str:
    """A query string of the values that are set: status=DONE&q=mail."""
    return urlencode({key: value for key, value in values.items() if value not in (None, "")})


def href(path: str, search: str | None) -> str:
    """A path with its query string, if there is one."""
    return f"{path}?{search}" if search else path


FILTERS: dict[str, Any] = {
    "after": after,
    "ago": ago,
    "brief": brief,
    "clock": clock,
    "due": due,
    "duration": duration,
    "exactly": exactly,
    "label": label,
    "named_jobs": named_jobs,
    "number": number,
    "pending_words": pending_words,
    "pretty": pretty,
    "size": size,
    "status_icon": status_icon,
    "tone": tone,
    "until": until,
}
GLOBALS: dict[str, Any] = {
    "blank_row": blank_row,
    "current_zone": current_zone,
    "zone_names": zone_names,
    "counted": counted,
    "elapsed": elapsed,
    "how_many": how_many,
    "href": href,
    "icon": icon,
    "plural": plural,
    "query": query,
    "rate": rate,
    "shares": shares,
    "time_left": time_left,
}
