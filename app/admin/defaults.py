"""Show defaults as JSON, as far as that can be: what a field is when nothing is said of it."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, PydanticUndefined, to_jsonable_python

from app.admin.annotations import is_secret


class Absent(enum.Enum):
    """The type of ABSENT."""

    ABSENT = "absent"


#: No value: where None is one.
ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, kw_only=True)
class Default:
    """A default as JSON; `value` is ABSENT where it cannot be shown, and where there is none."""

    exists: bool
    value: Any = ABSENT


REQUIRED: Final = Default(exists=False)


def default_of(info: FieldInfo) -> Default:
    """Return the default of a field; one that is made is made now, one made of others is not."""
    if info.is_required():
        return REQUIRED
    if info.default_factory_takes_validated_data:
        return Default(exists=True)
    try:
        value = info.get_default(call_default_factory=True)
    except Exception:  # noqa: BLE001 - the author's own code; it is asked again at the start
        return Default(exists=True)
    return Default(exists=True, value=ABSENT if value is PydanticUndefined else as_json(value))


def as_json(value: Any) -> Any:
    """Return a value as the JSON that a model would read it from; ABSENT for secrets and the rest.

    Of a model within, what cannot be shown is left out; in a list it is None.
    """
    try:
        return _as_json(value)
    except (TypeError, ValueError, RecursionError, PydanticSerializationError):
        return ABSENT


def dumps(value: Any) -> str:
    """Return JSON as one text for each value: 1, 1.0 and true are three.

    Of what is nested too deeply to be written there is none: it is "", and like nothing else.
    """
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError:
        return ""


def _as_json(value: Any) -> Any:
    if is_secret(type(value)) or hasattr(type(value), "form_widget"):
        return ABSENT
    if isinstance(value, enum.Enum):
        return _as_json(value.value)
    if isinstance(value, BaseModel):
        return _model(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _shown({each.name: getattr(value, each.name) for each in dataclasses.fields(value)})
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list | tuple | set | frozenset) or _is_deque(value):
        return _list(value)
    return _simple(value)


def _simple(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    if isinstance(value, bool | None):
        return value
    if isinstance(value, int) and str(value):  # too many digits are a ValueError
        return int(value)
    if isinstance(value, float | str):
        return float(value) if isinstance(value, float) else str(value)
    if isinstance(value, bytes | bytearray):
        return value.decode()
    return str(value) if isinstance(value, Decimal) else to_jsonable_python(value)


def _model(value: BaseModel) -> Any:
    if isinstance(value, RootModel):
        return _as_json(value.root)
    return _shown(dict(value))


def _shown(fields: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: as_json(each) for name, each in fields.items()}
    return {name: each for name, each in found.items() if each is not ABSENT}


def _mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    found = {}
    for key, each in value.items():
        (text,) = to_jsonable_python({key: None})
        found[text] = _item(each)
    return found


def _list(value: Iterable[Any]) -> list[Any]:
    found = [_item(each) for each in value]
    # A set has no order, and another process would have another one.
    return sorted(found, key=dumps) if isinstance(value, set | frozenset) else found


def _item(value: Any) -> Any:
    """An item: a secret keeps its place, anything else that cannot be shown hides the whole."""
    found = _as_json(value)
    if found is ABSENT and not is_secret(type(value)):
        raise ValueError("cannot be shown")
    return None if found is ABSENT else found


def _is_deque(value: Any) -> bool:
    return hasattr(value, "appendleft")
