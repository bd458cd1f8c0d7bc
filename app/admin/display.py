"""Show values in the fields of a form, so that sent untouched they are read as the same values."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Final

from pydantic import NaiveDatetime

from app.admin.answers import (
    explicit,
    is_default,
    json_of,
    same,
)
from app.admin.defaults import ABSENT, dumps
from app.admin.fields import EXTRA, Field
from app.admin.moments import local_of, moment
from app.admin.widgets import HELP, NESTED

#: What a browser takes as the value of a number; anything else it leaves out.
_NUMBER: Final = re.compile(r"-?(\d+(\.\d+)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


#: What a value may change of the control that asks for it.
_CHANGING: Final = ("widget", "mode", "help", "attrs", "zone", "required")


def show_default(asked: Field) -> None:
    """Show what it is when nothing is said of it."""
    show(asked, asked.default.value)
    asked.was_given = False


def show_defaults(fields: Iterable[Field]) -> None:
    """Show each field's default."""
    for each in fields:
        show_default(each)


def show(asked: Field, value: Any) -> None:
    """Show a JSON value: in the usual control if that can say it, else in one that can."""
    if asked.secret or asked.widget == "fixed":
        asked.was_given = asked.secret and value not in (None, ABSENT)
        return
    restore(asked)
    usual = copy.copy(asked)
    if value is ABSENT and asked.default.value is ABSENT:
        show_defaults(asked.fields)
    else:
        _show(asked, asked.default.value if value is ABSENT else value)
    changes = [name for name in _CHANGING if getattr(asked, name) != getattr(usual, name)]
    asked.usual = usual if changes else None


def restore(asked: Field) -> None:
    """Make the field what it was before any value was shown."""
    if asked.usual is not None:
        vars(asked).update(vars(asked.usual) | {"given": asked.given, "usual": None})


def _show(asked: Field, value: Any) -> None:
    for way in (_usual, _exact, _typed, _as_rows):
        trial = copy.copy(asked)
        trial.attrs = dict(asked.attrs)
        if way(trial, value) and _says(trial, value):
            vars(asked).update(vars(trial))
            return
    _as_json(asked, value)


def _says(trial: Field, value: Any) -> bool:
    """Whether this is sent when nobody touches it."""
    if trial.widget in NESTED and value:
        return True  # each field within has seen to it, and secrets are not shown
    said = explicit(trial, sent_by(trial))
    return same(trial, said, value) or (said is ABSENT and is_default(trial, value))


def show_object(
    fields: Sequence[Field], values: Mapping[str, Any], *, given: bool = False
) -> dict[str, Any]:
    """Show an object's values; what it does not say is its default. Return what no field shows.

    `given`: what it says was entered, and is sent again even where that is the default.
    """
    rest = dict(values)
    for each in fields:
        if each.key == EXTRA:
            continue
        names = [name for name in (each.key, *each.aliases) if name in rest]
        each.given = given and bool(names)
        show(each, rest.pop(names[0]) if names else ABSENT)
    for each in fields:
        if each.key == EXTRA:
            show(each, rest)
            return {}
    return rest


def _usual(asked: Field, value: Any) -> bool:
    if value is None and None not in asked.meanings.values():
        return _none(asked)
    if asked.unset and asked.widget == "group":
        asked.unset = False
    write = _WRITERS.get(asked.widget, _text)
    return write(asked, value)


def _none(asked: Field) -> bool:
    asked.value = None
    show_defaults(asked.fields)
    if asked.empty != "none" and asked.unset is not None:
        asked.unset = True
    return True


def _exact(asked: Field, value: Any) -> bool:
    """An empty text or list where empty would mean something else."""
    if value not in ("", [], {}) or asked.widget == "group":
        return False
    asked.mode, asked.value = "exact", None
    asked.required = False
    if asked.kind.nullable:
        asked.unset = False
    return True


def _typed(asked: Field, value: Any) -> bool:
    """A number that a control for numbers does not take, such as inf."""
    is_number = asked.widget == "number" and isinstance(value, str | int | float)
    asked.widget, asked.attrs = "text", {}
    asked.value = str(value)
    return is_number


def _as_rows(asked: Field, value: Any) -> bool:
    if asked.widget not in ("lines", "multiselect") or not isinstance(value, list):
        return False
    asked.mode = asked.widget = "rows"
    asked.help = asked.help if asked.help != HELP["lines"] else ""
    return _rows(asked, value)


def _as_json(asked: Field, value: Any) -> None:
    asked.mode, asked.widget = "json", "json"
    asked.value = _pretty(value)
    asked.unset = None
    asked.attrs = {}


