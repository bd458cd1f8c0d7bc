"""What a client is still sending is read before it is answered; see test_large_requests, too."""

from __future__ import annotations

import io
from typing import Any

import pytest
from gunicorn.http.errors import NoMoreData  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from app.web import hearing
from tests.visitor import Visitor


class BrokenOff(io.BytesIO):
    """A stream that ends before it should."""

    def read(self, *_: Any) -> bytes:
        """Fail, as the web server's stream does."""
        raise NoMoreData


def send(visitor: Visitor, stream: io.BytesIO, *, ends: bool = True) -> TestResponse:
    """Send what nobody asked for."""
    return visitor.client.post(
        "/nothing",
        input_stream=stream,
        content_length=1_000_000,
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": ends},
    )


def test_it_is_read_to_its_end(stranger: Visitor) -> None:
    stream = io.BytesIO(b"x" * 1_000_000)
    assert send(stranger, stream).status_code == 404
    assert stream.tell() == 1_000_000


def test_a_stream_that_may_never_end_is_left_alone(stranger: Visitor) -> None:
    stream = io.BytesIO(b"x" * 1_000_000)
    assert send(stranger, stream, ends=False).status_code == 404
    assert stream.tell() == 0


@pytest.mark.parametrize(("name", "limit"), [("MOST_BYTES", 100_000), ("MOST_SECONDS", 0.0)])
def test_patience_has_an_end(
    stranger: Visitor, monkeypatch: pytest.MonkeyPatch, name: str, limit: float
) -> None:
    monkeypatch.setattr(hearing, name, limit)
    stream = io.BytesIO(b"x" * 1_000_000)
    assert send(stranger, stream).status_code == 404
    assert stream.tell() <= 100_000


def test_who_breaks_off_is_answered_all_the_same(stranger: Visitor) -> None:
    assert send(stranger, BrokenOff()).status_code == 404


def test_a_body_that_breaks_off_is_a_bad_request(alice: Visitor) -> None:
    answer = alice.client.post(
        "/api/v1/jobs",
        input_stream=BrokenOff(),
        content_type="application/json",
        headers={"X-CSRFToken": alice.token(), "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 400
    assert answer.get_json()["error"]["code"] == "bad_request"
