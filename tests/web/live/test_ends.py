"""The end of a socket leaves no trace: no thread, no stack trace, no answer behind the farewell."""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Callable

import pytest
import websocket
from flask import Flask

from app import create_app
from app.config import Settings
from app.web.live import route
from app.web.live import socket as live_socket
from tests.eventually import eventually
from tests.server import Server
from tests.visitor import Visitor
from tests.web.live.conftest import Listen
from tests.web.live.test_real_server import hear_until, own_server
from tests.web.live.test_slow_peers import live_threads

__all__ = ["own_server"]

Opened = websocket.WebSocket


def raw(opened: Opened) -> socket.socket:
    """The raw socket below a websocket."""
    assert opened.sock
    return opened.sock


def close(opened: Opened) -> None:
    """Close as a browser does."""
    opened.close()


def reset(opened: Opened) -> None:
    """Go without a word, as a killed program does."""
    now = struct.pack("ii", 1, 0)
    raw(opened).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
    raw(opened).close()


def send_too_much(opened: Opened) -> None:
    """Send a frame that is larger than any may be."""
    opened.send("x" * (live_socket.OPTIONS["max_message_size"] + 1))  # type: ignore[operator]


def send_garbage(opened: Opened) -> None:
    """Send what is no frame."""
    raw(opened).sendall(b"\xff" * 40)


def talk_nonsense(opened: Opened) -> None:
    """Send what is not understood until the server has had enough."""
    for _ in range(3):
        opened.send("nonsense")


ENDS = [close, reset, send_too_much, send_garbage, talk_nonsense]
End = Callable[[Opened], None]


def test_gunicorn_logs_nothing_of_it(own_server: Server) -> None:
    for end in ENDS:
        opened = own_server.socket("job-updates")
        hear_until(opened, '"data"')
        end(opened)
    assert own_server.stop() == 0
    log = own_server.log.read_text()
    assert "/live" not in log
    assert "Traceback" not in log


@pytest.mark.parametrize("end", [send_too_much, send_garbage, talk_nonsense])
def test_nothing_comes_after_the_close_frame(listen: Listen, vera: Visitor, end: End) -> None:
    listener = listen(vera)
    end(listener.socket)
    assert listener.farewell() in {1008, 1009, 1002}
    assert raw(listener.socket).recv(1000) == b""


@pytest.mark.parametrize("end", ENDS)
def test_the_seat_and_the_threads_are_free_and_no_thread_fails(
    listen: Listen,
    vera: Visitor,
    end: End,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    listener = listen(vera, "job-updates")
    listener.hear_until(lambda message: "data" in message)
    with caplog.at_level(logging.WARNING):
        end(listener.socket)
        eventually(lambda: not route._seats, within=3)
        eventually(lambda: live_threads() == 0, within=3)
    assert (caplog.records, capfd.readouterr().err) == ([], "")


def test_two_applications_of_one_process_have_the_socket(app: Flask, settings: Settings) -> None:
    second = create_app(settings)
    second.extensions["jobdeck_database"].dispose()
    for each in (app, second):
        assert [r.websocket for r in each.url_map.iter_rules() if r.rule == "/live"] == [
            True,
            False,
        ]
