"""SQL that is written once, as SQLite reads it, and how it is asked: elsewhere in other words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Final, Self

from sqlalchemy import (
    Boolean,
    Connection,
    Dialect,
    Integer,
    Row,
    Select,
    String,
    TextClause,
    bindparam,
    func,
    select,
)
from sqlalchemy.engine import result_tuple
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ColumnElement, UnaryExpression
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import NULLTYPE, Text, TypeDecorator

from app.engines import rightly_named
from app.wordings import lists_in, reworded

#: What stands for an empty list where it is written out: SQL has none, and no id is this.
NOTHING: Final = (-(2**62),)


class Listed(TypeDecorator[str]):
    """A list as JSON, for a driver that writes it out: `IN (1, 2, 3)`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        """The list itself."""
        return written_out(value or "[]")


def written_out(listed: str) -> tuple[Any, ...]:
    """A list that may follow `IN`."""
    return tuple(json.loads(listed)) or NOTHING


class Statement(TextClause):
    """An SQL text with bound values, and its wordings for databases that need other ones."""

    inherit_cache = True
    gathered: str = ""

    @cached_property
    def wordings(self) -> dict[str, str]:
        """Its own wording by the name of a dialect, where no rule makes it."""
        return {}

    def on_postgresql(self, wording: str) -> Self:
        """Give the wording for PostgreSQL, with the same bound values."""
        self.wordings["postgresql"] = wording
        return self

    def on_mariadb(self, wording: str) -> Self:
        """Give the wording for MariaDB, with the same bound values."""
        self.wordings["mariadb"] = wording
        return self

    def on_sql_server(self, wording: str) -> Self:
        """Give the wording for SQL Server, with the same bound values."""
        self.wordings["mssql"] = wording
        return self

    @cached_property
    def on_sqlite(self) -> str:
        """The text that SQLite's driver takes; its rows come gathered in one, as JSON.

        The driver lets go of the interpreter at each row that it fetches, and gets it back when
        other threads have had their turns.
        """
        if not self.gathered:
            return self.text
        return f"SELECT json_group_array(json_array({self.gathered})) FROM ({self.text})"

    @cached_property
    def lists(self) -> tuple[str, ...]:
        """The names of the values that are lists as JSON."""
        return lists_in(self.text)

    def words(self, dialect: Dialect) -> str:
        """The text that another database's driver takes, with values by name."""
        if dialect.name not in self._words:
            self._words[dialect.name] = str(self.compile(dialect=dialect))
        return self._words[dialect.name]

    @cached_property
    def _words(self) -> dict[str, str]:
        return {}


def rows(
    connection: Connection, asked: Statement, values: Mapping[str, Any]
) -> Sequence[Sequence[Any]]:
    """Execute a statement and return its rows, past what SQLAlchemy does around it.

    That takes ten times as long as the statements that are asked hundreds of times a second.
    Raises what SQLAlchemy would.
    """
    dialect = connection.dialect
    is_sqlite = dialect.name == "sqlite"
    wording = asked.on_sqlite if is_sqlite else asked.words(dialect)
    if dialect.name == "mariadb":
        values = {**values, **{name: written_out(values[name]) for name in asked.lists}}
    driver: Any = connection.connection.dbapi_connection
    try:
        cursor = driver.cursor()
        cursor.execute(wording, values)
        found: Sequence[Sequence[Any]] = cursor.fetchall() if cursor.description else ()
    except dialect.loaded_dbapi.Error as error:
        raise _failure(connection, wording, error) from error
    return json.loads(found[0][0]) if is_sqlite and asked.gathered else found


#: What comes out of JSON as it went in, and for how many columns SQLite makes an array.
_PLAIN: Final = (Integer, String, Boolean, TypeDecorator)
_MOST_COLUMNS: Final = 100


def _failure(connection: Connection, wording: str, error: Any) -> Exception:
    """What SQLAlchemy would make of an error of the driver."""
    dialect, driver = connection.dialect, connection.connection.dbapi_connection
    named, is_gone = error, dialect.is_disconnect(error, driver, None)
    is_broken = is_gone
    if dialect.name == "mariadb":
        named = rightly_named(error, dialect.loaded_dbapi)
        # A procedure that was broken off may leave a transaction open, and its own variable set.
        is_broken = is_gone or "jobdeck: " not in str(error)
    if is_broken:
        connection.invalidate(error)
    made: Exception = DBAPIError.instance(
        wording, None, named, dialect.loaded_dbapi.Error,
        dialect=dialect, connection_invalidated=is_gone,
    )  # fmt: skip
    return made