def _pretty(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # Half characters and what a text box changes are written as codes.
    return re.sub(r"[\ud800-\udfff\x00\r]", lambda found: json.dumps(found[0])[1:-1], text)


def _text(asked: Field, value: Any) -> bool:
    if asked.reads == "mixed":
        value = _mixed(value)
    if not isinstance(value, str):
        return asked.reads == "duration" and _number(asked, value)
    asked.value = value
    if "\n" in value and asked.widget == "text":
        asked.widget = "textarea"
    return True


def _mixed(value: Any) -> str:
    """A value as a person writes it where a text may be one of several types."""
    if isinstance(value, str) and json_of(value) is ABSENT and value.strip():
        return value
    return _pretty(value)


def _number(asked: Field, value: Any) -> bool:
    asked.value = value
    text = str(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and bool(_NUMBER.fullmatch(text)) and math.isfinite(_float(text))


def _float(text: str) -> float:
    try:
        return float(text)
    except (ValueError, OverflowError):
        return math.inf


def _checkbox(asked: Field, value: Any) -> bool:
    asked.value = value
    return isinstance(value, bool)


def _select(asked: Field, value: Any) -> bool:
    keys = _keys(asked, [value])
    asked.value = keys[0] if keys else None
    return bool(keys)


def _multiselect(asked: Field, value: Any) -> bool:
    asked.value = _keys(asked, value) if isinstance(value, list) else None
    return asked.value is not None


def _keys(asked: Field, values: Iterable[Any]) -> list[str]:
    by_value = {dumps(value): key for key, value in asked.meanings.items()}
    return [by_value[dumps(each)] for each in values if dumps(each) in by_value]


def _lines(asked: Field, value: Any) -> bool:
    if not isinstance(value, list) or not all(isinstance(v, str | int | float) for v in value):
        return False
    mixed = asked.reads == "mixed"
    asked.value = "\n".join(_mixed(each) if mixed else str(each) for each in value)
    return True


def _json(asked: Field, value: Any) -> bool:
    asked.value = _pretty(value)
    return True


def _temporal(asked: Field, value: Any) -> bool:
    """Show a day, a time or a moment; as text what no control of a browser can hold."""
    found = moment(value)
    expected = {"date": date, "time": time, "datetime": datetime}[asked.widget]
    if found is None or not isinstance(found, expected):
        return False
    zone = getattr(found, "tzinfo", None)
    if zone is not None:
        local = local_of(value, asked.place_zone) if asked.widget == "datetime" else None
        if local is None or asked.kind.type is NaiveDatetime:
            return _as_text(asked, value)
        asked.zone, asked.was, found = asked.place_zone, value, local
    elif asked.zone:
        return False
    return _clock(asked, found) or _as_text(asked, value)


def _clock(asked: Field, found: date | time | datetime) -> bool:
    micros = getattr(found, "microsecond", 0)
    if micros % 1000:
        return False
    if isinstance(found, time | datetime):
        seconds = "minutes" if not found.second else "seconds"
        asked.value = found.isoformat(timespec="milliseconds" if micros else seconds)
        if micros or found.second:
            asked.attrs["step"] = 0.001 if micros else 1
    else:
        asked.value = found.isoformat()
    return True


def _as_text(asked: Field, value: str) -> bool:
    asked.widget, asked.value, asked.zone, asked.attrs = "text", value, "", {}
    return True


def _group(asked: Field, value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    asked.fields = copy.deepcopy(asked.fields)
    known = {name for each in asked.fields for name in (each.key, *each.aliases)}
    show_object(asked.fields, value, given=asked.given)
    return value.keys() <= known or EXTRA in known


def _rows(asked: Field, value: Any) -> bool:
    if not isinstance(value, list) or asked.make_row is None:
        return False
    asked.rows = [asked.make_row(str(index)) for index in range(len(value))]
    for row, each in zip(asked.rows, value, strict=True):
        row.given = asked.given
        show(row, each)
    return True


def _pairs(asked: Field, value: Any) -> bool:
    if not isinstance(value, dict) or not _rows(asked, list(value.values())):
        return False
    for row, key in zip(asked.rows, value, strict=True):
        row.entry = key
    return all("\n" not in key and "\r" not in key for key in value)


_WRITERS: Final[dict[str, Callable[[Field, Any], bool]]] = {
    "number": _number, "checkbox": _checkbox, "select": _select, "multiselect": _multiselect,
    "lines": _lines, "json": _json, "date": _temporal, "time": _temporal, "datetime": _temporal,
    "group": _group, "rows": _rows, "pairs": _pairs,
}  # fmt: skip


# What a browser sends ---------------------------------------------------------------------------


def sent_by(asked: Field) -> dict[str, list[str]]:
    """Return what a browser sends of a field that nobody touched."""
    sent: dict[str, list[str]] = {asked.about("given"): ["true"]} if asked.given else {}
    if asked.mode or asked.widget == "group":
        sent[asked.about("as")] = [asked.mode or "group"]
    if asked.unset is not None:
        switch = "set" if asked.widget == "group" else "unset"
        is_ticked = not asked.unset if switch == "set" else asked.unset
        sent |= {asked.about(switch): ["true"]} if is_ticked else {}
    if asked.zone:
        sent |= {asked.about("zone"): [asked.zone], asked.about("was"): [asked.was]}
    if asked.widget in NESTED:
        return sent | _nested(asked)
    said = _control(asked)
    return sent if said is None else sent | {asked.name: said}


def _nested(asked: Field) -> dict[str, list[str]]:
    sent: dict[str, list[str]] = {}
    for each in (*asked.fields, *asked.rows):
        sent |= sent_by(each)
    if asked.widget == "pairs":
        sent |= {each.about("key"): [each.entry] for each in asked.rows}
    if asked.widget != "group":
        indexes = [each.name.rpartition(".")[2] for each in asked.rows]
        sent[asked.about("rows")] = ["", *indexes]
    return sent


def _control(asked: Field) -> list[str] | None:
    value = asked.value
    if asked.widget == "multiselect":
        chosen = set(value or ())
        return [key for key, _ in asked.choices if key in chosen] or None
    if asked.widget == "checkbox":
        return ["true"] if value else None
    if asked.widget == "select" and value is None:
        return [asked.choices[0][0]] if asked.choices else None
    if value is None or asked.widget == "fixed":
        return None if asked.widget == "fixed" else [""]
    return [str(value).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")]
