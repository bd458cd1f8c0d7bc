"""Choose the control that asks for a type, and how the text in it is read."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from pydantic import (
    AwareDatetime,
    BaseModel,
    FutureDate,
    FutureDatetime,
    Json,
    NaiveDatetime,
    PastDate,
    PastDatetime,
)

from app.admin.annotations import DICTS, Kind, is_class, is_secret, kind_of, only_instances
from app.admin.choices import choices_of

#: The widget of a field that the server fills in by itself.
NOT_ASKED: Final = "none"
#: Widgets that have fields within.
NESTED: Final = ("group", "rows", "pairs")
#: Models within each other that get fields of their own; deeper ones are written as JSON.
DEPTH: Final = 4


@dataclass(frozen=True, kw_only=True)
class Place:
    """Surroundings of a field: the models around it, whether they strip texts, the zone."""

    trail: tuple[type, ...]
    zone: str
    strips: bool = False


_SIMPLE: Final[dict[Any, tuple[str, str]]] = {
    str: ("text", "text"),
    bool: ("checkbox", "text"),
    int: ("number", "int"),
    float: ("number", "float"),
    Decimal: ("text", "text"),
    datetime.date: ("date", "text"),
    PastDate: ("date", "text"),
    FutureDate: ("date", "text"),
    datetime.datetime: ("datetime", "text"),
    AwareDatetime: ("datetime", "text"),
    NaiveDatetime: ("datetime", "text"),
    PastDatetime: ("datetime", "text"),
    FutureDatetime: ("datetime", "text"),
    datetime.time: ("time", "text"),
    datetime.timedelta: ("text", "duration"),
    type(None): ("fixed", "text"),
    Any: ("text", "mixed"),
    object: ("text", "mixed"),
}
JSON: Final = ("json", "json")
HELP: Final = {
    "lines": "One on each line; empty lines are left out.",
    "duration": "Such as 1:30:00, P1DT12H, or a number of seconds.",
    "mixed": 'A number, true, false, null or JSON is taken as such; write "12" for a text.',
    "fixed": "This cannot be written in a form.",
}


def widget_of(kind: Kind, place: Place) -> tuple[str, str]:
    """The control, and how its text is read."""
    if is_json_text(kind):
        return "textarea", "text"
    members = kind.members
    own = next((each.type for each in members if hasattr(each.type, "form_widget")), None)
    if own is not None:
        return str(own.form_widget), "text"
    if any(is_secret(each.type) for each in members):
        return "password", "text"
    if choices_of(kind):
        return "select", "text"
    return _of_union(members, place) if len(members) > 1 else _of_one(kind, place)


def is_json_text(kind: Kind) -> bool:
    return any(Json in (each, type(each)) for each in kind.metadata)


def _of_union(members: list[Kind], place: Place) -> tuple[str, str]:
    inner = [_of_one(each, place) for each in members]
    if all(reads == "text" and widget in _TEXTUAL for widget, reads in inner):
        return "text", "text"
    is_nested = any(widget in (*NESTED, "json", "lines", "multiselect") for widget, _ in inner)
    return ("textarea" if is_nested else "text"), "mixed"


_TEXTUAL: Final = ("text", "textarea", "date", "datetime", "time")


def _of_one(kind: Kind, place: Place) -> tuple[str, str]:
    if kind.type in _SIMPLE:
        return _SIMPLE[kind.type]
    if kind.item is not None:
        return _of_list(kind.item, place)
    if is_class(kind.type, BaseModel):
        is_deep = len(place.trail) >= DEPTH or place.trail.count(kind.type) > 1
        return JSON if is_deep else ("group", "text")
    if kind.origin in DICTS and len(kind.arguments) == 2:
        return _of_dict(kind, place)
    return JSON if _is_structure(kind) else _of_other(kind)


def _of_other(kind: Kind) -> tuple[str, str]:
    if only_instances(kind.type):
        return "fixed", "text"
    is_number = is_class(kind.type, (enum.Flag, int, float))
    return "text", "mixed" if is_number else "text"


def _is_structure(kind: Kind) -> bool:
    is_named = is_class(kind.type, object) and hasattr(kind.type, "__annotations__")
    is_record = is_named and (
        hasattr(kind.type, "__dataclass_fields__") or is_class(kind.type, (dict, tuple))
    )
    containers = (*DICTS, list, set, tuple, frozenset)
    return is_record or kind.origin in containers or is_class(kind.type, containers)


def _of_list(item: Kind, place: Place) -> tuple[str, str]:
    if choices_of(item) and not item.nullable:
        return "multiselect", "text"
    widget, reads = widget_of(item, place)
    if widget in ("text", "number") and not item.nullable:
        return "lines", reads
    return ("rows", "text") if widget in _ROWS else JSON


_ROWS: Final = (
    "group", "password", "file", "date", "datetime", "time", "checkbox", "select", "textarea",
)  # fmt: skip


def _of_dict(kind: Kind, place: Place) -> tuple[str, str]:
    key, value = (kind_of(each) for each in kind.arguments)
    widget, _ = widget_of(value, place)
    is_text = key.type in (str, int, float) or is_class(key.type, str)
    return ("pairs", "text") if is_text and widget in ("group", "password", "file") else JSON
