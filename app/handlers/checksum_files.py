"""Checksum every file under a folder, and keep count of the whole exactly once for each."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from pydantic import (
    BaseModel,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from app.jobs import Task, task_handler

SUPERADMIN = "superadmin"
#: How many of the slowest and of the largest files are shown.
SHOWN = 10


class OutsideOfTheFolder(Exception):
    """A task names a file that does not lie under the job's folder."""


class NotAFile(Exception):
    """A task names a pipe or a device: reading it might never end."""


def _roots(info: ValidationInfo) -> tuple[Path, ...]:
    """Where the person who asks may read."""
    asked: dict[str, Any] = info.context or {}
    if getattr(asked.get("started_by"), "role", SUPERADMIN) == SUPERADMIN:
        return (Path("/"),)
    roots: tuple[Path, ...] = asked["settings"].file_roots
    return roots


def _is_under(path: Path, roots: tuple[Path, ...]) -> bool:
    return any(path.resolve().is_relative_to(root) for root in roots)


class Params(BaseModel):
    """Which files. A superadmin may name any folder, an operator one under JOBDECK_FILE_ROOTS."""

    folder: str = Field(description="Folder whose files are read, with all folders below it")
    _roots: tuple[Path, ...] = PrivateAttr((Path("/"),))

    @field_validator("folder")
    @classmethod
    def _must_be_open(cls, folder: str, info: ValidationInfo) -> str:
        if "\0" in folder:
            raise ValueError("The name of a folder has no NUL character in it")
        if not _is_under(Path(folder), _roots(info)):
            raise ValueError(
                f"The folder {folder!r} is not open to you. Operators may read folders under "
                "JOBDECK_FILE_ROOTS; ask a superadmin for another one"
            )
        if not Path(folder).is_dir():
            raise ValueError(f"There is no folder {folder!r} on this server")
        return folder

    @model_validator(mode="after")
    def _keep_roots(self, info: ValidationInfo) -> Self:
        self._roots = _roots(info)
        return self

    def may_read(self, path: Path) -> bool:
        """Whether a path, followed to where it leads, lies where this person may read."""
        return _is_under(path, self._roots)


@task_handler(params=Params, parallel_limit=8, icon="fingerprint")
def checksum_files(task: Task) -> None:
    """Read every file under a folder and keep its SHA-256."""
    path = task.state["path"]
    if not Path(os.path.abspath(path)).is_relative_to(os.path.abspath(task.job.params.folder)):
        raise OutsideOfTheFolder(f"{path} is not under {task.job.params.folder}")
    if not Path(path).is_file() and Path(path).exists():
        raise NotAFile(f"{path} is neither a file nor a link to one")
    begun = time.perf_counter()
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    seen = {"path": path, "bytes": size, "seconds": round(time.perf_counter() - begun, 6)}
    if task.get_state_field("counted"):
        return
    # Set together with the sum below, or not at all: a task that runs again adds nothing twice.
    task.set_state_fields(sha256=digest, bytes=size, seconds=seen["seconds"], counted=True)
    task.job.update_fields_atomically(lambda state: _add(state, seen))


def _add(state: dict[str, Any], seen: dict[str, Any]) -> None:
    state["files"] = state.get("files", 0) + 1
    state["bytes"] = state.get("bytes", 0) + seen["bytes"]
    for name, measure in (("slowest", "seconds"), ("largest", "bytes")):
        ranked = sorted([*state.get(name, []), seen], key=lambda each: each[measure], reverse=True)
        state[name] = ranked[:SHOWN]


@checksum_files.tasks
def one_per_file(params: Params) -> Iterator[dict[str, Any]]:
    """One task for each file, in an order that does not change."""
    for folder, folders, names in os.walk(params.folder):
        folders.sort()
        for path in (Path(folder, name) for name in sorted(names)):
            if params.may_read(path):
                yield {"path": str(path)}
