"""A form from a pydantic model: the model that checks the values also says how to ask (P5).

What is sent of it becomes JSON values, keyed by the names of the model's fields: None is None, and
what is not among them is as its default.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from app.admin.answers import Sent, object_of
from app.admin.display import show, show_defaults, show_object
from app.admin.fields import Field, fields_of, further, reads_more
from app.admin.moments import UTC
from app.admin.refill import add_row, fill
from app.admin.widgets import NOT_ASKED

FILL_IN = "Fill this in."


@dataclass(kw_only=True)
class Form:
    """All that is asked for, with what was answered and what is wrong with it."""

    fields: list[Field]
    errors: list[str] = field(default_factory=list)
    #: The field for what no other one shows, where a validator may read it.
    further: Field | None = None

    @property
    def is_ready(self) -> bool:
        """Whether all that must be filled in is."""
        return not any(each.required and each.value in (None, "") for each in _asked(self.fields))

    @property
    def complaints(self) -> list[str]:
        """What is wrong, each sentence with the label of its field before it."""
        return [*_complaints(self.fields), *self.errors]

    def leaves(self) -> Iterator[Field]:
        """Every field, those within others, too."""
        yield from _within(self.fields)

    def fill(self, submitted: Sent, *, whole: bool = True) -> None:
        """Show what a person has written, as it is.

        A browser leaves out of a form what is not ticked or chosen; an address, which is not the
        `whole` form, leaves out what shall stay as it is.
        """
        if self.further is not None and self.further.name in submitted:
            self.fields, self.further = [*self.fields, self.further], None
        for each in self.fields:
            fill(each, submitted, whole=whole)

    def show(self, values: Mapping[str, Any]) -> None:
        """Show JSON values, by the model's names or aliases; the rest is as its default."""
        rest = show_object(self.fields, values, given=True)
        if self.further is not None and rest:
            show(self.further, rest)
            self.fields, self.further = [*self.fields, self.further], None

    def change_rows(self, submitted: Sent) -> bool:
        """Add or remove the row whose button was pressed; return whether one was."""
        pressed = {name: (submitted.get(f"form.{name}") or [""])[-1] for name in ("add", "remove")}
        for each in list(self.leaves()):
            if each.name == pressed["add"] and each.make_row:
                add_row(each)
                return True
            kept = [row for row in each.rows if row.name != pressed["remove"]]
            if len(kept) < len(each.rows):
                each.rows = kept
                return True
        return any(pressed.values())

    def refuse(self, fields: Mapping[str, Sequence[str]]) -> None:
        """Show what is wrong, each sentence beside its field."""
        for name, sentences in fields.items():
            for sentence in sentences:
                found = _named(self.fields, name)
                if found is None:
                    self.errors.append(f"{name}: {sentence}" if name else sentence)
                else:
                    _place(found, sentence)


def form_for(
    model: type[BaseModel] | None, *, taken: Collection[str] = (), zone: str = UTC
) -> Form:
    """Return the empty form of a model, defaults filled in.

    `taken` are names of other controls in the same form. `zone` is that of the person, by its name:
    moments that have a zone are shown in it.
    """
    if model is None:
        return Form(fields=[])
    fields = fields_of(model, taken=taken, zone=zone)
    show_defaults(fields)
    return Form(fields=fields, further=further() if reads_more(model) else None)


def values_of(
    model: type[BaseModel] | None, submitted: Sent, *, taken: Collection[str] = ()
) -> dict[str, Any]:
    """Return what the model shall check; raise Refused for what no model could be given."""
    if model is None:
        return {}
    fields = fields_of(model, taken=taken)
    return object_of([*fields, further()] if reads_more(model) else fields, submitted)


def _within(fields: Sequence[Field]) -> Iterator[Field]:
    for each in fields:
        yield each
        yield from _within(each.fields)
        yield from _within(each.rows)


def _asked(fields: Sequence[Field]) -> Iterator[Field]:
    """Those that a person sees, without what lies in a model that is not given."""
    for each in fields:
        yield each
        yield from _asked((*(() if each.unset else each.fields), *each.rows))


def _complaints(fields: Sequence[Field], before: str = "") -> Iterator[str]:
    for each in fields:
        label = f"{before}{each.label}"
        yield from (f"{label}: {error}" for error in each.errors)
        yield from _complaints(each.fields, f"{label}, ")
        for index, row in enumerate(each.rows, 1):
            yield from _complaints([replace(row, label=f"{row.label} {index}")], before)


def _named(fields: Sequence[Field], name: str) -> Field | None:
    """The field that a model's error, or one of a control, is about."""
    for each in fields:
        if name in (each.key, each.name) or name in each.aliases:
            return each
    return None


def _place(asked: Field, sentence: str) -> None:
    """Put a sentence such as "0.host: Too short." beside the innermost field that it names."""
    path, separator, rest = sentence.partition(": ")
    if separator and re.fullmatch(r"\S+", path) and (asked.fields or asked.rows):
        unknown: list[str] = []
        for part in path.split("."):
            inner = _child(asked, part)
            asked, unknown = (inner, []) if inner else (asked, [*unknown, part])
        sentence = ": ".join([*[".".join(unknown)][: len(unknown)], rest])
    asked.errors.append(_for_people(sentence))


def _child(asked: Field, part: str) -> Field | None:
    if asked.rows:
        by_entry = {each.entry or str(index): each for index, each in enumerate(asked.rows)}
        return by_entry.get(part)
    return _named(asked.fields, part)


def _for_people(sentence: str) -> str:
    return FILL_IN if sentence == "Field required." else sentence


__all__ = ["NOT_ASKED", "Field", "Form", "form_for", "values_of"]
