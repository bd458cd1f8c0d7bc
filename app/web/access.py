"""Each view says who may enter: `@may("view")` or `@public`. One that says nothing lets nobody in.

The rule is looked up before the request reaches the view, so a websocket is refused before its
handshake: an answer after it would arrive as rubbish inside of the open socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import Flask, current_app, request
from flask.typing import ResponseReturnValue

from app.users.errors import NotAllowed
from app.users.permissions import HandlerRoles, demand
from app.web.security import comes_from_elsewhere, origin_allowed
from app.web.session import the_person

PUBLIC = "public"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

View = TypeVar("View", bound=Callable[..., ResponseReturnValue | None])


def may(action: str) -> Callable[[View], View]:
    """Let in whom `users.permissions` allows this action: view, start, manage, edit, ..."""

    def mark(view: View) -> View:
        vars(view)["entered_by"] = action
        return view

    return mark


def public(view: View) -> View:
    """Let everyone in."""
    vars(view)["entered_by"] = PUBLIC
    return view


def entered_by(endpoint: str) -> str | None:
    """What the view of this endpoint says: an action, "public", or None when it says nothing."""
    view = current_app.view_functions[endpoint]
    return PUBLIC if endpoint == "static" else vars(view).get("entered_by")


def demand_of_handler(action: str, handler_roles: HandlerRoles | None) -> None:
    """Refuse the request unless this person may do it with a handler that has these roles."""
    demand(the_person(), action, handler_roles)


def init_app(app: Flask) -> None:
    """Ask at the door of every request."""
    app.before_request(_at_the_door)


def _at_the_door() -> None:
    rule = request.url_rule
    if rule is None:
        return
    _let_in(entered_by(rule.endpoint))
    if rule.websocket and not origin_allowed(request):
        raise NotAllowed("A page of another origin may not open a socket here.")
    if request.method not in SAFE and comes_from_elsewhere(request):
        raise NotAllowed("A page of another origin may not change anything here.")


def _let_in(action: str | None) -> None:
    if action == PUBLIC:
        return
    if action is None:
        raise NotAllowed("This page does not say who may see it, so nobody may.")
    demand(the_person(), action)
