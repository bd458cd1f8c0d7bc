"""How rows of a table come, change and go. A resource with rules of its own brings its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase

from app.admin.errors import Refused, RowNotFound
from app.db import Database

Written = Mapping[str, Any]


class Rows:
    """One statement for each change, after a look at what must be unique.

    What a subclass does before and after `super()` happens before and after the change; raise
    Refused to say why something cannot be.
    """

    def __init__(self, table: type[DeclarativeBase]) -> None:
        self.table = table
        self._id = getattr(table, str(inspect(table).primary_key[0].key))

    def create(self, database: Database, values: Written, by: Any) -> int:
        """Write a new row and return its id."""
        with database.writing() as connection:
            self._demand_unique(connection, values, None)
            made = insert(self.table).values(**values).returning(self._id)
            try:
                return int(connection.execute(made).scalar_one())
            except IntegrityError as error:
                raise Refused("The database refuses these values.") from error

    def update(self, database: Database, row_id: int, values: Written, by: Any) -> None:
        """Change a row; raise RowNotFound."""
        with database.writing() as connection:
            self._demand_unique(connection, values, row_id)
            changed = update(self.table).where(self._id == row_id).values(**values)
            try:
                found = connection.execute(changed).rowcount
            except IntegrityError as error:
                raise Refused("The database refuses these values.") from error
        if not found:
            raise RowNotFound("row", row_id)

    def delete(self, database: Database, row_id: int, by: Any) -> None:
        """Take a row away; one that is gone already is no mistake."""
        with database.writing() as connection:
            try:
                connection.execute(delete(self.table).where(self._id == row_id))
            except IntegrityError as error:
                raise Refused("Others still refer to it. Change or delete those first.") from error

    def _demand_unique(self, connection: Connection, values: Written, but: int | None) -> None:
        taken = {
            column.key: ["There is one like this already."]
            for column in inspect(self.table).columns
            if column.unique
            and values.get(column.key) is not None
            and self._is_taken(connection, column.key, values[column.key], but)
        }
        if taken:
            raise Refused(fields=taken)

    def _is_taken(self, connection: Connection, name: str, value: Any, but: int | None) -> bool:
        others = select(self._id).where(getattr(self.table, name) == value)
        if but is not None:
            others = others.where(self._id != but)
        return connection.execute(others.limit(1)).first() is not None
