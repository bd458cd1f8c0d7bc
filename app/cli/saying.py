"""What commands say: what went wrong in a sentence, then they end with 1; and JSON for programs."""

from __future__ import annotations

import json
from typing import Any

import click

as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON, as the API tells it.")


class SayingErrors(click.Group):
    """A group whose commands may raise these errors: their message is all that a person reads."""

    def __init__(self, *args: Any, errors: tuple[type[Exception], ...] = (), **more: Any) -> None:
        super().__init__(*args, **more)
        self.errors = errors

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except self.errors as error:
            raise click.ClickException(str(error)) from error


def write_json(value: object) -> None:
    """Write it for a program."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
