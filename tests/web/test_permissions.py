"""Every route says who may enter, and keeps everybody else out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.routing import Rule

from app.users.permissions import Action, may
from app.web.access import PUBLIC, entered_by
from tests.users.test_permissions import ALICE, OSCAR, VERA
from tests.visitor import Visitor

EXPECTED_PUBLIC = {
    "static",
    "auth.login",
    "auth.setup",
    "auth.background",
    "health.alive",
    "health.ready",
}


def test_every_route_says_who_may_enter(app: Flask) -> None:
    with app.app_context():
        said = {rule.endpoint: entered_by(rule.endpoint) for rule in app.url_map.iter_rules()}
    assert {each for each, action in said.items() if action == PUBLIC} == EXPECTED_PUBLIC
    for endpoint, action in said.items():
        assert action == PUBLIC or action in set(Action), f"{endpoint} says {action!r}"


def test_a_stranger_is_kept_out_of_everything(app: Flask, stranger: Visitor) -> None:
    for path, method, _ in doors(app):
        answer = stranger.client.open(path, method=method)
        if path.startswith("/api/"):
            assert answer.status_code == 401, (method, path)
            assert answer.get_json()["error"]["code"] == "not_signed_in"
        else:
            assert answer.status_code in (302, 303), (method, path)
            assert answer.location.startswith("/login")


def test_a_role_that_does_not_do_is_refused_and_never_redirected(
    app: Flask, vera: Visitor, oscar: Visitor, alice: Visitor
) -> None:
    for visitor, somebody in ((vera, VERA), (oscar, OSCAR), (alice, ALICE)):
        for path, method, action in doors(app):
            if not may(somebody, action):
                answer = visitor.client.open(path, method=method)
                assert answer.status_code == 403, (somebody.role, method, path)


def test_a_route_that_says_nothing_lets_nobody_in(
    app: Flask, request: pytest.FixtureRequest
) -> None:
    app.add_url_rule("/forgotten", view_func=lambda: "secret", endpoint="forgotten")
    alice: Visitor = request.getfixturevalue("alice")
    assert alice.get("/forgotten").status_code == 403


def doors(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Path, method and action of everything that is not for everyone."""
    for rule in app.url_map.iter_rules():
        with app.app_context():
            action = entered_by(rule.endpoint)
        if action and action != PUBLIC and not rule.websocket:
            for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
                yield path_to(app, rule), method, action


def path_to(app: Flask, rule: Rule) -> str:
    """An address that the rule knows, with something in place of each of its parts."""
    values = dict.fromkeys(rule.arguments, 1)
    with app.test_request_context():
        return app.url_for(rule.endpoint, **values)  # type: ignore[arg-type]
