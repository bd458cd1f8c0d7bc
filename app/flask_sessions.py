"""Flask-SQLAlchemy on the one engine that exists, and sessions around what handlers do."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, cast

from flask import Flask
from flask.globals import app_ctx
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine

from app import sessions
from app.db import Database

log = logging.getLogger(__name__)

_NOT_COMMITTED: Final = (
    "db.session had changes that were not committed, and they are rolled back. "
    "Call db.session.commit() where they are to stay."
)


class SharedSQLAlchemy(SQLAlchemy):
    """Flask-SQLAlchemy without an engine of its own: workers and the core have the same one."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        return cast(Database, app.extensions["jobdeck_database"]).for_sessions


def scope_of_session() -> int:
    """Return what a session belongs to: the application's context, as long as it is open.

    A thread that a handler has left behind may still have the context of a try that is over.
    """
    sessions.demand_open_scope()
    return id(app_ctx._get_current_object())  # type: ignore[attr-defined]


class HandlerContext:
    """The application's context around a handler's code, with a session of its own.

    The session is removed at the end: what is not committed is rolled back, whether the code has
    raised something or not.
    """

    def __init__(self, app: Flask, db: SQLAlchemy) -> None:
        self._app = app
        self._db = db
        self._stack = ExitStack()
        self._scope: sessions.Scope | None = None

    def __enter__(self) -> None:
        self._stack.enter_context(self._app.app_context())
        self._scope = self._stack.enter_context(sessions.scope())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._scope is not None
        if error is None and self._scope.error is None and self._has_changes(self._scope):
            log.warning(_NOT_COMMITTED)
        try:
            self._stack.__exit__(kind, error, trace)
        except Exception:
            # A thread that the code has left behind is using the session just now.
            log.exception("The session of a handler could not be removed in order.")

    def end(self, error: BaseException) -> None:
        """Roll back now what is not committed; called from another thread when time is over."""
        if self._scope:
            self._scope.end(error)

    def _has_changes(self, scope: sessions.Scope) -> bool:
        if not self._db.session.registry.has():
            return False
        session = self._db.session()
        return bool(scope.writes or session.new or session.dirty or session.deleted)
