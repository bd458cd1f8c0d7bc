"""An application of templates alone: no database, no views, only the endpoints they link to."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from flask import Blueprint, Flask
from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader, StrictUndefined

from app.web import filters
from tests.web.templates.drawing import APP


@pytest.fixture
def app() -> Iterator[Flask]:
    """An application of templates alone, with the endpoints that they link to."""
    app = Flask("templates", static_folder=str(APP / "static"))
    app.secret_key = "test"
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.loader = ChoiceLoader(
        [
            FileSystemLoader(APP / "templates"),
            PrefixLoader({"components": FileSystemLoader(APP / "components")}),
        ]
    )
    filters.register(app)
    app.jinja_env.globals["csrf_token"] = lambda: "token"
    user = SimpleNamespace(email="ada@example.com", role="operator", is_authenticated=True)
    app.jinja_env.globals["current_user"] = user
    auth, jobs = Blueprint("auth", __name__), Blueprint("jobs", __name__)
    for name in ("login", "logout", "setup"):
        auth.add_url_rule(f"/{name}", name)
    for name, path in (
        ("index", "/jobs"),
        ("show", "/jobs/<int:job_id>"),
        ("new", "/jobs/new"),
        ("create", "/jobs"),
        ("preview", "/jobs/preview"),
    ):
        jobs.add_url_rule(path, name)
    app.register_blueprint(auth)
    app.register_blueprint(jobs)
    with app.test_request_context("/jobs"):
        yield app
