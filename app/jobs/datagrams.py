"""Hints between the processes of a host: a datagram to each that hears them, waiting for none.

Who hears has a socket in a folder, its name says what it wants to hear. A socket whose process was
killed refuses what it is told, which costs nothing, and is removed by whoever notices. A process
that is frozen or busy misses hints, and needs none: it will look when it is back.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.fork_safety import close_in_forked_children

log = logging.getLogger(__name__)

MOST_BYTES: Final = 65_536
CLOSE_SECONDS: Final = 1.0
#: A socket that refuses is removed, but for one so new that it may not be ready yet.
NEW_SECONDS: Final = 10.0


class Datagrams:
    """The wire for one host. `token` tells what this process says from what others say."""

    def __init__(self, folder: Path, token: str) -> None:
        self._folder = folder
        self._token = token

    def tell(self, kind: str, said: str) -> None:
        """Say something to all other processes that hear this kind of hints; never waits."""
        try:
            folder = os.open(self._folder, os.O_RDONLY)
        except FileNotFoundError:
            return  # nobody has ever listened here
        try:
            names = [name for name in os.listdir(folder) if name.startswith(f"{kind}-")]
            if others := [name for name in names if f"-{self._token}-" not in name]:
                self._send(folder, others, said.encode())
        finally:
            os.close(folder)

    @contextmanager
    def hearing(self, kind: str, hear: Callable[[str], None]) -> Iterator[None]:
        """Call `hear` with what other processes say, until the block is left."""
        name = f"{kind}-{self._token}-{secrets.token_hex(4)}"
        try:
            ear = _Ear(self._folder, name, hear)
        except OSError as error:
            log.warning("Other processes cannot tell of jobs, so these are looked for: %s", error)
            yield
            return
        try:
            yield
        finally:
            ear.close()

    def _send(self, folder: int, names: list[str], said: bytes) -> None:
        with _new_socket() as sender:
            sender.setblocking(False)
            for name in names:
                try:
                    sender.sendto(said, _address(folder, self._folder / name))
                except ConnectionRefusedError:
                    _remove_dead(folder, name)
                except OSError:
                    pass  # it is busy, or has just gone


class _Ear:
    """A socket in the folder, and the thread that hears what comes."""

    def __init__(self, folder: Path, name: str, hear: Callable[[str], None]) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / name
        self._hear = hear
        self._is_over = False
        self._socket = _new_socket()
        close_in_forked_children(self, lambda ear: ear._socket.fileno())
        opened = os.open(folder, os.O_RDONLY)
        try:
            self._socket.bind(_address(opened, self._path))
        except OSError:
            self._socket.close()
            raise
        finally:
            os.close(opened)
        self._thread = threading.Thread(target=self._run, name="jobdeck-ear", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            said = self._socket.recv(MOST_BYTES)
            if self._is_over:
                return
            self._hear(said.decode(errors="replace"))

    def close(self) -> None:
        """Hear nothing any more."""
        self._is_over = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)  # which ends its wait
        self._thread.join(CLOSE_SECONDS)
        self._path.unlink(missing_ok=True)
        self._socket.close()


def _new_socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)


def _address(folder: int, path: Path) -> str:
    """A socket's path must be short, and by the kernel's name of an open folder it always is."""
    opened = f"/proc/self/fd/{folder}"
    return f"{opened}/{path.name}" if os.path.exists(opened) else str(path)


def _remove_dead(folder: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if time.time() - os.stat(name, dir_fd=folder).st_mtime > NEW_SECONDS:
            os.unlink(name, dir_fd=folder)
