"""Offer the values of enums and literals: the texts that stand for them in a control."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.admin.annotations import Kind, is_class
from app.admin.defaults import ABSENT, as_json, dumps

YES_NO: Final = (("true", "Yes"), ("false", "No"))


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A value that is offered: what the control sends, what a person reads, and its JSON."""

    key: str
    label: str
    value: Any


def choices_of(kind: Kind) -> list[Choice]:
    """Return what is offered; nothing when the kind is not one of a few values."""
    offered = [each for member in kind.members for each in _offered(member)]
    if not offered or not all(_is_choice(member, len(kind.members)) for member in kind.members):
        return []
    labels = Counter(label for label, _ in offered)
    taken = {_key(value) for _, value in offered if not isinstance(value, str)}
    found: dict[str, Choice] = {}
    for label, value in offered:
        is_taken = isinstance(value, str) and (not value or value in taken)
        key = dumps(value) if is_taken else _key(value)
        shown = label if labels[label] == 1 else dumps(value)
        found.setdefault(key, Choice(key=key, label=shown, value=value))
    return list(found.values())


def _key(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value)


def _is_choice(kind: Kind, beside: int) -> bool:
    if kind.type is bool:
        return beside > 1
    # A flag's members can be combined, and nothing tells how many of them make sense together.
    is_enum = is_class(kind.type, enum.Enum) and not is_class(kind.type, enum.Flag)
    return is_enum or kind.origin is Literal


def _offered(kind: Kind) -> Iterator[tuple[str, Any]]:
    if kind.type is bool:
        yield from (("Yes", True), ("No", False))
    elif kind.origin is Literal:
        for each in kind.arguments:
            label = _name(each) if isinstance(each, enum.Enum) else str(each)
            yield label, as_json(each)
    elif _is_choice(kind, 1):
        for each in kind.type:
            value = as_json(each)
            if value is not ABSENT:
                yield _name(each), value


def _name(member: enum.Enum) -> str:
    return member.name.replace("_", " ").capitalize()
