"""Everything that speaks HTTP and websocket. `init_app` says what is there, in order."""

from __future__ import annotations

from flask import Flask
from jinja2 import StrictUndefined

from app.config import Settings
from app.extensions import csrf
from app.web import (
    access,
    account,
    actions,
    addresses,
    api,
    auth,
    components,
    errors,
    filters,
    handlers,
    health,
    hearing,
    jobs,
    live,
    navbar,
    resources,
    security,
    uploads,
)


def init_app(app: Flask, settings: Settings) -> None:
    """Give the application its views and its rules.

    Who may enter is asked before the CSRF token is looked at: a stranger gets 401, not 400.
    """
    app.jinja_env.undefined = StrictUndefined
    addresses.init_app(app)
    filters.register(app)
    security.init_app(app, settings)
    hearing.init_app(app)
    access.init_app(app)
    uploads.init_app(app)
    csrf.init_app(app)
    errors.init_app(app)
    app.register_blueprint(auth.bp)
    app.register_blueprint(account.bp)
    app.register_blueprint(health.bp)
    app.register_blueprint(jobs.bp)
    app.register_blueprint(actions.bp)
    app.register_blueprint(handlers.bp)
    app.register_blueprint(api.bp)
    navbar.init_app(app)
    components.init_app(app)
    live.init_app(app)
    resources.init_app(app)
