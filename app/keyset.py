"""Pages of a long table. A place is the id of a row, so the page after a million is as near as any.

A page is read from the place of its neighbour's last row along an index, never by an OFFSET: rows
that come or go meanwhile neither repeat nor hide others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    SQLColumnExpression,
    select,
    tuple_,
)
from sqlalchemy.sql import and_, true

from app.sql import gathered

Shown = TypeVar("Shown")
AnyRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class Order:
    """Rows by a column, and those that are alike in it by their id. No value is the least value."""

    by: SQLColumnExpression[Any]
    id: SQLColumnExpression[int]
    descending: bool = True

    @property
    def is_by_id(self) -> bool:
        """Whether the column is the id itself."""
        return self.by is self.id

    @property
    def may_lack(self) -> bool:
        """Whether a row may have no value."""
        return bool(getattr(self.by, "nullable", True))

    def clauses(self, *, down: bool) -> list[ColumnElement[Any]]:
        """What SQL orders by; absent values stand where an index has them."""
        if self.is_by_id:
            return [self.id.desc() if down else self.id.asc()]
        by = self.by.desc() if down else self.by.asc()
        if self.may_lack:
            by = by.nulls_last() if down else by.nulls_first()
        return [by, self.id.desc() if down else self.id.asc()]


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which rows of an order: so many, after the row of this id or before that of another."""

    size: int
    after: int | None = None
    before: int | None = None

    @property
    def is_backwards(self) -> bool:
        """Whether it ends where another page begins."""
        return self.before is not None


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Shown]):
    """The rows of a window, and whether there are more on each side of it."""

    rows: Sequence[Shown]
    has_previous: bool
    has_next: bool


def cut(found: Sequence[Shown], window: Window) -> Page[Shown]:
    """Make the page of rows that were read with one too many."""
    more = len(found) > window.size
    if window.is_backwards:
        return Page(rows=found[-window.size :], has_previous=more, has_next=True)
    return Page(rows=found[: window.size], has_previous=window.after is not None, has_next=more)


def read(
    connection: Connection, wanted: Select[*tuple[Any, ...]], order: Order, window: Window
) -> list[AnyRow]:
    """Read the rows of a window in their order. A place whose row is gone is the first page."""
    parts = _parts(connection, order, window)
    if parts is None:
        return read(connection, wanted, order, Window(size=window.size))
    clauses = order.clauses(down=order.descending != window.is_backwards)
    found: list[AnyRow] = []
    for part in parts:
        left = window.size - len(found)
        if left > 0:
            found += gathered(connection, wanted.where(part).order_by(*clauses).limit(left))
    return found[::-1] if window.is_backwards else found


def _parts(
    connection: Connection, order: Order, window: Window
) -> list[ColumnElement[bool]] | None:
    """Conditions whose rows, one after the other, are those beyond the place.

    One by one, for of an OR of them no database makes one walk along an index.
    """
    down = order.descending != window.is_backwards
    place = window.before if window.is_backwards else window.after
    if place is None:
        return [true()]
    if order.is_by_id:
        return [order.id < place if down else order.id > place]
    row = connection.execute(select(order.by).where(order.id == place)).first()
    return None if row is None else _beyond(order, row[0], place, down)


def _beyond(order: Order, value: Any, place: int, down: bool) -> list[ColumnElement[bool]]:
    absent = order.by.is_(None)
    if value is None:
        beside = and_(absent, order.id < place if down else order.id > place)
        return [beside] if down else [beside, order.by.is_not(None)]
    pair = tuple_(order.by, order.id)
    if not down:
        return [pair > (value, place)]
    return [pair < (value, place), absent] if order.may_lack else [pair < (value, place)]
