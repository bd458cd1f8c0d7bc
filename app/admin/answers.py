"""Read what was sent of a form as the JSON values that a model checks."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from app.admin.defaults import ABSENT, dumps
from app.admin.errors import Refused
from app.admin.fields import ABOUT, EXTRA, Field, is_set
from app.admin.moments import moment, with_zone
from app.admin.widgets import NESTED

Sent = Mapping[str, Sequence[str]]
Read = Callable[[Field, Sent], Any]

#: More rows than anybody adds by hand, and few enough to be drawn.
MOST_ROWS: Final = 1000
_ABOUT: Final = re.compile(rf"^{re.escape(ABOUT)}[a-z]+\.")
_INDEX: Final = re.compile(r"\d{1,6}", re.ASCII)
_WHOLE: Final = re.compile(r"[+-]?\d{1,4000}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def value_of(asked: Field, sent: Sent) -> Any:
    """Return what was entered as JSON; ABSENT for what is as its default, or was left open."""
    said = explicit(asked, sent)
    is_given = last(sent, asked.about("given")) is not None
    if said is ABSENT or (is_default(asked, said) and not is_given):
        return ABSENT
    return _read(asked, sent, value_of)


def explicit(asked: Field, sent: Sent) -> Any:
    """Return what the form says, also where that is the default."""
    return _read(asked, sent, explicit)


def is_default(asked: Field, said: Any) -> bool:
    """Return whether a value is the default, so that it need not be said."""
    return asked.default.value is not ABSENT and same(asked, said, asked.default.value)


def same(asked: Field, one: Any, other: Any) -> bool:
    """Return whether two JSON values are the same to this field."""
    if ABSENT in (one, other):
        return one is other
    if (text := dumps(one)) and text == dumps(other):
        return True
    if asked.widget in ("date", "datetime", "time") or asked.reads == "float":
        return _alike(asked, one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return _same_objects(asked, one, other)
    if isinstance(one, list) and isinstance(other, list):
        return _same_lists(asked, one, other)
    return False


def _alike(asked: Field, one: Any, other: Any) -> bool:
    """Whether they are two ways to write one moment or one number."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if asked.reads == "float":
        return _equal(one, other)
    moments = moment(one), moment(other)
    return None not in moments and moments[0] == moments[1]


def _equal(one: Any, other: Any) -> bool:
    return type(one) in (int, float) and type(other) in (int, float) and one == other


def _same_objects(asked: Field, one: dict[str, Any], other: dict[str, Any]) -> bool:
    by_key = {each.key: each for each in asked.fields}
    row = asked.make_row("0") if asked.make_row else Field(name="", label="", widget="json")
    keys = {key for key in one | other if not _is_blank(by_key.get(key), one, other)}
    return keys <= one.keys() & other.keys() and all(
        same(by_key.get(key, row), one[key], other[key]) for key in keys
    )


