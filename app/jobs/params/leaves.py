"""Values of the standard library that JSON has no words for, and how each is written in JSON.

Each becomes an object whose `$is` names its type and whose `$value` a person can read; other keys
with a `$` hold what that leaves out. Reading it back gives an equal value of the same type.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import ipaddress
import pathlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ByteSize
from pydantic_core import TzInfo, to_jsonable_python

Written = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One type of value: its name in JSON, and both ways."""

    name: str
    dump: Callable[[Any], Written]
    load: Callable[[Mapping[str, Any]], Any]


def _text(kind: type) -> Leaf:
    return Leaf(kind.__name__, lambda value: {"$value": str(value)}, lambda w: kind(w["$value"]))


def _dump_time(value: dt.datetime | dt.time) -> Written:
    written: Written = {"$value": value.isoformat()}
    if isinstance(value.tzinfo, ZoneInfo) and value.tzinfo.key:
        written["$zone"] = value.tzinfo.key
    if isinstance(value.tzinfo, TzInfo):  # pydantic's own, which says its name in another way
        written["$offset"] = _seconds_of(value.tzinfo)
    if value.fold:
        written["$fold"] = 1
    return written


def _load_time(kind: type[dt.datetime] | type[dt.time], written: Mapping[str, Any]) -> Any:
    value: Any = kind.fromisoformat(written["$value"])
    if "$zone" in written:
        value = value.replace(tzinfo=ZoneInfo(written["$zone"]))
    elif "$offset" in written:
        value = value.replace(tzinfo=TzInfo(written["$offset"]))
    return value.replace(fold=written.get("$fold", 0))


def _seconds_of(zone: TzInfo) -> float:
    offset = zone.utcoffset(None)
    return 0 if offset is None else offset.total_seconds()


def _load_date(written: Mapping[str, Any]) -> dt.date:
    return dt.date.fromisoformat(written["$value"])


def _dump_duration(value: dt.timedelta) -> Written:
    parts = [value.days, value.seconds, value.microseconds]
    return {"$value": to_jsonable_python(value), "$parts": parts}


def dump_bytes(value: bytes | bytearray) -> Written:
    """Return bytes as the text that they are, else as base64."""
    try:
        text = bytes(value).decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" not in text:
        return {"$value": text}
    return {"$value": base64.b64encode(value).decode(), "$base64": True}


def load_bytes(written: Mapping[str, Any]) -> bytes:
    """Return what dump_bytes() was given; raise ValueError for anything else."""
    text: str = written["$value"]
    try:
        return base64.b64decode(text, validate=True) if "$base64" in written else text.encode()
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _dump_pattern(value: re.Pattern[str]) -> Written:
    if not isinstance(value.pattern, str):
        raise TypeError("a pattern of bytes")
    return {"$value": value.pattern, "$flags": value.flags}


def _load_path(written: Mapping[str, Any]) -> pathlib.Path:
    return pathlib.Path(written["$value"])


#: Whole types, not subclasses: what has a type of its own must get it back.
LEAVES: Final[Mapping[type, Leaf]] = {
    dt.datetime: Leaf("datetime", _dump_time, partial(_load_time, dt.datetime)),
    dt.time: Leaf("time", _dump_time, partial(_load_time, dt.time)),
    dt.date: Leaf("date", lambda v: {"$value": v.isoformat()}, _load_date),
    dt.timedelta: Leaf("timedelta", _dump_duration, lambda w: dt.timedelta(*w["$parts"])),
    bytes: Leaf("bytes", dump_bytes, load_bytes),
    bytearray: Leaf("bytearray", dump_bytes, lambda w: bytearray(load_bytes(w))),
    re.Pattern: Leaf("Pattern", _dump_pattern, lambda w: re.compile(w["$value"], w["$flags"])),
    ZoneInfo: _text(ZoneInfo),
    ByteSize: Leaf("ByteSize", lambda v: {"$value": int(v)}, lambda w: ByteSize(w["$value"])),
    type(pathlib.Path()): Leaf("Path", lambda v: {"$value": str(v)}, _load_path),
    float: Leaf("float", lambda v: {"$value": repr(v)}, lambda w: float(w["$value"])),
} | {
    kind: _text(kind)
    for kind in (
        Decimal, UUID, Fraction, complex, pathlib.PurePosixPath, pathlib.PureWindowsPath,
        ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Interface,
        ipaddress.IPv6Interface, ipaddress.IPv4Network, ipaddress.IPv6Network,
    )
}  # fmt: skip
BY_NAME: Final[Mapping[str, Leaf]] = {leaf.name: leaf for leaf in LEAVES.values()}
