"""Numbers in addresses: each has one form, so that nothing has two addresses."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import IntegerConverter


class WholeNumber(IntegerConverter):
    """An id: 1 is one, but 01 leads nowhere, nor does a digit of another script."""

    regex = "(?:0|[1-9][0-9]*)"


def init_app(app: Flask) -> None:
    """Let `<int:...>` in every route be such a number; before the routes are added."""
    app.url_map.converters["int"] = WholeNumber
