"""Commands that say what went wrong in a sentence, and end with 1."""

from __future__ import annotations

from typing import Any

import click


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