def _is_blank(asked: Field | None, one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether it is a secret that is not shown, and that nobody has written anew."""
    if asked is None or not asked.secret:
        return False
    return one.get(asked.key) is None and other.get(asked.key) is None


def _same_lists(asked: Field, one: list[Any], other: list[Any]) -> bool:
    if is_set(asked):
        one, other = sorted(one, key=dumps), sorted(other, key=dumps)
    row = asked.make_row("0") if asked.make_row else Field(name="", label="", widget="json")
    return len(one) == len(other) and all(same(row, *pair) for pair in zip(one, other, strict=True))


def last(sent: Sent, name: str) -> str | None:
    """Return what was sent under a name, with line breaks as Python has them."""
    said = sent.get(name)
    return said[-1].replace("\r\n", "\n").replace("\r", "\n") if said else None


def rows_in(asked: Field, sent: Sent) -> list[Field] | None:
    """Return the rows that were sent, in their order; None when the form says nothing of them."""
    marks = sent.get(asked.about("rows"))
    found = [each for each in marks or () if _INDEX.fullmatch(each)]
    if marks is None:
        found = sorted(set(_indexes(asked, sent)), key=int)
        if not found:
            return None
    return [row_of(asked, index, sent) for index in found[: MOST_ROWS + 1]]


def row_of(asked: Field, index: str, sent: Sent) -> Field:
    """Return one row, with the name it was given."""
    assert asked.make_row
    row = asked.make_row(index)
    row.entry = last(sent, row.about("key")) or ""
    return row


def _indexes(asked: Field, sent: Sent) -> Iterator[str]:
    for name in map(bare, sent):
        head, _, tail = name.partition(f"{asked.name}.")
        index = tail.partition(".")[0]
        if not head and _INDEX.fullmatch(index):
            yield index


def _read(asked: Field, sent: Sent, inner: Read) -> Any:
    said, mode = last(sent, asked.name), last(sent, asked.about("as"))
    if last(sent, asked.about("unset")):
        return None
    if mode == "json" or (said is not None and asked.widget in NESTED):
        return _json(asked, said)
    if asked.widget == "group":
        return _group(asked, sent, inner)
    if asked.widget in ("rows", "pairs") or mode == "rows":
        return _rows(asked, sent, inner)
    if asked.widget == "multiselect":
        return _several(asked, sent, mode)
    if asked.widget == "checkbox":
        return said not in (None, "", "false")
    if said is None or asked.widget == "fixed":
        return ABSENT
    return _of_text(asked, said, mode, sent)


def _empty(asked: Field, nothing: Any, mode: str | None = None) -> Any:
    """Return the value that an empty control stands for."""
    if asked.empty == "exact" or mode == "exact":
        return nothing
    return None if asked.empty == "none" else ABSENT


def _of_text(asked: Field, text: str, mode: str | None, sent: Sent) -> Any:
    if asked.widget == "lines":
        found = [line for line in text.split("\n") if line.strip()]
        return [_parsed(asked, line) for line in found] or _empty(asked, [], mode)
    is_text = asked.widget in ("text", "textarea", "password") and asked.reads == "text"
    if not (text if is_text else text.strip()):
        return _empty(asked, "", mode) if is_text else _empty(asked, ABSENT, mode)
    if asked.widget == "datetime":
        return _zoned(asked, text, sent)
    return asked.meanings.get(text, text) if asked.meanings else _parsed(asked, text)


def _parsed(asked: Field, text: str) -> Any:
    """A text as the number or the JSON that it is; else the text: the model says what it wants."""
    bare = text.strip()
    if asked.reads in ("int", "float", "duration"):
        return _number(bare, asked.reads, text)
    if asked.reads == "json":
        return _json(asked, text)
    if asked.reads == "mixed":
        found = json_of(text)
        return text if found is ABSENT or not _is_exact(found, bare) else found
    return text


def _number(bare: str, reads: str, text: str) -> Any:
    if reads != "float" and _WHOLE.fullmatch(bare):
        return int(bare)
    if reads != "int" and _NUMBER.fullmatch(bare) and math.isfinite(float(bare)):
        return float(bare)
    return text


def _is_exact(found: Any, text: str) -> bool:
    """Whether a number says all that its text says: one of thirty digits is left to the model."""
    return not isinstance(found, float) or repr(found) == text


def _zoned(asked: Field, text: str, sent: Sent) -> str:
    """A moment with the zone that was sent along; the very text from before if it is the same."""
    zone, was = last(sent, asked.about("zone")), last(sent, asked.about("was"))
    try:
        return with_zone(text.strip(), zone, was or "") if zone else text
    except ValueError as error:
        raise Refused(fields={asked.name: [str(error)]}) from None


def _several(asked: Field, sent: Sent, mode: str | None) -> Any:
    found = [asked.meanings.get(each, each) for each in sent.get(asked.name, ()) if each]
    return found or _empty(asked, [], mode)


def _group(asked: Field, sent: Sent, inner: Read) -> Any:
    is_here = asked.about("as") in sent
    if asked.unset is not None and is_here and not last(sent, asked.about("set")):
        return _empty(asked, ABSENT)
    if not any(bare(each).startswith(f"{asked.name}.") for each in sent) and not is_here:
        return ABSENT
    return object_of(asked.fields, sent, inner)


def bare(name: str) -> str:
    """Return a control's name without what says that it is about a field."""
    return _ABOUT.sub("", name)


def object_of(fields: Sequence[Field], sent: Sent, inner: Read = value_of) -> dict[str, Any]:
    """Return the object that these fields make; what value_of() reads has the keys to be sent."""
    found: dict[str, Any] = {}
    for each in fields:
        value, key = inner(each, sent), each.sent_as if inner is value_of else each.key
        if each.key == EXTRA and isinstance(value, dict):
            found = value | found
        elif value is not ABSENT and each.key != EXTRA:
            found[key or each.key] = value
    return found


def _rows(asked: Field, sent: Sent, inner: Read) -> Any:
    rows = rows_in(asked, sent)
    if rows is None:
        return ABSENT
    if len(rows) > MOST_ROWS:
        said = f"A form takes at most {MOST_ROWS:,} rows. Start such a job by the API."
        raise Refused(fields={asked.name: [said]})
    values = [inner(row, sent) for row in rows]
    if asked.widget == "pairs":
        return _mapping(asked, rows, values) or _empty(asked, {}, last(sent, asked.about("as")))
    found = [None if each is ABSENT else each for each in values]
    return found or _empty(asked, [], last(sent, asked.about("as")))


def _mapping(asked: Field, rows: list[Field], values: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row, value in zip(rows, values, strict=True):
        if row.entry in found:
            said = f"The name {row.entry!r} is there twice. Give each its own."
            raise Refused(fields={asked.name: [said]})
        found[row.entry] = None if value is ABSENT else value
    return found


# JSON -------------------------------------------------------------------------------------------


def _json(asked: Field, text: str | None) -> Any:
    if text is None or not text.strip():
        return _empty(asked, ABSENT) if text is not None else ABSENT
    found = json_of(text)
    return text if found is ABSENT else found


def json_of(text: str) -> Any:
    """Return what a JSON text says; ABSENT for what is none, or says something twice."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_none, parse_float=_finite)
    except (ValueError, RecursionError):
        return ABSENT


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("A name is there twice.")
    return found


def _none(text: str) -> Any:
    raise ValueError(f"{text} is no JSON.")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError("This number is too large.")
    return number
