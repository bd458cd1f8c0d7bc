"""What can go wrong with people, by name. Each error is a sentence for the person."""

from __future__ import annotations


class UsersError(Exception):
    """Something about an account could not be done."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)

    def __str__(self) -> str:
        return str(self.args[0])


class NotSignedIn(UsersError):
    """Sign in first."""


class NotAllowed(UsersError):
    """Your role does not allow this."""


class WrongSignIn(UsersError):
    """The e-mail address or the password is not right."""


class WrongPassword(WrongSignIn):
    """This is not your password."""


class TooManySignIns(UsersError):
    """Too many wrong sign-ins. Wait a minute, then try again."""


class LinkNotGood(UsersError):
    """This link has been used already, or it is too old. Start the server again for a new one."""


class UserNotFound(UsersError):
    """There is no such account. It may have been deleted."""


class AccountDisabled(UsersError):
    """This account is disabled. Enable it first."""


class LastSuperadmin(UsersError):
    """Nobody else could sign in as a superadmin then. Let another one set a password first."""


class BadAccount(UsersError):
    """An account cannot be made like this; `fields` has a sentence for each field."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.fields = fields
        super().__init__(" ".join(fields.values()))
