"""What a resource is: a table as the panel shows it, declared and not programmed (P1)."""

from __future__ import annotations

import datetime
import decimal
import enum
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import SecretBytes, SecretStr
from sqlalchemy import Connection, SQLColumnExpression, Text, inspect
from sqlalchemy.orm import DeclarativeBase, Session

from app.admin.rows import Rows

Table = type[DeclarativeBase]
#: Where a column may stand. `filter` is asked for; the others are so unless said otherwise.
PLACES: Final = ("list", "show", "create", "edit", "filter")
EVERYWHERE: Final = ("list", "show", "create", "edit")
#: What may be done with rows, and the action of the permissions that it takes.
ACTIONS: Final = {"view": "view", "create": "edit", "edit": "edit", "delete": "delete"}
_WORDS: Final = ("q", "sort", "size", "after", "before")
NUMBERS: Final = (int, float, decimal.Decimal)


class BadResource(Exception):
    """A declaration that cannot be meant; the sentence says what to mend."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """To which table a column refers, and by which of its columns people know a row there."""

    table: Table
    label: str
    resource: str = ""  # the one that shows such a row, if any

    @property
    def id(self) -> SQLColumnExpression[int]:
        """The id of a row there."""
        return id_of(self.table)

    @property
    def name(self) -> SQLColumnExpression[str]:
        """What a row there is called."""
        found: SQLColumnExpression[str] = getattr(self.table, self.label)
        return found


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a resource; whatever is not said here is taken from the table.

    `type` is what pydantic checks, with whatever constraints: `Annotated[str, Field(...)]`, an
    enum. `default` stands in the form of a new row, and is its value when nothing is said of it.
    `fill` makes the value of a new row, and then nobody is asked for it. `expression` shows what
    the table does not have as such. A column that the table does not have can be asked for,
    and then `rows` of the resource knows what to do with it.
    """

    name: str
    label: str = ""
    help: str = ""
    show_in: Sequence[str] = EVERYWHERE
    type: Any = None
    reference: Reference | None = None
    expression: SQLColumnExpression[Any] | None = None
    search: bool = False
    sort: bool = False
    default: Any = None
    fill: Callable[[], Any] | None = None
    words: tuple[str, str] = ("Yes", "No")
    widget: str = ""

    @property
    def title(self) -> str:
        """What people call it."""
        return self.label or self.param.replace("_", " ").capitalize()

    @property
    def param(self) -> str:
        """Its name in an address: `created` for `created_at`."""
        return self.name.removesuffix("_at")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an action of a row has to say; `path` is shown once, as a whole address."""

    sentence: str
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class RowAction:
    """Something else that can be done with one row: a button on its page."""

    name: str  # in the address
    label: str
    allowed: str  # the action of the permissions
    run: Callable[[Session, int, Any], Outcome]  # which is committed then
    help: str = ""
    icon: str = "bolt"


@dataclass(frozen=True, kw_only=True, eq=False)
class Resource:
    """A table as the panel shows it.

    `one` is what a row is called, `label` the column by which people know a row. An action that is
    not among the `actions` does not exist. `rows` writes; by itself it is a statement for each.
    `tabs` is the column whose choices stand above the list.
    """

    name: str
    table: Table
    columns: Sequence[Column]
    label: str
    title: str = ""
    one: str = ""
    icon: str = "database"
    order: str = "-id"
    actions: Mapping[str, str] = field(default_factory=lambda: dict(ACTIONS))
    rows: Rows | None = None
    row_actions: Sequence[RowAction] = ()
    only: Callable[[Connection, Any], Sequence[Any]] | None = None  # which rows a person may see
    tabs: str = ""
    size: int = 50
    sizes: Sequence[int] = (25, 50, 100)
    place: int = 50  # in the navigation: lower is further up
    has_own_pages: bool = False

    def __post_init__(self) -> None:
        for complaint in _complaints(self):
            raise BadResource(f"Resource {self.name!r}: {complaint}")

    @property
    def heading(self) -> str:
        """What its rows are called together."""
        return self.title or self.name.replace("_", " ").capitalize()

    @property
    def noun(self) -> str:
        """What one of its rows is called, in small letters."""
        return self.one or self.name.replace("_", " ").removesuffix("s")

    @property
    def id(self) -> SQLColumnExpression[int]:
        """The id of a row."""
        return id_of(self.table)

    @cached_property
    def writes(self) -> Rows:
        """Who writes."""
        return self.rows or Rows(self.table)

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """Its columns by name."""
        return {each.name: each for each in self.columns}

    def shown_in(self, place: str) -> list[Column]:
        """The columns of a place; one that fills itself is asked for nowhere."""
        is_asked = place in ("create", "edit")
        found = [each for each in self.columns if place in each.show_in]
        return [each for each in found if not (is_asked and (each.fill or each.expression))]

    def expression(self, column: Column) -> Any:
        """Where the value stands in SQL; None for what is only asked for."""
        if column.expression is not None:
            return column.expression
        return getattr(self.table, column.name, None)

    def sortable(self) -> dict[str, SQLColumnExpression[Any]]:
        """What a list can be ordered by, by its name in an address."""
        found = {each.param: self.expression(each) for each in self.columns if each.sort}
        known = {name: by for name, by in found.items() if by is not None}
        return {"id": self.id, **known}

    def type_of(self, column: Column) -> Any:
        """The Python type of a column's values."""
        if column.type is not None:
            return column.type
        found = self.expression(column)
        return str if found is None else getattr(found.type, "impl", found.type).python_type

    def kind_of(self, column: Column) -> str:
        """How it is shown and filtered.

        It is one of text, long, boolean, choice, number, moment, day, secret and reference.
        """
        if column.reference is not None:
            return "reference"
        found = self.expression(column)
        is_long = found is not None and isinstance(found.type, Text)
        kind = kind_of_type(self.type_of(column))
        return "long" if kind == "text" and is_long else kind


