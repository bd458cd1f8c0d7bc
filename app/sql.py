"""SQL written once, as SQLite reads it, and reworded for PostgreSQL where the two differ."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Self

from sqlalchemy import Connection, Dialect, TextClause
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles

#: Bound values of these names are times. PostgreSQL wants to know, where no column tells it.
TIMES: Final = ("at", "now", "until", "before", "run", "due")

_REWORDED: Final = tuple(
    (re.compile(pattern), wording)
    for pattern, wording in (
        # A bound list of names or whole numbers. As an array it leads to the index, however long.
        (
            r"(\S+) NOT IN \(SELECT value FROM json_each\((:called)\)\)",
            r"\1 <> ALL (ARRAY(SELECT value FROM json_array_elements_text(CAST(\2 AS json))))",
        ),
        (
            r"(\S+) IN \(SELECT value FROM json_each\((:handlers)\)\)",
            r"\1 = ANY (ARRAY(SELECT value FROM json_array_elements_text(CAST(\2 AS json))))",
        ),
        (
            r"(\S+) IN \(SELECT value FROM json_each\((:\w+)\)\)",
            r"\1 = ANY (ARRAY(SELECT CAST(value AS bigint)"
            r" FROM json_array_elements_text(CAST(\2 AS json))))",
        ),
        # Whether two may both be NULL and count as the same.
        (r" IS (:\w+)", r" IS NOT DISTINCT FROM \1"),
        # What keeps both away from the indexes of a status, where a row is known by its id.
        (r"(?<![^\s(])\+((?:[a-z_]+\.)?status)\b", r"\1 || ''"),
        # What keeps SQLite away from others, or leads it to one: PostgreSQL finds its way.
        (r"(?<![^\s(])\+(?=[a-z])", ""),
        (r" INDEXED BY \w+", ""),
        (r"\bCROSS JOIN (\w+) ON\b", r"JOIN \1 ON"),
        (rf"(?<!:):({'|'.join(TIMES)})\b", r"CAST(:\1 AS timestamptz)"),
    )
)


class Statement(TextClause):
    """An SQL text with bound values. `postgresql` is its wording there, where it is another one."""

    inherit_cache = True
    postgresql: str | None = None
    gathered: str = ""

    def on_postgresql(self, wording: str) -> Self:
        """Give the wording for PostgreSQL, with the same bound values."""
        self.postgresql = wording
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

    def words(self, dialect: Dialect) -> str:
        """The text that another database's driver takes, with values by name."""
        if dialect.name not in self._words:
            self._words[dialect.name] = str(self.compile(dialect=dialect))
        return self._words[dialect.name]

    @cached_property
    def _words(self) -> dict[str, str]:
        return {}


def rows(
    connection: Connection, asked: Statement, values: Mapping[str, object]
) -> Sequence[Sequence[Any]]:
    """Execute a statement and return its rows, past what SQLAlchemy does around it.

    That takes ten times as long as the statements that are asked hundreds of times a second.
    Raises what SQLAlchemy would.
    """
    dialect = connection.dialect
    is_sqlite = dialect.name == "sqlite"
    wording = asked.on_sqlite if is_sqlite else asked.words(dialect)
    driver: Any = connection.connection.dbapi_connection
    try:
        cursor = driver.execute(wording, values)
        found: Sequence[Sequence[Any]] = cursor.fetchall() if cursor.description else ()
    except dialect.loaded_dbapi.Error as error:
        if dialect.is_disconnect(error, driver, None):
            connection.invalidate(error)
        raise DBAPIError.instance(
            wording, None, error, dialect.loaded_dbapi.Error, dialect=dialect
        ) from error
    return json.loads(found[0][0]) if is_sqlite and asked.gathered else found


def statement(wording: str, *, columns: str = "") -> Statement:
    """An SQL text that both databases take. `columns`: what it returns, for rows() of many rows."""
    made = Statement(wording)
    made.gathered = columns
    return made


def reworded(wording: str) -> str:
    """The same for PostgreSQL."""
    for pattern, other in _REWORDED:
        wording = pattern.sub(other, wording)
    return wording


@compiles(Statement, "postgresql")
def _for_postgresql(element: Statement, compiler: Any, **context: Any) -> str:
    there = TextClause(element.postgresql or reworded(element.text))
    there._bindparams |= element._bindparams
    compiled: str = compiler.visit_textclause(there, **context)
    return compiled
