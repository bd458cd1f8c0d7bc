"""Clocks that a test steps: processes that follow them read from a file by how much."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import app.db
import app.jobs.worker


def step(file: Path, seconds: float) -> None:
    """Let the clock be so many seconds ahead from now on, or behind."""
    file.with_suffix(".new").write_text(str(seconds))
    file.with_suffix(".new").rename(file)


def follow(file: Path) -> None:
    """Read the host's time by this clock in this process, for good."""
    setattr(app.db, "datetime", _datetime(file))  # noqa: B010 - no part of the module's face
    setattr(app.db, "time", _Time(file))  # noqa: B010


def _datetime(file: Path) -> type[datetime]:
    class Stepped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=float(file.read_text()))

    return Stepped


class _Time:
    monotonic = staticmethod(time.monotonic)

    def __init__(self, file: Path) -> None:
        self._file = file

    def time_ns(self) -> int:
        return time.time_ns() + int(float(self._file.read_text()) * 10**9)


def oversleep(file: Path) -> None:
    """Let this process have slept for an hour, by its own clock, for each byte of the file."""
    setattr(app.jobs.worker, "time", _Overslept(file))  # noqa: B010


class _Overslept:
    def __init__(self, file: Path) -> None:
        self._file = file

    def monotonic(self) -> float:
        return time.monotonic() + 3600 * (self._file.stat().st_size if self._file.exists() else 0)
