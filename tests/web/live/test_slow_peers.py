"""A peer that says nothing or reads nothing gives its thread back, and costs the others nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from app.jobs import Engine
from app.web.live import kinds, route, watcher
from app.web.live import socket as live_socket
from tests.eventually import eventually
from tests.visitor import Visitor
from tests.web.live.conftest import Listen
from tests.web.live.listener import told

HANDSHAKE = (
    "GET /live HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: jobdeck_session={cookie}\r\n\r\n"
)


@pytest.fixture
def peer(address: str, vera: Visitor) -> Iterator[socket.socket]:
    """A peer that has opened a socket and then does only what the test does."""
    host, _, port = address.partition(":")
    cookie = vera.client.get_cookie("jobdeck_session")
    assert cookie is not None
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect((host, int(port)))
        raw.sendall(HANDSHAKE.format(address=address, cookie=cookie.value).encode())
        assert raw.recv(12) == b"HTTP/1.1 101"
        yield raw
    eventually(lambda: not route._seats, within=10)


def frame(text: str) -> bytes:
    """A short text as a client sends it, masked with zeros."""
    content = text.encode()
    return bytes([0x81, 0x80 | len(content), 0, 0, 0, 0]) + content


def live_threads() -> int:
    """Threads that serve sockets, and those that read for them."""
    names = [each.name for each in threading.enumerate()]
    return sum("process_request" in name or "_thread" in name for name in names)


class TestSilent:
    """A peer that answers no ping."""

    @pytest.fixture(autouse=True)
    def _ping_often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(live_socket.OPTIONS, "ping_interval", 0.2)
        monkeypatch.setattr(watcher, "IDLE_SECONDS", 0.2)

    def test_a_silent_peer_frees_its_place_and_its_threads(self, peer: socket.socket) -> None:
        assert len(route._seats) == 1
        eventually(lambda: not route._seats, within=3)
        eventually(lambda: live_threads() == 0, within=3)

    def test_a_peer_that_answers_stays(self, listen: Listen, vera: Visitor) -> None:
        listener = listen(vera)
        listener.snapshot("job-updates")
        assert listener.silent_for(1.2)
        assert listener.snapshot("job-updates") == []


class TestNotReading:
    """A peer whose buffers are full."""

    @pytest.fixture(autouse=True)
    def _wait_briefly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live_socket, "SEND_SECONDS", 1)

    @pytest.fixture
    def large(self, engine: Engine) -> int:
        """A job whose tasks take some megabytes to tell."""
        return engine.start("swift", tasks=[{"state": {"x": "x" * 200_000}}] * 10)

    def test_a_peer_that_stops_reading_frees_its_place_and_its_threads(
        self, peer: socket.socket, large: int
    ) -> None:
        for _ in range(10):
            peer.sendall(frame(f'{{"subscribe": "job-task-updates/{large}"}}'))
        eventually(lambda: not route._seats, within=6)
        eventually(lambda: live_threads() == 0, within=3)

    def test_the_others_hear_as_before(
        self, peer: socket.socket, large: int, listen: Listen, vera: Visitor, engine: Engine
    ) -> None:
        for _ in range(10):
            peer.sendall(frame(f'{{"subscribe": "job-task-updates/{large}"}}'))
        listener = listen(vera)
        listener.snapshot("job-updates")
        for _ in range(4):
            job_id = engine.start("swift")
            listener.hear_until(lambda message: told(message, job_id), within=0.8)  # noqa: B023

    def test_a_large_message_arrives_whole(self, listen: Listen, vera: Visitor, large: int) -> None:
        data = listen(vera).snapshot(f"job-task-updates/{large}")
        assert [len(each["state"]["x"]) for each in data] == [200_000] * 10


def test_a_peer_that_vanishes_in_the_middle_of_a_frame(
    peer: socket.socket, listen: Listen, vera: Visitor
) -> None:
    peer.sendall(frame('{"subscribe": "job-updates"}')[:9])
    peer.close()
    eventually(lambda: not route._seats)
    assert listen(vera).snapshot("job-updates") == []


@pytest.mark.parametrize("garbage", [b"\xff" * 40, b"\x81\x05hello", b"\x83\x80\0\0\0\0", b"GET /"])
def test_a_peer_that_speaks_no_websocket(peer: socket.socket, garbage: bytes) -> None:
    peer.sendall(garbage + b"\x88\x80\0\0\0\0")
    peer.shutdown(socket.SHUT_WR)
    eventually(lambda: not route._seats)


def test_what_goes_wrong_inside_is_a_close_and_no_page(
    listen: Listen, vera: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("inside of a topic")

    monkeypatch.setattr(kinds, "topic", fail)
    listener = listen(vera, "job-updates")
    assert listener.farewell() == 1011
