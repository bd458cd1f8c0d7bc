"""The Flask extensions, unbound, and the parts of the running application that views ask for."""

from __future__ import annotations

from functools import partial
from typing import cast

from flask import Flask, current_app
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_sock import Sock
from flask_wtf import CSRFProtect

from app.config import Settings
from app.db import Base, Database
from app.flask_sessions import HandlerContext, SharedSQLAlchemy, scope_of_session
from app.jobs import Engine
from app.users.sign_ins import REMEMBERED

#: For resources and handlers: `db.Model`, `db.session`, `db.paginate`.
db = SharedSQLAlchemy(model_class=Base, session_options={"scopefunc": scope_of_session})
login_manager = LoginManager()
csrf = CSRFProtect()
sock = Sock()
limiter = Limiter(get_remote_address)


def init_app(app: Flask, settings: Settings, database: Database) -> None:
    """Bind what has no views of its own; `web` binds the others, for their order matters."""
    app.extensions["jobdeck_settings"] = settings
    app.extensions["jobdeck_database"] = database
    app.config.from_mapping(_flask_settings(settings), SQLALCHEMY_DATABASE_URI=database.url)
    db.init_app(app)
    login_manager.init_app(app)
    limiter.init_app(app)


def handler_context(app: Flask) -> partial[HandlerContext]:
    """Return what makes the context in which code of handlers runs: see Engine(within=...)."""
    return partial(HandlerContext, app, db)


def the_settings() -> Settings:
    """The settings of the running application."""
    return cast(Settings, current_app.extensions["jobdeck_settings"])


def the_database() -> Database:
    """The database of the running application."""
    return cast(Database, current_app.extensions["jobdeck_database"])


def the_engine() -> Engine:
    """The job engine of the running application."""
    return cast(Engine, current_app.extensions["jobdeck"])


def _flask_settings(settings: Settings) -> dict[str, object]:
    return {
        "SECRET_KEY": settings.signing_key(),
        "SESSION_COOKIE_NAME": "jobdeck_session",
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.secure_cookies,
        "PERMANENT_SESSION_LIFETIME": REMEMBERED,
        "SESSION_REFRESH_EACH_REQUEST": False,
        # A popup may stay open for hours; its forms must go on working.
        "WTF_CSRF_TIME_LIMIT": None,
        # A program sends no Referer. The token belongs to the session, whose cookie no other
        # site's page can send along.
        "WTF_CSRF_SSL_STRICT": False,
        "RATELIMIT_ENABLED": settings.rate_limit,
        "RATELIMIT_STORAGE_URI": "memory://",
        # Where files may come, there is more room.
        "MAX_CONTENT_LENGTH": 16 * 2**20,
        "MAX_FORM_MEMORY_SIZE": 4 * 2**20,
    }
