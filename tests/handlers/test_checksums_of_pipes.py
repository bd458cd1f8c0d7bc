"""A folder may hold what is no file: a pipe that nobody writes to would be read for ever."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.handlers.checksum_files import NotAFile, checksum_files
from app.jobs import Task


def task_for(path: Path) -> Task:
    job = SimpleNamespace(params=SimpleNamespace(folder=str(path.parent)))
    return cast(Task, cast(Any, SimpleNamespace(state={"path": str(path)}, job=job)))


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotAFile, match="pipe is neither a file nor a link to one"):
        checksum_files(task_for(tmp_path / "pipe"))


def test_a_link_that_leads_nowhere_is_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "lost").symlink_to(tmp_path / "moved-away")
    with pytest.raises(FileNotFoundError):
        checksum_files(task_for(tmp_path / "lost"))
