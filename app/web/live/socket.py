"""A server socket without the traps of the one it is made of.

It writes whole messages, one writer at a time; a reader that stops reading is given up after some
seconds instead of holding a thread for good; and others can wake it while it waits for a message.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import simple_websocket
from simple_websocket.errors import ConnectionClosed
from werkzeug.exceptions import BadRequest
from wsproto.utilities import ProtocolError

SEND_SECONDS = 5
PING_SECONDS = 25
#: Larger frames end the connection (1009); frames above live's own limit only get an error.
MOST_BYTES = 1 << 20


class _WholeWrites:
    """The raw socket, with send() that sends everything, and one sender at a time."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._one = threading.Lock()

    def send(self, content: bytes) -> int:
        with self._one:
            self._raw.sendall(content)
        return len(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class LiveSocket(simple_websocket.Server):  # type: ignore[misc]
    """The socket of one browser tab or program."""

    sock: Any

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__(
            environ,
            ping_interval=PING_SECONDS,
            max_message_size=MOST_BYTES,
            # The reader must not keep a process that ends.
            thread_class=functools.partial(threading.Thread, daemon=True),
        )

    def handshake(self) -> None:
        """Agree to speak, with the raw socket made safe before."""
        self.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0)
        )
        self.sock = _WholeWrites(self.sock)
        try:
            super().handshake()
        except ProtocolError as error:
            raise BadRequest from error

    def wake(self) -> None:
        """Let wait() return; callable from every thread, and never waits itself."""
        self.event.set()

    def wait(self, seconds: float) -> None:
        """Wait for a message, for wake(), or for so many seconds."""
        self.event.wait(seconds)
        self.event.clear()

    def messages(self) -> Iterator[str | bytes]:
        """What has arrived; raise ConnectionClosed when nothing will any more."""
        # No more than there are now: who never stops talking must still be told, and be stopped.
        for _ in range(len(self.input_buffer)):
            yield self.input_buffer.pop(0)
        if not self.connected:
            raise ConnectionClosed(self.close_reason, self.close_message)

    def send(self, content: str) -> None:
        """Send a whole message; a peer that does not read it in time is gone."""
        try:
            super().send(content)
        except OSError as error:
            self.give_up()
            raise ConnectionClosed(1006, "The peer does not read.") from error

    def give_up(self) -> None:
        """Drop the connection without a farewell, so that no thread waits for it."""
        self.connected = False
        self.event.set()
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def say_goodbye(self, code: int, reason: str) -> None:
        """Close with a code that tells the peer what to do."""
        with contextlib.suppress(ConnectionClosed, OSError):
            self.close(code, reason)

    def end(self) -> None:
        """Let the reader see the end of what arrives, and wait until it has.

        The web server closes the connection next; a reader that still waits for it would not be
        told, and stay until the next ping is due.
        """
        self.connected = False
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RD)
        self.thread.join(SEND_SECONDS)

    def _handle_events(self) -> bool:
        goes_on = bool(super()._handle_events())
        if not goes_on:
            # Who waits is woken by the one below, but may find the socket connected yet.
            self.connected = False
            self.event.set()
        return goes_on
