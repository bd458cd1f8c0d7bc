"""Jobdeck: an admin panel for durable background jobs. `create_app` introduces the parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.config import Settings
    from app.db import Database


def create_app(settings: Settings | None = None, database: Database | None = None) -> Flask:
    """Build the application, on a database that is open already if one is given.

    It runs nothing yet: `app.extensions["jobdeck"].run()` does.

    The parts are imported here, so that `import app.jobs` alone brings no Flask.
    """
    from flask import Flask

    from app import cli, extensions, web
    from app.config import Settings
    from app.db import Database
    from app.jobs import Engine

    settings = settings or Settings.from_environment()
    database = database or Database(settings.database)
    app = Flask(__name__)
    within = extensions.handler_context(app)
    app.extensions["jobdeck"] = Engine(database, settings, within=within)
    extensions.init_app(app, settings, database)
    web.init_app(app, settings)
    cli.init_app(app)
    return app
