"""The command line, second face beside the web. Exit codes: 0 done, 1 failed, 2 not understood."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

import click

from app.cli.saying import SayingErrors
from app.config import BadSetting
from app.engines import UnsupportedDatabase
from app.users.errors import UsersError

if TYPE_CHECKING:
    from flask import Flask

COMMANDS: Final = {
    "serve": "app.cli.serving",
    "worker": "app.cli.working",
    "db": "app.cli.schema",
    "users": "app.cli.users",
    "jobs": "app.cli.jobs",
    "handlers": "app.cli.handlers",
    "check": "app.cli.checking",
}


class Commands(SayingErrors):
    """The commands by name. Each is imported when it is called: `serve` is in a hurry."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, for the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        return _command(cmd_name) if cmd_name in COMMANDS else None


@click.group(
    cls=Commands,
    errors=(BadSetting, UnsupportedDatabase, UsersError),
    context_settings={"help_option_names": ["-h", "--help"]},
)
def main() -> None:
    """Jobdeck: an admin panel for durable background jobs."""
    find_what_lies_here()


def find_what_lies_here() -> None:
    """Let handlers be found that lie where the command is called, as gunicorn finds them."""
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)


def init_app(app: Flask) -> None:
    """Offer the same commands by `flask --app wsgi`."""
    for name in COMMANDS:
        app.cli.add_command(_command(name))


def _command(name: str) -> click.Command:
    found: click.Command = getattr(import_module(COMMANDS[name]), name)
    return found
