"""The application behind a real port, in this process: sockets open on it as on a server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from app.web.live import route
from tests.eventually import eventually
from tests.visitor import Visitor
from tests.web.jobs.conftest import at_work, engine, gate, settings
from tests.web.live.listener import Listener

__all__ = ["at_work", "engine", "gate", "settings"]

Listen = Callable[..., Listener]


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Where the application answers."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def listen(address: str) -> Iterator[Listen]:
    """Open sockets for people; all are closed at the end, and every place is free again."""
    opened: list[Listener] = []

    def open_one(visitor: Visitor, *topics: str) -> Listener:
        opened.append(Listener(address, visitor))
        for topic in topics:
            opened[-1].subscribe(topic)
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()
    eventually(lambda: not route._seats, within=10)
