"""The handlers as values: for the page where they are paused and limited, and for banners (B11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from app.db import now
from app.jobs import DECLARED, EVERYTHING, Engine, HandlerRow, LoadFailure, Pause, WorkerRow
from app.users.permissions import HasRole, may, refusal
from app.web.filters import label
from app.web.pages import hidden_handlers, pauses

Length = tuple[str, timedelta | None]
#: How long a pause may be, as a form offers it; without a time it lasts until somebody ends it.
LENGTHS: Final[Mapping[str, Length]] = {
    "resumed": ("Until somebody resumes it", None),
    "hour": ("1 hour", timedelta(hours=1)),
    "shift": ("8 hours", timedelta(hours=8)),
    "day": ("24 hours", timedelta(days=1)),
}


@dataclass(frozen=True, kw_only=True)
class HandlerLine:
    """A handler on the page. Its code `is_here`, in this process, or `is_broken` and cannot be."""

    row: HandlerRow
    title: str
    icon: str
    is_here: bool
    is_broken: bool


@dataclass(frozen=True, kw_only=True)
class BrokenLine:
    """What cannot be loaded in this process; `failure` is for those who may mend it."""

    titles: Sequence[str]
    failure: LoadFailure | None


@dataclass(frozen=True, kw_only=True)
class HandlersPage:
    """What the page of the handlers shows; `reason`: why this person may change nothing there."""

    lines: Sequence[HandlerLine]
    workers: Sequence[WorkerRow]
    pauses: Sequence[Pause]
    broken: Sequence[BrokenLine]
    reason: str | None

    @property
    def is_all_paused(self) -> bool:
        """Whether everything is paused."""
        return any(each.handler == EVERYTHING for each in self.pauses)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A dialog that asks how a handler, or everything, is to be paused or limited."""

    template: str
    name: str
    title: str
    given: Mapping[str, str]
    errors: Mapping[str, Sequence[str]]
    declared: Mapping[str, int | None] = field(default_factory=dict)
    lengths: Mapping[str, Length] = field(default_factory=dict)


def handlers_page(engine: Engine, person: HasRole) -> HandlersPage:
    """The handlers whose jobs this person may see, the workers, and what is paused."""
    hidden = hidden_handlers(engine, person)
    rows = [row for row in engine.handlers() if row.name not in hidden]
    return HandlersPage(
        lines=[_line(engine, row) for row in rows],
        workers=engine.workers(),
        pauses=pauses(engine, person),
        broken=list(_broken(engine, person, {row.name for row in rows})),
        reason=refusal(person, "control"),
    )


def pause_question(
    engine: Engine,
    name: str,
    given: Mapping[str, str] | None = None,
    errors: Mapping[str, Sequence[str]] | None = None,
) -> Question:
    """The dialog that asks why, and for how long; raises UnknownHandler."""
    if name != EVERYTHING:
        engine.handler(name)
    return Question(
        template="handlers/_ask_pause.html",
        name=name,
        title=title_of(engine, name),
        given=given or {},
        errors=errors or {},
        lengths=LENGTHS,
    )


def limits_question(
    engine: Engine,
    name: str,
    given: Mapping[str, str] | None = None,
    errors: Mapping[str, Sequence[str]] | None = None,
) -> Question:
    """The dialog with the limits that are set; raises UnknownHandler."""
    row = engine.handler(name)
    limits = {"parallel_limit": row.parallel_limit, "concurrency_limit": row.concurrency_limit}
    stored = {name: str(limit.now or 0) for name, limit in limits.items() if limit.is_set}
    return Question(
        template="handlers/_ask_limits.html",
        name=name,
        title=title_of(engine, name),
        given=stored if given is None else given,
        errors=errors or {},
        declared={name: limit.declared for name, limit in limits.items()},
    )


def title_of(engine: Engine, name: str) -> str:
    """What people call a handler, also one whose code is not here."""
    if name == EVERYTHING:
        return "everything"
    return engine.registry[name].title if name in engine.registry else label(name)


def end_of(length: str) -> datetime | None:
    """When a pause of this length ends, if it begins now."""
    span = LENGTHS.get(length, LENGTHS["resumed"])[1]
    return None if span is None else now() + span


def limit_of(text: str) -> int | str | None:
    """A limit out of a form: nothing is the declared one, 0 is none. Nonsense stays as it is."""
    text = text.strip()
    if not text:
        return DECLARED
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
    return text if number is None else number or None


def _line(engine: Engine, row: HandlerRow) -> HandlerLine:
    is_here = row.name in engine.registry
    icon = engine.registry[row.name].icon if is_here else None
    return HandlerLine(
        row=row,
        title=title_of(engine, row.name),
        icon=icon or "bolt",
        is_here=is_here,
        is_broken=row.name in engine.registry.broken,
    )


def _broken(engine: Engine, person: HasRole, known: Set[str]) -> Iterator[BrokenLine]:
    """What is broken, as a person may know it: who may see it is told by rows that are older."""
    may_mend = may(person, "control")
    broken = engine.registry.broken
    for failure in engine.registry.failures:
        names = [each for each in failure.handlers if broken.get(each) is failure]
        seen = names if may_mend else [each for each in names if each in known]
        if may_mend or seen:
            titles = [title_of(engine, name) for name in seen]
            yield BrokenLine(titles=titles, failure=failure if may_mend else None)
