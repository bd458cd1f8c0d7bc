"""`jobdeck users`: people and their accounts."""

from __future__ import annotations

import sys

import click

from app.cli.schema import open_database
from app.config import Settings
from app.users.people import add_user
from app.users.permissions import Role


@click.group()
def users() -> None:
    """Look after the people who may sign in."""


@users.command()
@click.argument("email")
@click.option("--role", required=True, type=click.Choice([str(each) for each in Role]))
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def add(email: str, role: str, password_stdin: bool) -> None:
    """Make an account for EMAIL."""
    with open_database(Settings.from_environment(), may_be_empty=True) as database:
        person = add_user(database, email, Role(role), _password(password_stdin))
    click.echo(f"{person.email} may sign in now, as {person.role}.")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
