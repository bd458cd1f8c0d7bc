"""Show again what a person has sent of a form, and add rows to it."""

from __future__ import annotations

from datetime import datetime, time
from typing import Final

from app.admin.annotations import holds_secret
from app.admin.answers import Sent, bare, last, row_of, rows_in
from app.admin.display import restore, show_default, show_defaults
from app.admin.fields import Field
from app.admin.moments import local_of, moment
from app.admin.widgets import NESTED

#: Put instead of the index of a row that a browser adds.
INDEX: Final = "%row{}%"


def fill(asked: Field, sent: Sent, *, whole: bool) -> None:
    """Show what was sent, as it is; what an address leaves out (not `whole`) stays."""
    mode, said = last(sent, asked.about("as")), last(sent, asked.name)
    if asked.usual and (said is not None or _says_something(asked, sent)):
        restore(asked)
        show_defaults(asked.fields)
    asked.given = last(sent, asked.about("given")) is not None
    _fill_switch(asked, sent, mode, whole)
    if mode == "json" or (asked.widget in NESTED and said is not None):
        asked.mode, asked.widget, asked.attrs = "json", "json", {}
        asked.value = None if holds_secret(asked.kind) else said
    elif asked.widget in NESTED or mode == "rows":
        _fill_nested(asked, sent, whole, mode)
    else:
        _fill_control(asked, sent, said, whole)
        asked.mode = mode or asked.mode


def _says_something(asked: Field, sent: Sent) -> bool:
    within = any(bare(name).startswith(f"{asked.name}.") for name in sent)
    return within or any(asked.about(what) in sent for what in ("as", "rows"))


def _fill_switch(asked: Field, sent: Sent, mode: str | None, whole: bool) -> None:
    if asked.widget == "group" and asked.unset is not None:
        if mode:
            asked.unset = not last(sent, asked.about("set"))
        elif _says_something(asked, sent):
            asked.unset = False
    elif (asked.unset is not None and whole) or (mode == "exact" and asked.kind.nullable):
        asked.unset = bool(last(sent, asked.about("unset")))


def _fill_nested(asked: Field, sent: Sent, whole: bool, mode: str | None) -> None:
    for each in asked.fields:
        fill(each, sent, whole=whole)
    if asked.widget == "group":
        return
    if mode == "rows":
        asked.widget = asked.mode = "rows"
    rows = rows_in(asked, sent)
    asked.mode = mode or asked.mode
    if rows is None:
        return
    asked.rows = rows
    for row in asked.rows:
        show_default(row)
        fill(row, sent, whole=whole)


def add_row(asked: Field) -> None:
    """Add an empty row, as the button below the rows does."""
    taken = [int(each.name.rpartition(".")[2]) for each in asked.rows]
    row = row_of(asked, str(max(taken, default=-1) + 1), {})
    show_default(row)
    asked.rows.append(row)
    if asked.unset:
        asked.unset = False


def blank_row(asked: Field, depth: int = 0) -> Field:
    """Return the row that a browser adds copies of, with INDEX in its names."""
    assert asked.make_row
    row = asked.make_row(INDEX.format(depth))
    show_default(row)
    return row


def _fill_control(asked: Field, sent: Sent, said: str | None, whole: bool) -> None:
    if said is None:
        if whole and asked.widget in ("checkbox", "multiselect"):
            asked.value = None
        return
    if asked.widget == "checkbox":
        asked.value = said not in ("", "false")
    elif asked.widget == "multiselect":
        asked.value = list(sent[asked.name])
    elif not asked.secret:
        asked.value = said
        _fill_moment(asked, sent, said)
        if "\n" in said and asked.widget == "text":
            asked.widget = "textarea"


def _fill_moment(asked: Field, sent: Sent, said: str) -> None:
    found = moment(said)
    if asked.widget == "date":
        asked.value = said[: len("2026-01-31")]  # of a moment, too: the field shows its day
    elif asked.widget == "datetime" and isinstance(found, datetime):
        asked.zone = last(sent, asked.about("zone")) or asked.zone
        asked.was = last(sent, asked.about("was")) or ""
        if found.tzinfo is not None:
            local = local_of(said, asked.place_zone)
            asked.value = local.isoformat() if local else said
            asked.zone, asked.was = asked.place_zone, said
        _step(asked, said)


def _step(asked: Field, said: str) -> None:
    found = moment(asked.value)
    if isinstance(found, datetime | time) and (found.second or found.microsecond):
        asked.attrs["step"] = 0.001 if found.microsecond else 1
