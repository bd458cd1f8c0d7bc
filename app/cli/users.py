"""`jobdeck users`: people and their accounts (P11), also when nobody can sign in any more."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Unpack

import click

from app.cli.schema import open_database
from app.config import Settings
from app.db import Database, iso
from app.users import people
from app.users.changing import Changes, delete_user, update_user
from app.users.errors import UserNotFound
from app.users.links import one_time_link
from app.users.people import Person, UserDetail, create_user
from app.users.permissions import Role

ROLES = click.Choice([str(each) for each in Role])

of_link = click.option(
    "--address",
    default="http://127.0.0.1:8000",
    show_default=True,
    help="Where people reach the panel, for the link.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


@click.group()
def users() -> None:
    """Look after the people who may sign in."""


@users.command()
@click.argument("email")
@click.option("--role", required=True, type=ROLES)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--link", is_flag=True, help="No password: print a link with which to set one.")
@of_link
def add(email: str, role: str, password_stdin: bool, link: bool, address: str) -> None:
    """Make an account for EMAIL."""
    if link and password_stdin:
        raise click.UsageError("Choose one of --link and --password-stdin.")
    with open_database(Settings.from_environment(), may_be_empty=True) as database:
        password = None if link else _password(password_stdin)
        person = create_user(database, email=email, role=role, password=password)
        if link:
            _say_link(person.email, _link_for(database, person.id, address))
        else:
            click.echo(f"{person.email} may sign in now, as {person.role}.")


@users.command("list")
@as_json
def list_(as_json: bool) -> None:
    """Show all accounts."""
    with open_database(Settings.from_environment()) as database:
        found = people.users(database)
    if as_json:
        _write_json([_row(each) for each in found])
        return
    for each in found:
        click.echo(_line(each))


@users.command("set-role")
@click.argument("email")
@click.argument("role", type=ROLES)
def set_role(email: str, role: str) -> None:
    """Give the account of EMAIL another ROLE. It counts at once."""
    account = _change(email, role=role)
    click.echo(f"{account.email} is {account.role} now.")


@users.command()
@click.argument("email")
def disable(email: str) -> None:
    """Let nobody sign in as EMAIL any more; those who are signed in are out at once."""
    click.echo(f"{_change(email, disabled=True).email} cannot sign in any more.")


@users.command()
@click.argument("email")
def enable(email: str) -> None:
    """Let EMAIL sign in again, with the password from before."""
    click.echo(f"{_change(email, disabled=False).email} may sign in again.")


@users.command()
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask first.")
def delete(email: str, yes: bool) -> None:
    """Delete the account of EMAIL. The jobs that it started stay."""
    with _account(email) as (database, person):
        if not yes:
            click.confirm(f"Delete the account of {person.email}?", abort=True)
        delete_user(database, person.id, by=None)
    click.echo(f"{person.email} has no account any more.")


@users.command()
@click.argument("email")
@of_link
@as_json
def link(email: str, address: str, as_json: bool) -> None:
    """Print a link with which EMAIL can set a password, once; the link before it ends."""
    with _account(email) as (database, person):
        made = _link_for(database, person.id, address)
    if as_json:
        _write_json({"email": person.email, "link": made})
    else:
        _say_link(person.email, made)


@contextmanager
def _account(email: str) -> Iterator[tuple[Database, Person]]:
    with open_database(Settings.from_environment()) as database:
        person = people.find_by_email(database, email)
        if person is None:
            raise UserNotFound(f"There is no account for {email}.")
        yield database, person


def _change(whose: str, **changes: Unpack[Changes]) -> UserDetail:
    with _account(whose) as (database, person):
        return update_user(database, person.id, by=None, **changes)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _link_for(database: Database, user_id: int, address: str) -> str:
    return f"{address.rstrip('/')}/set-password/{one_time_link(database, user_id)}"


def _say_link(email: str, made: str) -> None:
    click.echo(f"{email} can set a password here, once, within three days:")
    click.echo(f"  {made}")


def _line(account: UserDetail) -> str:
    notes = [
        "disabled" if account.disabled else "",
        "" if account.has_password else "no password yet",
        f"last here {account.last_sign_in_at:%Y-%m-%d}" if account.last_sign_in_at else "",
    ]
    said = ", ".join(filter(None, notes))
    return f"{account.email:<40}  {account.role:<10}  {said}".rstrip()


def _row(account: UserDetail) -> dict[str, Any]:
    row = dataclasses.asdict(account)
    return row | {name: row[name] and iso(row[name]) for name in ("created_at", "last_sign_in_at")}


def _write_json(value: object) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
