"""`jobdeck serve`: pages, and jobs beside them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import click

from app.cli.schema import open_database
from app.config import Settings
from app.users.setup import DEMO_EMAIL, DEMO_PASSWORD, prepare_first_superadmin

ROOT: Final = Path(__file__).parent.parent.parent


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, envvar="PORT", help="Port; also $PORT.")
def serve(host: str, port: int) -> None:
    """Serve the panel with gunicorn; this process also runs jobs unless JOBDECK_RUN_WORKER=0."""
    settings = Settings.from_environment()
    with open_database(settings, may_be_empty=True) as database:
        token = prepare_first_superadmin(database, settings)
    _say_how_to_enter(f"http://{host}:{port}", settings, token)
    sys.stdout.flush()
    # In place of this process: what stops it, stops gunicorn.
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *_arguments(host, port)])


def _arguments(host: str, port: int) -> list[str]:
    config = ["--config", str(ROOT / "gunicorn.conf.py"), "--pythonpath", str(ROOT)]
    return [*config, "--bind", f"{host}:{port}"]


def _say_how_to_enter(address: str, settings: Settings, token: str | None) -> None:
    click.echo(f"Jobdeck is at {address}")
    if token is not None:
        click.echo("Nobody has an account yet. Make the first one here, within a day:")
        click.echo(f"  {address}/setup/{token}")
    elif settings.demo:
        click.echo(f"Sign in as {DEMO_EMAIL} with the password {DEMO_PASSWORD}")