def gathered(
    connection: Connection, wanted: Select[*tuple[Any, ...]]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Execute a question that is built, and return its rows; from SQLite they come as one, as JSON.

    Its driver lets go of the interpreter at each row: beside handlers that calculate, a page of
    fifty rows would wait for its turn fifty times.
    """
    dialect, columns = connection.dialect, list(wanted.selected_columns)
    is_plain = all(isinstance(each.type, _PLAIN) for each in columns)
    if dialect.name != "sqlite" or len(columns) > _MOST_COLUMNS or not is_plain:
        return connection.execute(wanted).all()
    as_one = func.json_group_array(func.json_array(*wanted.subquery("wanted").c), type_=String)
    found = json.loads(connection.execute(select(as_one)).scalar_one())
    readers = {
        place: read for place, each in enumerate(columns) if (read := _reader(each, dialect))
    }
    for row in found:
        for place, read in readers.items():
            row[place] = read(row[place])
    made = result_tuple([str(each.key) for each in columns])
    return [made(row) for row in found]


def _reader(column: ColumnElement[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """What makes a value of a column of what the driver gives, where that is not it already."""
    return column.type.dialect_impl(dialect).result_processor(dialect, None)


def for_each(
    part: str, wanted: Sequence[object], values: Mapping[str, Any], *, whole: str
) -> tuple[Statement, dict[str, Any]]:
    """A question about each of those wanted, where a join cannot have a limit of its own.

    `part` asks about `:each` one; `whole` asks of the {parts}. Returns it with all its values.
    """
    if not wanted:
        return statement(whole.format(parts=part.replace(":each", "NULL"))), dict(values)
    each = {f"each_{place}": value for place, value in enumerate(wanted)}
    return _united(part, whole, len(wanted)), {**values, **each}


@lru_cache(128)
def _united(part: str, whole: str, number: int) -> Statement:
    parts = (f"({part.replace(':each', f':each_{place}')})" for place in range(number))
    return statement(whole.format(parts=" UNION ALL ".join(parts)))


def statement(wording: str, *, columns: str = "") -> Statement:
    """An SQL text that all databases take. `columns`: what it returns, for rows() of many rows."""
    made = Statement(wording)
    made.gathered = columns
    return made


class Expression(ColumnElement[Any]):
    """A part of a statement that is built: written once, as a Statement is."""

    inherit_cache = True
    _traverse_internals = [("text", InternalTraversal.dp_string)]  # noqa: RUF012 - SQLAlchemy's

    def __init__(self, wording: str, **wordings: str) -> None:
        self.text = wording
        self.wordings = wordings
        self.type = NULLTYPE


@compiles(Expression)
def _part(element: Expression, compiler: Any, **_: Any) -> str:
    name = compiler.dialect.name
    return element.wordings.get(name) or reworded(element.text, name)


@compiles(Statement, "postgresql")
@compiles(Statement, "mariadb")
@compiles(Statement, "mssql")
def _worded(element: Statement, compiler: Any, **context: Any) -> str:
    name = compiler.dialect.name
    there = TextClause(element.wordings.get(name) or reworded(element.text, name))
    there._bindparams |= element._bindparams
    if name == "mariadb":
        there._bindparams |= {each: bindparam(each, type_=Listed()) for each in element.lists}
    compiled: str = compiler.visit_textclause(there, **context)
    return compiled


@compiles(UnaryExpression, "mariadb")
@compiles(UnaryExpression, "mssql")
def _nulls_are_least(element: Any, compiler: Any, **context: Any) -> str:
    """NULLS FIRST and LAST, as the others are told, is what these do and cannot be told."""
    is_told = element.modifier in (operators.nulls_first_op, operators.nulls_last_op)
    compiled: str = (
        compiler.process(element.element, **context)
        if is_told
        else compiler.visit_unary(element, **context)
    )
    return compiled
