"""Transactions that wait for a database which is away, and are made once, whatever is answered."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.db import Database, why
from app.jobs.errors import is_outage
from app.jobs.store import committing

log = logging.getLogger(__name__)

#: While the database is away it is tried again so often.
RETRY_SECONDS: Final = 0.5

Done = TypeVar("Done")

#: Waits for so many seconds, and raises when there is nothing to wait for any more.
Rest = Callable[[float], None]


class Patience:
    """Reads and writes, and waits with `rest` while the database is away; without it, not at all.

    What is done may be done again: it must have no effect but on the connection that it gets.
    """

    def __init__(self, database: Database, rest: Rest | None = None) -> None:
        self.database = database
        self._rest = rest

    def read(self, ask: Callable[[Connection], Done]) -> Done:
        """Ask something, and return the answer."""
        return self._ask(self.database.reading, ask)

    def write(self, act: Callable[[Connection], Done]) -> Done:
        """Do something in a transaction that commits exactly once.

        What fails before its COMMIT has not happened, and is done again. When the COMMIT gets no
        answer, the server is asked what became of it.
        """
        while True:
            unanswered: tuple[str | None, Done] | None = None
            try:
                with self.database.writing() as connection:
                    mark = committing.mark(connection)
                    unanswered = mark, act(connection)
                return unanswered[1]
            except DBAPIError as error:
                self._wait(error)
            if unanswered and self._is_committed(unanswered[0]):
                return unanswered[1]

    def _is_committed(self, mark: str | None) -> bool:
        if mark is None:
            return False
        return self._ask(self.database.writing, lambda conn: committing.is_committed(conn, mark))

    def _ask(
        self,
        way: Callable[[], AbstractContextManager[Connection]],
        ask: Callable[[Connection], Done],
    ) -> Done:
        while True:
            try:
                with way() as connection:
                    return ask(connection)
            except DBAPIError as error:
                self._wait(error)

    def _wait(self, error: DBAPIError) -> None:
        if self._rest is None or not is_outage(error):
            raise error
        log.warning("The database is away, and is tried again soon: %s", why(error))
        self._rest(RETRY_SECONDS)
