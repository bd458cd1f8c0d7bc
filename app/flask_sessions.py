"""Flask-SQLAlchemy on the one engine that exists, and sessions around what handlers do."""

from __future__ import annotations

import logging
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
        self._context = app.app_context()
        self._db = db
        self._scope = sessions.Scope()

    def __enter__(self) -> None:
        self._context.push()
        self._scope.__enter__()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if error is None and self._scope.error is None and self._has_changes():
            log.warning(_NOT_COMMITTED)
        try:
            self._scope.__exit__()
        finally:
            self._pop(error)

    def _pop(self, error: BaseException | None) -> None:
        try:
            self._context.pop(error)
        except Exception:
            # A thread that the code has left behind is using the session just now.
            log.exception("The session of a handler could not be removed in order.")

    def end(self, error: BaseException) -> None:
        """Roll back now what is not committed; called from another thread when time is over."""
        self._scope.end(error)

    def _has_changes(self) -> bool:
        if not self._db.session.registry.has():
            return False
        session = self._db.session()
        return bool(self._scope.writes or session.new or session.dirty or session.deleted)