def kind_of_type(annotation: Any) -> str:
    """The kind of a type's values; text when it is none that is known better."""
    annotation = plain_type(annotation)
    if get_origin(annotation) is Literal:
        return "choice"
    if not isinstance(annotation, type):
        return "text"
    kinds: list[tuple[Any, str]] = [
        (enum.Enum, "choice"), (bool, "boolean"), (NUMBERS, "number"),
        (datetime.datetime, "moment"), (datetime.date, "day"), ((SecretStr, SecretBytes), "secret"),
    ]  # fmt: skip
    return next((kind for known, kind in kinds if issubclass(annotation, known)), "text")


def plain_type(annotation: Any) -> Any:
    """A type without Annotated and `| None`."""
    if get_origin(annotation) is Annotated:
        return plain_type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return plain_type(next(each for each in get_args(annotation) if each is not type(None)))
    return annotation


def id_of(table: Table) -> SQLColumnExpression[int]:
    """The attribute that is the primary key."""
    found: SQLColumnExpression[int] = getattr(table, str(inspect(table).primary_key[0].key))
    return found


def _complaints(resource: Resource) -> list[str]:
    names = [each.name for each in resource.columns]
    keys = inspect(resource.table).primary_key
    wrong = {
        "its name must be made of small letters, digits and _.": not re.fullmatch(
            r"[a-z][a-z0-9_]*", resource.name
        ),
        "its table needs one whole number as its primary key.": len(keys) != 1
        or keys[0].type.python_type is not int,
        "two of its columns have the same name.": len(set(names)) < len(names),
        f"its label {resource.label!r} is none of its columns.": resource.label not in names,
        f"it cannot be ordered by {resource.order!r}.": resource.order.lstrip("-")
        not in resource.sortable(),
        "it needs the action view.": "view" not in resource.actions,
        f"its actions are among {', '.join(ACTIONS)}.": not set(resource.actions) <= set(ACTIONS),
    }
    return [sentence for sentence, is_so in wrong.items() if is_so] + [
        sentence for each in resource.columns for sentence in _column_complaints(resource, each)
    ]


def _column_complaints(resource: Resource, column: Column) -> list[str]:
    is_read = {"list", "show", "filter"} & set(column.show_in) or column.search or column.sort
    wrong = {
        f"places are among {', '.join(PLACES)}.": not set(column.show_in) <= set(PLACES),
        "an address has another meaning for its name.": column.param in _WORDS,
        "the table does not have it, so it can only be asked for.": bool(is_read)
        and resource.expression(column) is None,
        "say its type: the table does not have it.": column.type is None
        and resource.expression(column) is None,
    }
    return [f"column {column.name!r}: {sentence}" for sentence, is_so in wrong.items() if is_so]
