"""Passwords: argon2id with OWASP's parameters (19 MiB, 2 passes, 1 lane); 50 ms a check."""

from __future__ import annotations

import threading
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST, MOST = 10, 200

HASHER = PasswordHasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)

# Each check takes 19 MiB and a core: a flood of sign-ins must not take all there is.
_AT_ONCE: Final = threading.BoundedSemaphore(4)


def hashed(password: str) -> str:
    """The password as it may be kept."""
    with _AT_ONCE:
        return HASHER.hash(password)


def is_right(password: str, kept: str | None) -> bool:
    """Whether it is the password behind `kept`. Takes as long when there is none to compare."""
    with _AT_ONCE:
        return _matches(password, kept or _nobodys(HASHER)) and kept is not None


def is_outdated(kept: str) -> bool:
    """Whether the parameters have changed since, so that the password should be hashed again."""
    return HASHER.check_needs_rehash(kept)


def complaint(password: str) -> str | None:
    """What is wrong with a new password, as a sentence; None when it will do."""
    if len(password) < LEAST:
        return f"A password needs at least {LEAST} characters."
    if len(password) > MOST:
        return f"A password has at most {MOST} characters."
    if any("\ud800" <= each <= "\udfff" for each in password):
        return "A password has whole characters only."
    return None


def _matches(password: str, kept: str) -> bool:
    try:
        return HASHER.verify(kept, password[: MOST + 1])
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


@cache
def _nobodys(hasher: PasswordHasher) -> str:
    return hasher.hash("the password of nobody")
