"""A server socket of flask-sock without the traps of the one it is made of.

It writes whole messages, one writer at a time; a peer that stops reading is dropped after some
seconds instead of holding a thread for good; and other threads can wake it while it waits for a
message. All of it goes in where flask-sock takes it: the raw socket of the request, and OPTIONS.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from simple_websocket import ConnectionClosed, Server

SEND_SECONDS = 5
PING_SECONDS: Final = 25
#: Where the web servers that have threads keep the raw socket of a request.
RAW_SOCKETS: Final = ("gunicorn.socket", "werkzeug.socket")


class LockedSocket:
    """The raw socket, with send() that sends everything, and one sender at a time."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._sending = threading.Lock()
        self.on_close: Callable[[], None] = lambda: None
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))

    def send(self, content: bytes) -> int:
        """Send all of it; raise OSError when the peer does not take it in time."""
        with self._sending:
            self._raw.sendall(content)
        return len(content)

    def close(self) -> None:
        """End what is sent and read; the web server, whose socket this is, closes it.

        The reader does this last of all, so it also tells that nothing will arrive any more.
        """
        with contextlib.suppress(OSError):
            self._raw.shutdown(socket.SHUT_RDWR)
        self.on_close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class Reader(threading.Thread):
    """The thread that reads what arrives; it does not keep a process that ends."""

    def __init__(self, target: Callable[[], None]) -> None:
        super().__init__(target=target, daemon=True)

    def run(self) -> None:
        """Read until the socket ends, also when another thread ends it just then."""
        with contextlib.suppress(ConnectionClosed):
            super().run()


#: SOCK_SERVER_OPTIONS of flask-sock. A larger frame ends the connection (1009); one above the
#: watcher's own limit only gets an error.
OPTIONS: Final = {
    "ping_interval": PING_SECONDS,
    "max_message_size": 1 << 20,
    "thread_class": Reader,
}


def lock_raw_socket(environ: dict[str, Any]) -> None:
    """Put a LockedSocket in place of the raw socket of a request, before the handshake."""
    for name in RAW_SOCKETS:
        if name in environ:
            environ[name] = LockedSocket(environ[name])


class LiveSocket:
    """The socket of one browser tab or program."""

    def __init__(self, server: Server) -> None:
        self._server: Any = server
        server.sock.on_close = self.wake
        if not server.connected:
            # The reader may have ended before it could tell.
            self.wake()

    def wake(self) -> None:
        """Let wait() return; callable from every thread, and never waits itself."""
        self._server.event.set()

    def wait(self, seconds: float) -> None:
        """Wait for a message, for wake(), or for so many seconds."""
        self._server.event.wait(seconds)
        self._server.event.clear()

    def messages(self) -> Iterator[str | bytes]:
        """What has arrived; raise ConnectionClosed when nothing will any more."""
        # No more than there are now: who never stops talking must still be told, and be stopped.
        for _ in range(len(self._server.input_buffer)):
            yield self._server.input_buffer.pop(0)
        if not self._server.connected:
            raise ConnectionClosed(self._server.close_reason, self._server.close_message)

    def send(self, content: str) -> None:
        """Send a whole message; a peer that does not read it in time is gone."""
        try:
            self._server.send(content)
        except OSError as error:
            self.give_up()
            raise ConnectionClosed(1006, "The peer does not read.") from error

    def give_up(self) -> None:
        """Drop the connection without a farewell, so that no thread waits for it."""
        self._server.connected = False
        self.wake()
        with contextlib.suppress(OSError):
            self._server.sock.shutdown(socket.SHUT_RDWR)

    def say_goodbye(self, code: int, reason: str) -> None:
        """Close with a code that tells the peer what to do."""
        with contextlib.suppress(ConnectionClosed, OSError):
            self._server.close(code, reason)

    def end(self) -> None:
        """Let the reader see the end of what arrives, and wait until it has.

        The web server closes the connection next; a reader that still waits for it would not be
        told, and stay until the next ping is due.
        """
        self._server.connected = False
        with contextlib.suppress(OSError):
            self._server.sock.shutdown(socket.SHUT_RD)
        self._server.thread.join(SEND_SECONDS)
