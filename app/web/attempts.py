"""Wrong sign-ins are counted: ten a minute from one address, and ten for one account.

A guess is counted before its password is looked at and given back when it was right. Counted
afterwards, as many guesses as there are threads would get through at once. Each web process counts
by itself, so each has its share of the ten.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from flask import current_app
from flask_limiter.util import get_remote_address
from limits import RateLimitItemPerMinute

from app.extensions import limiter, the_settings
from app.users.addresses import same_form
from app.users.errors import TooManySignIns

MOST: Final = 10
#: What is counted is kept in memory for a minute.
LONGEST_EMAIL: Final = 254


@contextmanager
def counted(email: str) -> Iterator[None]:
    """Count what happens inside unless it ends well; raise TooManySignIns instead of beginning."""
    keys = [("address", get_remote_address()), ("account", same_form(email[:LONGEST_EMAIL]))]
    if not current_app.config["RATELIMIT_ENABLED"]:
        keys = []
    # The address first: one that is held up must not hold up the accounts it tries.
    if not all(_count(*key, by=1) for key in keys):
        raise TooManySignIns
    yield
    for key in keys:
        _count(*key, by=-1)


def _count(kind: str, who: str, *, by: int) -> bool:
    share = RateLimitItemPerMinute(max(1, MOST // the_settings().web_processes))
    return limiter.limiter.hit(share, "sign-in", kind, who, cost=by)
