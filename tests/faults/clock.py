"""A host clock that a test steps: processes that follow it read the offset from a file."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import app.db


def step(file: Path, seconds: float) -> None:
    """Let the clock be so many seconds ahead from now on, or behind."""
    file.with_suffix(".new").write_text(str(seconds))
    file.with_suffix(".new").rename(file)


def follow(file: Path) -> None:
    """Read the host's time by this clock in this process, for good."""

    class Stepped(datetime):
        """What the application reads times from."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            """The time that the clock shows."""
            return datetime.now(tz) + timedelta(seconds=float(file.read_text()))

    setattr(app.db, "datetime", Stepped)  # noqa: B010 - it is no part of the module's face
