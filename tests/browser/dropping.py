"""A proxy that can drop what goes through it without a word, as one on the way does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PIECE = 2**16


class DroppingProxy:
    """Passes on to a port of this host. What was open when it drops stays open, and is mute."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        self._mute = threading.Event()  # of those that are open now
        self._sockets: list[socket.socket] = []

    def drop(self) -> None:
        """Pass nothing more on of what is open; new connections are as before."""
        self._mute.set()
        self._mute = threading.Event()

    def serve(self) -> None:
        """Accept until it is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                server = socket.create_connection(("127.0.0.1", self._port))
                self._sockets += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=_pass_on, args=(*pair, self._mute), daemon=True).start()

    def close(self) -> None:
        """Close everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for each in (self._listener, *self._sockets):
            each.close()


def _pass_on(source: socket.socket, target: socket.socket, mute: threading.Event) -> None:
    with suppress(OSError):
        while content := source.recv(PIECE):
            if not mute.is_set():
                target.sendall(content)
        if not mute.is_set():
            target.shutdown(socket.SHUT_WR)


@contextmanager
def dropping_proxy(port: int) -> Iterator[DroppingProxy]:
    """A proxy before this port, while the block runs."""
    proxy = DroppingProxy(port)
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
