"""Hints by PostgreSQL, which passes them on to the processes of all hosts: LISTEN and NOTIFY."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from app.db import Database
from app.jobs.store import telling

log = logging.getLogger(__name__)

#: The first is told by the database itself, in the transaction that makes work.
CHANNELS: Final = {"work": "jobdeck", "changes": "jobdeck_changes"}
#: After the connection is lost, a new one is tried each so many seconds.
AGAIN_SECONDS: Final = 1.0


class Notices:
    """The wire by PostgreSQL. `token` tells what this process says from what others say."""

    def __init__(self, database: Database, token: str) -> None:
        self._database = database
        self._token = token

    def tell(self, kind: str, said: str) -> None:
        """Say something to all other processes that hear this kind of hints."""
        if kind != "work":
            with self._database.writing_once() as connection:
                telling.tell(connection, CHANNELS[kind], f"{self._token} {said}")

    @contextmanager
    def hearing(self, kind: str, hear: Callable[[str], None]) -> Iterator[None]:
        """Call `hear` with what other processes say, until the block is left."""
        ear = _Ear(self._database, CHANNELS[kind], self._but_own(hear))
        try:
            yield
        finally:
            ear.close()

    def _but_own(self, hear: Callable[[str], None]) -> Callable[[str], None]:
        def hear_others(told: str) -> None:
            who, _, said = told.partition(" ")
            if who != self._token:
                hear(said)

        return hear_others


class _Ear:
    """A connection that listens, and the thread that waits for what arrives on it."""

    def __init__(self, database: Database, channel: str, hear: Callable[[str], None]) -> None:
        self._database = database
        self._channel = channel
        self._hear = hear
        self._is_over = threading.Event()
        self._closed, self._close = os.pipe()
        self._thread = threading.Thread(target=self._run, name="jobdeck-ear", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                with telling.listening(self._database, self._channel) as connection:
                    self._hear("")  # who knows what was said before
                    self._listen(connection)
            except Exception as error:  # noqa: BLE001 - whatever it is, there must be an ear
                log.warning("What other processes tell is not heard just now: %s", error)
                self._is_over.wait(AGAIN_SECONDS)

    def _listen(self, connection: Any) -> None:
        driver, arrival = connection.pgconn, select.poll()
        arrival.register(driver.socket, select.POLLIN)
        arrival.register(self._closed, select.POLLIN)
        while not self._is_over.is_set():
            arrival.poll()
            driver.consume_input()
            while notice := driver.notifies():
                self._hear(notice.extra.decode())

    def close(self) -> None:
        """Hear nothing any more."""
        self._is_over.set()
        os.write(self._close, b".")  # which ends its wait, whoever else has the pipe
        self._thread.join()
        os.close(self._close)
        os.close(self._closed)
