"""A row for every table, whatever it holds: to see what a migration does to rows."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Boolean, Connection, Float, Integer, MetaData, String, Table, insert, inspect
from sqlalchemy.types import TypeEngine


def tables_of(connection: Connection) -> list[Table]:
    """The tables that are there, a table before those that refer to it."""
    metadata = MetaData()
    metadata.reflect(connection)
    return [each for each in metadata.sorted_tables if each.name != "alembic_version"]


def fill(connection: Connection, table: Table) -> dict[str, Any]:
    """Put one row into the table, with a value in every column that has none by itself."""
    checks = inspect(connection).get_check_constraints(table.name)
    conditions = " ".join(str(each["sqltext"]) for each in checks)
    row = {
        column.name: _allowed(column.name, conditions) or _a_value(column.type)
        for column in table.columns
        if column.server_default is None and column.computed is None
    }
    connection.execute(insert(table).values(row))
    return row


def _allowed(name: str, conditions: str) -> str | None:
    """The first of the texts that a check allows: `x IN ('a', ...)` in any database's words."""
    words = re.search(rf"\b{name}\b[^',]*(?:IN|ANY)[^',]*'(\w+)'", conditions)
    return words and words[1]


def _a_value(kind: TypeEngine[Any]) -> Any:
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, Integer | Float):
        return 1
    return "x" if isinstance(kind, String) else datetime(2026, 1, 2, tzinfo=UTC)
