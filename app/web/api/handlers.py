"""Handlers: how they stand, what pauses them, and their limits (B11)."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any

from flask import jsonify
from flask.typing import ResponseReturnValue
from pydantic import BeforeValidator, StrictStr

from app.extensions import the_engine
from app.jobs import DECLARED, EVERYTHING, HandlerRow
from app.web.access import may
from app.web.api.answers import handler_row, pause_row
from app.web.api.asking import Body, body
from app.web.api.blueprint import bp
from app.web.pages import hidden_handlers
from app.web.session import here


def moment(value: Any) -> datetime | None:
    """A time with its zone, as ISO 8601 text."""
    if value is None:
        return None
    with suppress(TypeError, ValueError):
        found = datetime.fromisoformat(value)
        if found.tzinfo is not None:
            return found
    raise ValueError("Write a time with its zone, as in 2026-11-30T09:00:00Z")


class Pause(Body):
    """Why, and until when; without a time it lasts until somebody resumes."""

    reason: StrictStr
    until: Annotated[datetime | None, BeforeValidator(moment)] = None


class Resumption(Body):
    """Nothing is to be said."""


class Limits(Body):
    """Limits to be set: numbers, null for none, "declared" for what the handler's code says."""

    parallel_limit: int | StrictStr | None = DECLARED
    concurrency_limit: int | StrictStr | None = DECLARED


@bp.get("/v1/handlers")
@may("view")
def handlers() -> ResponseReturnValue:
    """Every handler whose jobs one may see, by name; and the pause of everything, if it is."""
    hidden = hidden_handlers(the_engine(), here())
    rows = [each for each in the_engine().handlers() if each.name not in hidden]
    return {"handlers": [_told_of(each) for each in rows], "paused": _pause_of_everything()}


@bp.post("/v1/handlers/<name>/pause")
@may("control")
def pause(name: str) -> ResponseReturnValue:
    """Let nothing of a handler, or of any (`*`), begin any more."""
    asked = body(Pause)
    the_engine().pause(name, asked.reason, until=asked.until, by=here())
    return _told(name)


@bp.post("/v1/handlers/<name>/resume")
@may("control")
def resume(name: str) -> ResponseReturnValue:
    """End a pause; asking again is fine."""
    body(Resumption, optional=True)
    the_engine().resume(name)
    return _told(name)


@bp.patch("/v1/handlers/<name>")
@may("control")
def limit(name: str) -> ResponseReturnValue:
    """Set limits over the declared ones, or take them back; what is not named stays."""
    asked = body(Limits)
    limits = {each: getattr(asked, each) for each in asked.model_fields_set}
    the_engine().set_limits(name, limits, by=here())
    return _told(name)


def _told(name: str) -> ResponseReturnValue:
    if name == EVERYTHING:
        return {"name": EVERYTHING, "pause": _pause_of_everything()}
    return jsonify(_told_of(the_engine().handler(name)))


def _told_of(row: HandlerRow) -> dict[str, Any]:
    return handler_row(row, broken=row.name in the_engine().registry.broken)


def _pause_of_everything() -> dict[str, Any] | None:
    found = (each for each in the_engine().pauses() if each.handler == EVERYTHING)
    return pause_row(next(found, None))
