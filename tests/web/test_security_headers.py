"""What guards a page in the browser, and the sockets from pages of others."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from app.web.security import origin_allowed
from tests.visitor import Visitor


@pytest.mark.parametrize("path", ["/login", "/healthz", "/nothing/here", "/static/favicon.svg"])
def test_every_answer_is_guarded(stranger: Visitor, path: str) -> None:
    with stranger.get(path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"


def test_a_page_is_kept_in_no_cache_and_a_file_may_be(stranger: Visitor) -> None:
    assert stranger.get("/login").headers["Cache-Control"] == "no-store"
    with stranger.get("/static/favicon.svg") as answer:
        assert "no-store" not in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://jobdeck.example:8000", True),
        ("https://jobdeck.example:8000", False),
        ("http://jobdeck.example", False),
        ("http://evil.example", False),
        ("null", False),
        ("http://[", False),
        ("", False),
        (None, False),
    ],
)
def test_a_socket_is_for_our_own_pages(origin: str | None, allowed: bool) -> None:
    headers = [("Origin", origin)] if origin is not None else []
    asked = EnvironBuilder(base_url="http://jobdeck.example:8000", headers=headers).get_environ()
    assert origin_allowed(Request(asked)) == allowed  # type: ignore[arg-type]


def test_without_a_proxy_what_a_client_says_of_itself_counts_for_nothing(app: Flask) -> None:
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    with app.test_client() as client:
        client.get("/login", headers=headers)
        assert client.get("/jobs", headers=headers).location == "/login?next=/jobs"
