"""Where sockets come in: counted at the door, served in their own thread, closed on the way out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from flask import Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from simple_websocket.errors import ConnectionClosed
from werkzeug.exceptions import ServiceUnavailable, TooManyRequests

from app.extensions import the_database, the_engine, the_settings
from app.users import sign_ins
from app.web.access import may
from app.web.live.lookout import Lookout
from app.web.live.sharing import Shared
from app.web.live.socket import LiveSocket
from app.web.live.watcher import Watcher
from app.web.session import here

log = logging.getLogger(__name__)

_open = threading.Condition()
_watchers: set[Watcher] = set()
_seats: list[int] = []  # for each open socket of this process: whose it is


def init_app(app: Flask) -> None:
    """Give the application its socket."""
    database = app.extensions["jobdeck_database"]
    app.extensions["jobdeck_lookout"] = Lookout(
        app.extensions["jobdeck"], lambda keys: sign_ins.who_are(database, keys)
    )
    app.extensions["jobdeck_drawings"] = Shared()
    app.add_url_rule("/live", "live", live, websocket=True)
    app.add_url_rule("/live", "live_without_upgrade", without_upgrade)


@may("view")
def live() -> ResponseReturnValue:
    """Serve one socket until it ends. Who may open it was asked before the upgrade."""
    engine, database, key = the_engine(), the_database(), here().key
    with _seat(here().id, the_settings().max_sockets):
        socket = LiveSocket(request.environ)
        _serve(socket, key, lambda: Watcher(socket, engine, lambda: sign_ins.who(database, key)))
    return _TakenOver()


@may("view")
def without_upgrade() -> ResponseReturnValue:
    """Say what this address is for."""
    message = "This address speaks websocket only."
    return {"error": {"code": "upgrade_required", "message": message}}, 426


def close_all() -> None:
    """Close every socket because the server ends; returns at once."""
    with _open:
        watchers = list(_watchers)
    for watcher in watchers:
        watcher.stop()


def _serve(socket: LiveSocket, key: str, watch: Callable[[], Watcher]) -> None:
    """Serve an open socket. No error may leave here: its page would be written into the socket."""
    lookout = cast(Lookout, current_app.extensions["jobdeck_lookout"])
    try:
        with _listed(watch()) as watcher, lookout.watching(key, watcher):
            watcher.serve()
    except ConnectionClosed:
        pass
    except Exception:
        log.exception("A live socket failed")
        socket.say_goodbye(1011, "Something went wrong here; connect again.")
    finally:
        socket.end()


@contextmanager
def _listed(watcher: Watcher) -> Iterator[Watcher]:
    """Have a watcher among those that are told when the server ends."""
    with _open:
        _watchers.add(watcher)
    try:
        yield watcher
    finally:
        with _open:
            _watchers.discard(watcher)


@contextmanager
def _seat(person_id: int, most: int) -> Iterator[None]:
    """Take one of so many places, or refuse before the upgrade: pages need threads, too.

    Nobody has more than half of them, so that there are some for others.
    """
    own = max(2, most // 2)
    with _open:
        if len(_seats) >= most:
            raise ServiceUnavailable("Too many live connections are open; try again later.")
        if _seats.count(person_id) >= own:
            raise TooManyRequests(f"You have {own} live connections open; close one of them first.")
        _seats.append(person_id)
    try:
        yield
    finally:
        with _open:
            _seats.remove(person_id)


class _TakenOver(Response):
    """The answer when the connection was a socket: the web server must write nothing more."""

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """End the request in the way that each web server understands."""
        if "gunicorn.socket" in environ:
            raise StopIteration
        return super().__call__(environ, start_response)
