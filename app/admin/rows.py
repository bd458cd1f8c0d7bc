"""How rows of a table come, change and go. A resource with rules of its own brings its own.

Whoever calls it commits the session that it hands over, or rolls it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import CursorResult, delete, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Session

from app.admin.errors import Refused, RowNotFound

Written = Mapping[str, Any]


class Rows:
    """One statement for each change, after a look at what must be unique.

    What a subclass does before and after `super()` happens before and after the change, and is
    committed with it; raise Refused to say why something cannot be.
    """

    def __init__(self, table: type[DeclarativeBase]) -> None:
        self.table = table
        self._id = getattr(table, str(inspect(table).primary_key[0].key))

    def create(self, session: Session, values: Written, by: Any) -> int:
        """Write a new row and return its id."""
        self._demand_unique(session, values, None)
        made = insert(self.table).values(**values).returning(self._id)
        try:
            return int(session.execute(made).scalar_one())
        except IntegrityError as error:
            raise Refused("The database refuses these values.") from error

    def update(self, session: Session, row_id: int, values: Written, by: Any) -> None:
        """Change a row; raise RowNotFound."""
        self._demand_unique(session, values, row_id)
        changed = update(self.table).where(self._id == row_id).values(**values)
        try:
            found = cast(CursorResult[Any], session.execute(changed)).rowcount
        except IntegrityError as error:
            raise Refused("The database refuses these values.") from error
        if not found:
            raise RowNotFound("row", row_id)

    def delete(self, session: Session, row_id: int, by: Any) -> None:
        """Take a row away; one that is gone already is no mistake."""
        try:
            session.execute(delete(self.table).where(self._id == row_id))
        except IntegrityError as error:
            raise Refused("Others still refer to it. Change or delete those first.") from error

    def _demand_unique(self, session: Session, values: Written, but: int | None) -> None:
        taken = {
            column.key: ["There is one like this already."]
            for column in inspect(self.table).columns
            if column.unique
            and values.get(column.key) is not None
            and self._is_taken(session, column.key, values[column.key], but)
        }
        if taken:
            raise Refused(fields=taken)

    def _is_taken(self, session: Session, name: str, value: Any, but: int | None) -> bool:
        others = select(self._id).where(getattr(self.table, name) == value)
        if but is not None:
            others = others.where(self._id != but)
        return session.execute(others.limit(1)).first() is not None
