"""The command line, second face beside the web. Exit codes: 0 done, 1 failed, 2 not understood."""

from __future__ import annotations

import sys

import click

from app.cli.jobs import jobs
from app.cli.schema import db
from app.cli.serving import serve, worker
from app.cli.users import users
from app.config import BadSetting
from app.jobs.errors import JobsError
from app.users.errors import UsersError


def main() -> None:
    """What the console script `jobdeck` runs: what goes wrong is said in a sentence."""
    try:
        jobdeck()
    except (BadSetting, JobsError, UsersError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def jobdeck() -> None:
    """Jobdeck: an admin panel for durable background jobs."""


for command in (serve, worker, db, users, jobs):
    jobdeck.add_command(command)
