"""Translate the constraints of a model into HTML, only where they mean the same there."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from app.admin.annotations import Kind

#: What of a regular expression means the same to a browser, which asks for a match of the whole.
_SAME_PATTERN: Final = re.compile(
    r"\^(?:[A-Za-z0-9 _@:,;=]|\[(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9 _.,:@])+\]|\\[.+]"
    r"|(?<=[\w\].])[+*?]|(?<=[\w\].])\{\d+(?:,\d*)?\})+\$"
)
#: What changes a text before it is measured.
_CHANGES: Final = ("strip_whitespace", "to_upper", "to_lower")


def attributes_of(kind: Kind, widget: str, *, strips: bool = False) -> dict[str, Any]:
    """Return the attributes of a control; `strips`: the model strips all of its texts."""
    if widget == "number":
        return _number(kind, int if kind.type is int else float)
    if widget in _TEMPORAL:
        return _temporal(kind, widget)
    if widget in ("text", "textarea", "password") and kind.type is str and not strips:
        return _text(kind)
    return {}


def constraint(kind: Kind, name: str) -> Any:
    """Return what the annotation says of this, or None."""
    said = (getattr(each, name, None) for each in kind.metadata)
    return next((each for each in said if each is not None), None)


def _text(kind: Kind) -> dict[str, Any]:
    changes = any(constraint(kind, name) for name in _CHANGES)
    if changes or any(_is_before(each) for each in kind.metadata):
        return {}
    found = {
        "minlength": constraint(kind, "min_length"),
        "maxlength": constraint(kind, "max_length"),
    }
    pattern = constraint(kind, "pattern")
    text = getattr(pattern, "pattern", pattern)
    if isinstance(text, str) and not getattr(pattern, "flags", 0) & re.IGNORECASE:
        found["pattern"] = text if _SAME_PATTERN.fullmatch(text) else None
    return {name: each for name, each in found.items() if each is not None}


def _is_before(validator: Any) -> bool:
    """Whether it sees the text before the constraints do."""
    return type(validator).__name__ in ("BeforeValidator", "WrapValidator", "PlainValidator")


def _number(kind: Kind, type_: type) -> dict[str, Any]:
    least, most = constraint(kind, "ge"), constraint(kind, "le")
    above, below = constraint(kind, "gt"), constraint(kind, "lt")
    if type_ is int:
        # Of whole numbers, what is above 0 is 1 and more. Of others it has no least.
        least = _greatest(_finite(least, math.ceil), _finite(above, lambda n: math.floor(n) + 1))
        most = _least(_finite(most, math.floor), _finite(below, lambda n: math.ceil(n) - 1))
    found = {"min": _finite(least), "max": _finite(most), "step": _step(kind, least, type_)}
    return {name: each for name, each in found.items() if each is not None}


def _step(kind: Kind, least: Any, type_: type) -> Any:
    """A browser counts steps from the least, a model from 0."""
    step = _finite(constraint(kind, "multiple_of"))
    if step and (not least or Decimal(str(least)) % Decimal(str(step)) == 0):
        return step
    return 1 if type_ is int else None


def _finite(value: Any, change: Callable[[Any], Any] = lambda value: value) -> Any:
    if not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return None
    return change(value)


def _greatest(*values: Any) -> Any:
    return max((each for each in values if each is not None), default=None)


def _least(*values: Any) -> Any:
    return min((each for each in values if each is not None), default=None)


_TEMPORAL: Final[dict[str, Any]] = {
    "date": datetime.date,
    "datetime": datetime.datetime,
    "time": datetime.time,
}


def _temporal(kind: Kind, widget: str) -> dict[str, Any]:
    """Bounds of dates and times; a bound with a zone is none of a control that knows no zones."""
    found = {}
    for name, attribute in (("ge", "min"), ("le", "max")):
        bound: Any = constraint(kind, name)
        if type(bound) is _TEMPORAL[widget] and getattr(bound, "tzinfo", None) is None:
            found[attribute] = bound.isoformat()
    return found | _days(kind, widget)


def _days(kind: Kind, widget: str) -> dict[str, Any]:
    """Of days, what comes after one begins with the next."""
    found = {}
    for name, attribute, days in (("gt", "min", 1), ("lt", "max", -1)):
        bound = constraint(kind, name)
        if widget == "date" and type(bound) is datetime.date:
            found[attribute] = (bound + datetime.timedelta(days=days)).isoformat()
    return found
