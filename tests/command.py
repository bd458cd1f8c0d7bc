"""The command `jobdeck`, as the tests call it: in this process, and then they look how it ended."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from app.cli import main
from app.config import Settings


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


def command(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """The command, with the data directory of these settings."""
    monkeypatch.setenv("JOBDECK_DATA_DIR", str(settings.data_dir))

    def run(*arguments: str, stdin: str = "") -> Ended:
        monkeypatch.setattr("sys.argv", ["jobdeck", *arguments])
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return run
