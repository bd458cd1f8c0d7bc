"""How a form asks for the options of a start, and what a person has written (B1, B2, B4, B5).

Their fields bear names with a dot, which no param of a handler can have.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from app.admin.form import Field
from app.jobs import Handler, JobDetail
from app.jobs.options import StartOptions
from app.timezones import NoSuchLocalTime, is_zone, local_text, moment_of, zone_of
from app.web.timezones import current_zone

PREFIX: Final = "option."
#: When to start: what a form calls it, and a person.
WHEN: Final = (("now", "As soon as possible"), ("at", "At a time"), ("in", "After a delay"))
#: What a delay is counted in, in seconds.
UNITS: Final = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}
#: What these are refused with where a form asks for them.
SAID: Final = {
    "due": "Choose a date and a time.",
    "delay": "Write a number from 0 up; the longest is ten years.",
}
_WHOLE: Final = re.compile(r"-?\d{1,12}", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d{1,12}(\.\d{1,6})?", re.ASCII)

Answers = Mapping[str, Sequence[str]]


@dataclass(kw_only=True)
class Options:
    """The options as a form shows them.

    The time is a local one of `zone`. `exact` is the moment that it shows, as ISO 8601: as long as
    nobody changes the time it is meant to the microsecond.
    """

    fields: dict[str, Field]
    when: str
    unit: str
    zone: str
    exact: str = ""

    choices: Sequence[tuple[str, str]] = WHEN
    units: Collection[str] = tuple(UNITS)

    @property
    def said(self) -> str:
        """What of them is not as the handler has it, in short."""
        given = [
            f"{field.label.lower()} {field.value}"
            for name, field in self.fields.items()
            if field.value and name not in ("due", "delay")
        ]
        if self.when == "at":
            given.append("at a time")
        if self.when == "in" and self.fields["delay"].value:
            given.append(f"in {self.fields['delay'].value} {self.unit}")
        return ", ".join(given)

    @property
    def is_open(self) -> bool:
        """Whether there is something to see."""
        return bool(self.said) or any(field.errors for field in self.fields.values())

    def refuse(self, wrong: Mapping[str, Sequence[str]]) -> None:
        """Show what is wrong with them."""
        for name, said in wrong.items():
            self.fields[name].errors = [SAID[name]] if name in SAID else list(said)
            if name == "due":
                self.fields[name].errors = [_complaint(self.fields[name].value, self.zone)]


def shown(handler: Handler, answers: Answers) -> Options:
    """The options of a handler's form, as they were answered."""
    given = {name: _first(answers, name) for name in ("when", "unit", *_ASKED)}
    due, zone, exact = _local(answers)
    when = given["when"] or ("at" if due else "in" if given["delay"] else "now")
    fields = {name: _field(name, given[name]) for name in _ASKED}
    fields["due"].value = due
    for name in ("priority", "retries", "timeout", "parallel_limit"):
        fields[name].attrs["placeholder"] = _declared(handler, name)
    unit = given["unit"] if given["unit"] in UNITS else "seconds"
    return Options(fields=fields, when=when, unit=unit, zone=zone, exact=exact)


def given(answers: Answers, repeats: int | None) -> StartOptions:
    """What was answered, as a start takes it. What is no number or time stays a text: refused."""
    found: dict[str, Any] = {"rescheduled_from": repeats}
    for name in ("priority", "retries", "timeout", "parallel_limit"):
        if text := _first(answers, name):
            found[name] = number(text)
    when = _first(answers, "when")
    if when == "at":
        found["due"] = _due(answers)
    if when == "in":
        delay = number(_first(answers, "delay"))
        unit = UNITS.get(_first(answers, "unit"), 1)
        found["delay"] = delay * unit if isinstance(delay, int | float) else "none"
    return cast(StartOptions, found)


def of_job(handler: Handler, job: JobDetail) -> dict[str, list[str]]:
    """What to answer to start a job like this one."""
    found: dict[str, object] = {
        name: value
        for name, value, declared in (
            ("priority", job.priority, handler.priority),
            ("retries", job.retries, None),
            ("timeout", job.timeout, None),
        )
        if value is not None and value != declared
    }
    if job.has_own_limit:
        found["parallel_limit"] = job.parallel_limit or "none"
    if job.is_waiting and job.due_at:
        found["due"] = job.due_at.isoformat()
    return {f"{PREFIX}{name}": [f"{value}".removesuffix(".0")] for name, value in found.items()}


_ASKED: Final = ("priority", "parallel_limit", "retries", "timeout", "due", "delay")
_AT_ONCE: Final = "Tasks at once; none is no limit."
_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "priority": {"label": "Priority", "widget": "number", "help": "Lower comes first."},
    "parallel_limit": {"label": "Parallel limit", "widget": "text", "help": _AT_ONCE},
    "retries": {"label": "Retries", "widget": "number", "help": "Of each task that fails."},
    "timeout": {"label": "Timeout", "widget": "number", "help": "Seconds that a try may take."},
    "due": {"label": "Time", "widget": "datetime"},
    "delay": {"label": "Delay", "widget": "number"},
}
_LEAST: Final = {"retries": "0", "timeout": "0", "delay": "0"}


def _field(name: str, value: str) -> Field:
    attrs = {"min": _LEAST[name]} if name in _LEAST else {}
    return Field(name=f"{PREFIX}{name}", value=value, attrs=attrs, **_FIELDS[name])


def _declared(handler: Handler, name: str) -> str:
    declared = getattr(handler, name)
    return "none" if declared is None else f"{declared:g}"


def _local(answers: Answers) -> tuple[str, str, str]:
    """A time as the control shows it, the zone that it is one of, and the moment it has shown.

    A time that tells its own zone is shown in that of the person.
    """
    due, exact = _first(answers, "due"), _first(answers, "exact")
    zone = _first(answers, "zone") or current_zone().key
    moment = _moment(due)
    if moment is None:
        return due, zone, exact
    here = current_zone()
    return local_text(moment, here), here.key, moment.isoformat()


def _due(answers: Answers) -> str:
    """The moment that was answered, as ISO 8601; what is none stays as it is: refused."""
    local, zone, exact = _local(answers)
    if not is_zone(zone):
        return f"{local} in {zone}"
    try:
        return moment_of(local, zone_of(zone), _moment(exact)).isoformat()
    except NoSuchLocalTime:
        return f"{local} in {zone}"


def _complaint(due: Any, zone: str) -> str:
    try:
        moment_of(str(due), zone_of(zone))
    except NoSuchLocalTime as error:
        return str(error)
    return SAID["due"]


def _moment(text: str) -> datetime | None:
    """The moment that a text with a zone of its own tells."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def number(text: str) -> Any:
    """A number, or None for none; what is something else stays the text that it is."""
    if text.lower() == "none":
        return None
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _first(answers: Answers, name: str) -> str:
    return next(iter(answers.get(PREFIX + name, ())), "").strip()
