"""A visitor: a browser of the tests. It keeps cookies and sends the CSRF token as a page does."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

PASSWORD = "correct horse battery"


class Visitor:
    """Someone at a browser: a stranger, until they sign in."""

    def __init__(self, app: Flask, email: str = "") -> None:
        self.email = email
        self.client: FlaskClient = app.test_client()
        self._tokens = URLSafeTimedSerializer(str(app.secret_key), salt="wtf-csrf-token")

    def sign_in(self, password: str = PASSWORD, **more: str) -> TestResponse:
        """Send the sign-in form."""
        return self.post("/login", {"email": self.email, "password": password, **more})

    def get(self, path: str, **more: Any) -> TestResponse:
        """Open a page."""
        return self.client.get(path, **more)

    def post(self, path: str, form: dict[str, Any] | None = None, **more: Any) -> TestResponse:
        """Send a form, with the token that the page would have put in it."""
        return self.client.post(path, data={"csrf_token": self.token(), **(form or {})}, **more)

    def send(self, method: str, path: str, body: Any = None, **more: Any) -> TestResponse:
        """Call the API with JSON, as a script of the page does."""
        headers = {"X-CSRFToken": self.token()}
        return self.client.open(path, method=method, json=body, headers=headers, **more)

    def token(self) -> str:
        """The CSRF token of this session."""
        with self.client.session_transaction() as session:
            return str(self._tokens.dumps(session.setdefault("csrf_token", "of the tests")))
