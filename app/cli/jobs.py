"""`jobdeck jobs`: start jobs and look at them, for scripts and for people without a browser."""

from __future__ import annotations

import click


@click.group()
def jobs() -> None:
    """Start jobs and look at them."""
