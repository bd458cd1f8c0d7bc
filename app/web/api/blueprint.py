"""What all routes of the API belong to."""

from __future__ import annotations

from typing import Final

from flask import Blueprint

bp = Blueprint("api", __name__, url_prefix="/api")

#: Rows that one answer holds at most; the rest comes by pages.
MOST: Final = 1_000
