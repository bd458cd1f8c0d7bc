"""For whoever watches the process: does it live, and can it work?"""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from app import schema
from app.extensions import the_database
from app.web.access import public

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@public
def alive() -> ResponseReturnValue:
    """The process answers."""
    return {"ok": True}


@bp.get("/readyz")
@public
def ready() -> ResponseReturnValue:
    """The database answers, and its schema is the one this version works with."""
    reason = _reason_not_ready()
    if reason is None:
        return {"ok": True}
    return {"ok": False, "error": {"code": "not_ready", "message": reason}}, 503


def _reason_not_ready() -> str | None:
    try:
        found = schema.look_at(the_database())
    except SQLAlchemyError:
        return "The database does not answer."
    if found is schema.Schema.CURRENT:
        return None
    return f"The database's schema is {found.value}; `jobdeck db upgrade` brings it up to date."
