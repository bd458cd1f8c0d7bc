"""An application of templates alone: no database, no views, only the endpoints they link to."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from flask import Flask
from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader, StrictUndefined

from app.timezones import UTC_ZONE
from app.web import filters
from app.web.timezones import override_zone
from tests.web.templates.drawing import APP

ENDPOINTS = {
    "account.index": "/account",
    "account.tell_browser_zone": "/account/browser-zone",
    "actions.ask_for_limit": "/jobs/<int:job_id>/limit",
    "actions.ask_for_name": "/jobs/<int:job_id>/edit",
    "actions.ask_for_priority": "/jobs/<int:job_id>/priority",
    "actions.cancel": "/jobs/<int:job_id>/cancellation",
    "actions.delete": "/jobs/<int:job_id>/deletion",
    "actions.rename": "/jobs/<int:job_id>",
    "actions.retry": "/jobs/<int:job_id>/retry",
    "actions.start_now": "/jobs/<int:job_id>/start",
    "auth.login": "/login",
    "auth.logout": "/logout",
    "auth.session_now": "/session",
    "auth.setup": "/setup",
    "auth.signed_in": "/signed-in",
    "files.show": "/jobs/<int:job_id>/files/<name>",
    "files.upload": "/files",
    "handlers.index": "/handlers",
    "jobs.create": "/jobs",
    "jobs.index": "/jobs",
    "jobs.new": "/jobs/new",
    "jobs.preview": "/jobs/preview",
    "jobs.show": "/jobs/<int:job_id>",
}


def a_user(email: str, role: str) -> SimpleNamespace:
    """Who is signed in, as templates see them."""
    return SimpleNamespace(
        id=1,
        email=email,
        role=role,
        session_id="a session",
        is_authenticated=True,
        time_zone=None,
        has_chosen_zone=False,
    )


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
    app.jinja_env.tests["broken"] = lambda handler: handler == "shred"
    app.jinja_env.globals["current_user"] = a_user("ada@example.com", "operator")
    app.jinja_env.globals["navbar_jobs"] = lambda: SimpleNamespace(active=0, rows=[])
    app.jinja_env.globals["entries"] = lambda person: ()
    for endpoint, path in ENDPOINTS.items():
        app.add_url_rule(path, endpoint)
    with app.test_request_context("/jobs"), override_zone(UTC_ZONE):
        yield app
