"""A client that is still sending does not listen, so it is heard out before it is answered.

A server that answers in the middle of an upload and closes the connection resets it, and the
answer is lost with what was not read: the client never learns what was wrong.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

from flask import Flask, Response, request
from gunicorn.http.errors import NoMoreData, ParseException  # type: ignore[import-untyped]

#: More than this nobody is patient enough to hear: then the connection is just closed.
MOST_BYTES: Final = 512 * 2**20
MOST_SECONDS: Final = 60.0
PIECE: Final = 2**16

#: What reading a request raises that ends in its middle, or whose parts are not what they say.
BROKEN_OFF: Final = (NoMoreData, ParseException)


def init_app(app: Flask) -> None:
    """Read what is left of each request, and forget it."""
    app.after_request(_hear_out)


def _hear_out(response: Response) -> Response:
    sends = request.content_length or "Transfer-Encoding" in request.headers
    # Only a server that ends the stream by itself can be read to the end.
    if sends and request.environ.get("wsgi.input_terminated"):
        with suppress(OSError, *BROKEN_OFF):
            _read_on()
    return response


def _read_on() -> None:
    stream, left = request.environ["wsgi.input"], MOST_BYTES
    deadline = time.monotonic() + MOST_SECONDS
    while left > 0 and time.monotonic() < deadline and (piece := stream.read(min(left, PIECE))):
        left -= len(piece)
