"""The options of `jobdeck jobs start`, as a person writes them; what they may be, the core says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

#: What a number may end with, in seconds.
UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
NUMBER: Final = re.compile(r"(-?\d+(?:\.\d+)?)\s*([smhd]?)", re.ASCII)

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS: Final = (
    click.option("--priority", metavar="N", help="Lower comes first; 100 is the default."),
    click.option("--due", metavar="TIME", help="Not to start before, as in 2026-11-30T09:00Z."),
    click.option("--delay", metavar="TIME", help="Not to start before: seconds, or 15m, 2h, 1d."),
    click.option("--retries", metavar="N", help="How often a task that fails is tried again."),
    click.option("--timeout", metavar="TIME", help="How long a try may take: seconds, or 15m."),
    click.option("--parallel-limit", metavar="N", help="Tasks at once; none is no limit."),
)


def start_options(command: Command) -> Command:
    """Decorate a command with the options of a start."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read(text: str) -> int | float | str | None:
    """A number, with its unit; none; or the text itself, which may be a time or be refused."""
    if text == "none":
        return None
    found = NUMBER.fullmatch(text.strip())
    if found is None or len(text) > 30:
        return text
    number = float(found[1]) * UNITS[found[2]]
    return int(number) if number.is_integer() else number
