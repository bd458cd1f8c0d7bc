"""Who is signed in: from the cookie to the person, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from flask import session
from flask_login import current_user, login_user, logout_user

from app.extensions import login_manager, the_database
from app.users import sign_ins
from app.users.errors import NotSignedIn
from app.users.people import Person


@dataclass(frozen=True, kw_only=True)
class SignedIn(Person):
    """A person with the key of the sign-in by which they are here; what Flask-Login asks of one."""

    key: str
    is_authenticated: ClassVar[bool] = True
    is_active: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False

    def get_id(self) -> str:
        """What the cookie holds: the key of the sign-in, so that it dies with it."""
        return self.key

    @property
    def session_id(self) -> str:
        """The id of the sign-in; a page keeps it to notice that another one took its place."""
        return sign_ins.id_of(self.key)


def the_person() -> SignedIn | None:
    """Who is signed in, as they are now; None for a stranger."""
    return cast(SignedIn, current_user._get_current_object()) if _somebody() else None


def here() -> SignedIn:
    """The person who asks, in a view that only lets people in who are signed in."""
    person = the_person()
    if person is None:
        raise NotSignedIn("Sign in first.")
    return person


def begin(key: str, *, remember: bool) -> None:
    """Give the browser its cookie. Nothing of the session before is kept: it may be foreign.

    A cookie that the browser keeps when it is closed needs no second one to remember by: the
    sign-in's own row says how long it lasts.
    """
    session.clear()
    session.permanent = remember
    login_user(load(key))


def end() -> None:
    """End the sign-in everywhere its cookie may be, and forget it here."""
    person = the_person()
    if person is not None:
        sign_ins.sign_out(the_database(), person.key)
    session.clear()
    logout_user()


@login_manager.user_loader  # type: ignore[untyped-decorator]
def load(key: str) -> SignedIn | None:
    """The person behind a cookie; None when the sign-in has ended."""
    person = sign_ins.who(the_database(), key)
    if person is None:
        return None
    return SignedIn(**(vars(person) | {"key": key}))


def _somebody() -> bool:
    return bool(current_user.is_authenticated)
