"""Who may do what. The one place that decides; pages, API, topics and command line ask here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, Protocol

from app.users.errors import NotAllowed, NotSignedIn


class Role(StrEnum):
    """What a person is here, from the least to the most."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SUPERADMIN = "superadmin"


class Action(StrEnum):
    """What a person may want to do.

    `manage` is to cancel and to retry; `control` is to pause handlers and to change their limits.
    """

    VIEW = "view"
    START = "start"
    MANAGE = "manage"
    EDIT = "edit"
    DELETE = "delete"
    CONTROL = "control"
    USERS = "users"


class HasRole(Protocol):
    """Whoever asks: only the role counts."""

    @property
    def role(self) -> Role: ...


HandlerRoles = Mapping[str, str]

_NEEDED: Final = {
    Action.VIEW: Role.VIEWER,
    Action.START: Role.OPERATOR,
    Action.MANAGE: Role.OPERATOR,
    Action.EDIT: Role.SUPERADMIN,
    Action.DELETE: Role.SUPERADMIN,
    Action.CONTROL: Role.SUPERADMIN,
    Action.USERS: Role.SUPERADMIN,
}
_DOING: Final = {
    Action.VIEW: "see this",
    Action.START: "start this",
    Action.MANAGE: "cancel or retry this",
    Action.EDIT: "edit this",
    Action.DELETE: "delete this",
    Action.CONTROL: "pause this or change its limits",
    Action.USERS: "manage the users",
}
_DUTIES: Final = {
    Role.VIEWER: "sees the jobs",
    Role.OPERATOR: "sees, starts, cancels and retries jobs",
    Role.SUPERADMIN: (
        "does everything: also edits and deletes jobs, pauses handlers, and manages the users"
    ),
}
_RANK: Final = {role: rank for rank, role in enumerate(Role)}


def may(who: HasRole | None, action: str, handler_roles: HandlerRoles | None = None) -> bool:
    """Whether this person may do it. A handler's `roles` can only ask for more, never for less."""
    return refusal(who, action, handler_roles) is None


def demand(who: HasRole | None, action: str, handler_roles: HandlerRoles | None = None) -> None:
    """Raise NotSignedIn or NotAllowed, with the reason as a sentence, unless they may."""
    reason = refusal(who, action, handler_roles)
    if reason is not None:
        raise NotAllowed(reason) if who else NotSignedIn(reason)


def refusal(
    who: HasRole | None, action: str, handler_roles: HandlerRoles | None = None
) -> str | None:
    """Why this person may not do it, as a sentence; None when they may."""
    if who is None:
        return "Sign in first."
    role = needed(action, handler_roles)
    if _RANK[who.role] >= _RANK[role]:
        return None
    return f"Your role is {who.role}; to {_DOING[Action(action)]}, it must be {_or_more(role)}."


def needed(action: str, handler_roles: HandlerRoles | None = None) -> Role:
    """Which role it takes at least to do this with a handler that has these roles."""
    roles = handler_roles or {}
    # Who may not see a job may do nothing else with it.
    asked = [roles[each] for each in (Action.VIEW, action) if each in roles]
    return strictest([_NEEDED[Action(action)], *asked])


def strictest(roles: Iterable[str]) -> Role:
    """The role among these that the fewest have; a viewer's when there are none."""
    return max(map(Role, roles), key=_RANK.__getitem__, default=Role.VIEWER)


def duties(role: Role) -> str:
    """What somebody with this role does here, as the end of a sentence."""
    return _DUTIES[role]


def _or_more(role: Role) -> str:
    return role if role == Role.SUPERADMIN else f"{role} or more"
