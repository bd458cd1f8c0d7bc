"""Rows of a resource as SQL: a page of them, one, how many, and what a reference offers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, func, inspect, literal, select
from sqlalchemy.orm import aliased

from app import textsearch
from app.admin.asked import Asked, whole
from app.admin.errors import RowNotFound
from app.admin.record import LARGEST
from app.admin.resource import Column, Reference, Resource
from app.keyset import Order, Page, Window, cut, read
from app.timezones import begin_of, end_of

#: A count stops here: nobody compares 1,000 with 1,001, and counting millions is slow.
COUNT_CAP: Final = 1_000
OFFERED: Final = 20
Condition = ColumnElement[bool]


@dataclass(frozen=True, kw_only=True)
class Option:
    """A row that a reference may mean: its id, and the words by which it is chosen."""

    id: int
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class Record:
    """A row of a resource; a reference is an Option."""

    id: int
    values: Mapping[str, Any]


def page(
    connection: Connection, resource: Resource, asked: Asked, only: Iterable[Condition] = ()
) -> Page[Record]:
    """The rows of a list, with its light columns alone."""
    columns = resource.shown_in("list")
    wanted = _selected(resource, columns).where(*conditions(resource, asked), *only)
    one_more = Window(
        size=asked.window.size + 1, after=asked.window.after, before=asked.window.before
    )
    found = read(connection, wanted, order(resource, asked.sort), one_more)
    return cut([_record(resource, columns, row._mapping) for row in found], asked.window)


def row(
    connection: Connection, resource: Resource, row_id: int, only: Iterable[Condition] = ()
) -> Record:
    """One row, with everything that its page and its form show; raise RowNotFound."""
    places = ("list", "show", "create", "edit")
    columns = [each for each in resource.columns if set(places) & set(each.show_in)]
    wanted = _selected(resource, columns).where(resource.id == row_id, *only)
    found = connection.execute(wanted).first() if row_id <= LARGEST else None
    if found is None:
        raise RowNotFound(resource.noun, row_id)
    return _record(resource, columns, found._mapping)


def order(resource: Resource, sort: str) -> Order:
    """The order that an address names: `created`, or `-created` for the newest first."""
    by = resource.sortable()[sort.removeprefix("-")]
    return Order(by=by, id=resource.id, descending=sort.startswith("-"))


def count(connection: Connection, resource: Resource, only: Iterable[Condition]) -> int:
    """How many rows there are, up to COUNT_CAP + 1."""
    some = select(literal(1)).select_from(resource.table).where(*only)
    capped = some.limit(COUNT_CAP + 1).subquery("some")
    return connection.execute(select(func.count()).select_from(capped)).scalar_one()


def conditions(resource: Resource, asked: Asked) -> list[Condition]:
    """What an address asks for, as SQL."""
    found = [
        condition
        for column in resource.shown_in("filter")
        for condition in _of_column(resource, column, asked)
    ]
    if asked.search:
        found.append(_matches(resource, asked.search))
    return found


def _matches(resource: Resource, search: str) -> Condition:
    number = whole(search.removeprefix("#"))
    found: Condition = resource.id == (-1 if number is None else number)
    for column in resource.columns:
        stored = resource.expression(column)
        if column.search and stored is not None:
            found = found | textsearch.contains(stored, search)
    return found


def _of_column(resource: Resource, column: Column, asked: Asked) -> Iterable[Condition]:
    stored, kind, values = resource.expression(column), resource.kind_of(column), asked.values
    if stored is None:
        return
    if kind in ("moment", "day", "number"):
        yield from _between(stored, kind, asked, column.param)
    elif column.param in values:
        value = values[column.param]
        if kind in ("text", "long"):
            yield textsearch.contains(stored, value)
        elif kind == "boolean":
            yield stored.is_(value == "yes")
        else:
            yield stored == value


def _between(stored: Any, kind: str, asked: Asked, param: str) -> Iterable[Condition]:
    least, most = asked.values.get(f"{param}_from"), asked.values.get(f"{param}_to")
    if least is not None:
        yield stored >= (begin_of(least, asked.zone) if kind == "moment" else least)
    if most is not None:
        yield stored < end_of(most, asked.zone) if kind == "moment" else stored <= most


# Columns and what they refer to -----------------------------------------------------------------


def _selected(resource: Resource, columns: Sequence[Column]) -> Select[*tuple[Any, ...]]:
    """One statement for the rows and the names of all that they refer to."""
    wanted: Select[*tuple[Any, ...]] = select(resource.id.label("_id"))
    for column in columns:
        stored = resource.expression(column)
        if stored is None:
            continue
        wanted = wanted.add_columns(stored.label(column.name))
        if column.reference is not None:
            other = aliased(column.reference.table)
            id_, name = _in(other, column.reference)
            wanted = wanted.outerjoin(other, id_ == stored)
            wanted = wanted.add_columns(name.label(f"_{column.name}"))
    return wanted.select_from(resource.table)


def _in(other: Any, reference: Reference) -> tuple[Any, Any]:
    return getattr(other, str(inspect(reference.table).primary_key[0].key)), getattr(
        other, reference.label
    )


def _record(resource: Resource, columns: Sequence[Column], found: Mapping[Any, Any]) -> Record:
    values = {each.name: found[each.name] for each in columns if each.name in found}
    for column in columns:
        if column.reference is not None and values.get(column.name) is not None:
            name = found[f"_{column.name}"]
            values[column.name] = _option(column.reference, values[column.name], name)
    return Record(id=found["_id"], values=values)


def options(
    connection: Connection, reference: Reference, text: str, only: Iterable[Condition] = ()
) -> list[Option]:
    """The rows whose name has this text in it, those that begin with it first."""
    begins = textsearch.starts_with(reference.name, text)
    wanted = (
        select(reference.id, reference.name)
        .where(textsearch.contains(reference.name, text), *only)
        .order_by(begins.desc(), reference.name, reference.id)
        .limit(OFFERED)
    )
    return [_option(reference, row[0], row[1]) for row in connection.execute(wanted)]


def option(
    connection: Connection, reference: Reference, text: str, only: Iterable[Condition] = ()
) -> Option | None:
    """The row that is meant: by its id, `7` or `... #7`, or by its name if only one has it.

    A name that none has to the letter may be one in other letters.
    """
    number = whole(text.rpartition("#")[2])
    by_id = reference.id == (-1 if number is None else number)
    for is_meant in (by_id | (reference.name == text), textsearch.equals(reference.name, text)):
        wanted = select(reference.id, reference.name).where(is_meant, *only).limit(2)
        if found := connection.execute(wanted).all():
            return _option(reference, *found[0]) if len(found) == 1 else None
    return None


def _option(reference: Reference, id_: int, name: str | None) -> Option:
    if name is None:
        return Option(id=id_, text=f"#{id_}")
    is_unique = bool(getattr(reference.name, "unique", False))
    return Option(id=id_, text=str(name) if is_unique else f"{name} #{id_}")


def used_by(resource: Resource, column: Column, only: Iterable[Condition]) -> Condition:
    """That a row is referred to by some row of the resource: others would filter to nothing."""
    assert column.reference is not None
    stored = resource.expression(column)
    mine: Condition = stored == column.reference.id
    return select(literal(1)).where(mine, *only).exists()
