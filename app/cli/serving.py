"""`jobdeck serve`: pages, and jobs beside them."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from typing import Final

import click

from app.cli.schema import open_database
from app.config import Settings
from app.package_files import package_file
from app.users.setup import DEMO_EMAIL, DEMO_PASSWORD, prepare_first_superadmin

#: Where a person finds a server that listens on every address.
LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, envvar="PORT",
    help="Port; also $PORT.",
)  # fmt: skip
def serve(host: str, port: int) -> None:
    """Serve the panel with gunicorn; this process also runs jobs unless JOBDECK_RUN_WORKER=0."""
    host = _checked(host.removeprefix("[").removesuffix("]"))
    settings = Settings.from_environment()
    settings.prepare_data_dir()
    with open_database(settings, may_be_empty=True) as database:
        token = prepare_first_superadmin(database, settings)
    _say_how_to_enter(f"http://{_authority(LOOPBACK.get(host, host), port)}", settings, token)
    sys.stdout.flush()
    # In place of this process: what stops it, stops gunicorn. Of this installation, whatever lies
    # where the command is called.
    gunicorn = [sys.executable, "-P", "-m", "app.web_server"]
    config = ["--config", str(package_file("gunicorn.conf.py"))]
    os.execv(sys.executable, [*gunicorn, *config, "--bind", _authority(host, port)])


def _checked(host: str) -> str:
    """Return the host if it has an address; gunicorn would try for five seconds."""
    with contextlib.suppress(OSError, UnicodeError):
        if host and socket.getaddrinfo(host, None):
            return host
    raise click.BadParameter(
        f"{host!r} is no address of this machine, and no name of one.", param_hint="--host"
    )


def _authority(host: str, port: int) -> str:
    """Write host and port as an address does."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _say_how_to_enter(address: str, settings: Settings, token: str | None) -> None:
    click.echo(f"Jobdeck is at {address}")
    if token is not None:
        click.echo("Nobody has an account yet. Make the first one here, within a day:")
        click.echo(f"  {address}/setup/{token}")
    elif settings.demo:
        click.echo(f"Sign in as {DEMO_EMAIL} with the password {DEMO_PASSWORD}")
