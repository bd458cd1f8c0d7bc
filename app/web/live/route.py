"""Where sockets come in: a seat is reserved before the handshake, and released at the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from flask import Flask, current_app, g, request
from flask.typing import ResponseReturnValue
from simple_websocket import ConnectionClosed, Server
from werkzeug.exceptions import ServiceUnavailable, TooManyRequests

from app.extensions import sock, the_database, the_engine, the_settings
from app.users import sign_ins
from app.web.access import may
from app.web.htmx import asked_by_script
from app.web.live.lookout import Lookout
from app.web.live.sharing import Shared
from app.web.live.socket import OPTIONS, LiveSocket, lock_raw_socket
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
    app.config["SOCK_SERVER_OPTIONS"] = OPTIONS
    sock.init_app(app)
    app.add_url_rule("/live", "live_without_upgrade", without_upgrade)


@sock.route("/live")  # type: ignore[untyped-decorator]
@may("view")
def live(server: Server) -> None:
    """Serve one socket until it ends. Who may open it was asked before the handshake."""
    engine, database, key = the_engine(), the_database(), here().key
    socket = LiveSocket(server)
    _serve(socket, key, lambda: Watcher(socket, engine, lambda: sign_ins.who(database, key)))


@may("view")
def without_upgrade() -> ResponseReturnValue:
    """Tell a page why its socket was refused, which a browser hides; else what this address is."""
    with _open:
        _demand_free_seat()
    if asked_by_script():
        return "", 204
    message = "This address speaks websocket only."
    return {"error": {"code": "upgrade_required", "message": message}}, 426


def close_all() -> None:
    """Close every socket because the server ends; returns at once."""
    with _open:
        watchers = list(_watchers)
    for watcher in watchers:
        watcher.stop()


def _reserve_seat() -> None:
    """Reserve a seat before the handshake, or refuse: an answer after it is no answer any more."""
    with _open:
        _demand_free_seat()
        _seats.append(here().id)
    g.seat = here().id
    lock_raw_socket(request.environ)


def _release_seat(_error: BaseException | None) -> None:
    if "seat" in g:
        with _open:
            _seats.remove(g.pop("seat"))


sock.bp.before_request(_reserve_seat)
sock.bp.teardown_request(_release_seat)


def _demand_free_seat() -> None:
    """Refuse when all seats are taken: pages need threads, too. To be called with the lock held.

    Nobody has more than half of them, so that there are some for others.
    """
    most = the_settings().max_sockets
    own = max(2, most // 2)
    if len(_seats) >= most:
        raise ServiceUnavailable("Too many live pages are open here just now. Try again later.")
    if _seats.count(here().id) >= own:
        raise TooManyRequests(
            f"You have {own} live pages open, as many as one person may have. Close one of them."
        )


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
