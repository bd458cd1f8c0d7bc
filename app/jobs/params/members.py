"""Members of enums and literals that no JSON is equal to, such as `(1, 2)` or a day."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin

from pydantic_core import PydanticSerializationError, to_jsonable_python

from app.jobs.params.parts import fields_in, is_list, is_object, items_in, kinds_of


def with_members(annotation: Any, value: Any) -> Any:
    """Return JSON with each member in place of its own JSON; the very `value` if it has none.

    Pydantic finds a member of an enum by its value, and one in a Literal by nothing but itself: by
    JSON some could never be chosen.
    """
    for kind in kinds_of(annotation):
        if (found := _of_one(kind, value)) is not value:
            return found
    return value


def json_of(member: Any) -> Any:
    """Return the JSON by which a member, or another value, is chosen; text where there is none."""
    said = member.value if isinstance(member, enum.Enum) else member
    try:
        return to_jsonable_python(said)
    except (PydanticSerializationError, UnicodeDecodeError):
        return str(said)


def _of_one(kind: Any, value: Any) -> Any:
    if isinstance(value, dict) and is_object(kind):
        parts = [
            (key, with_members(hint, each), each) for key, hint, each in fields_in(kind, value)
        ]
        is_same = all(found is each for _, found, each in parts)
        return value if is_same else {key: found for key, found, _ in parts}
    if isinstance(value, list) and is_list(kind):
        items = [(with_members(hint, each), each) for hint, each in items_in(kind, value)]
        return value if all(found is each for found, each in items) else [each for each, _ in items]
    return next((each for each in _members(kind) if _dumps(json_of(each)) == _dumps(value)), value)


def _members(kind: Any) -> Iterable[Any]:
    if get_origin(kind) is Literal:
        return [each for each in get_args(kind) if isinstance(each, enum.Enum | bytes)]
    return kind if isinstance(kind, type) and issubclass(kind, enum.Enum) else ()


def _dumps(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)
