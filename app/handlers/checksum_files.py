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


def _roots(info: ValidationInfo) -> list[str] | None:
    """Under which folders the person who asks may read; None is anywhere."""
    asked: dict[str, Any] = info.context or {}
    if getattr(asked.get("started_by"), "role", SUPERADMIN) == SUPERADMIN:
        return None
    return [str(root) for root in asked["settings"].file_roots]


def _is_under(path: Path, roots: list[str] | None) -> bool:
    """Whether a path, followed to where it leads, lies under one of these folders."""
    return roots is None or any(path.resolve().is_relative_to(root) for root in roots)


class Params(BaseModel):
    """Which files. A superadmin may name any folder, an operator one under JOBDECK_FILE_ROOTS."""

    folder: str = Field(description="Folder whose files are read, with all folders below it")
    # Said by the server, whatever is submitted, and kept with the job: links are followed only
    # when a file is opened, and by then it must still be known how far they may lead.
    within: list[str] | None = Field(
        None, exclude_if=lambda roots: roots is None, json_schema_extra={"widget": "none"}
    )

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
        if info.context:
            self.within = _roots(info)
        return self

    def may_read(self, path: Path) -> bool:
        """Whether the person who started the job may read what a path leads to."""
        return _is_under(path, self.within)


@task_handler(params=Params, parallel_limit=8, icon="fingerprint")
def checksum_files(task: Task) -> None:
    """Read every file under a folder and keep its SHA-256."""
    path, params = task.state["path"], task.job.params
    lies_under = Path(os.path.abspath(path)).is_relative_to(os.path.abspath(params.folder))
    if not lies_under or not params.may_read(Path(path)):
        raise OutsideOfTheFolder(f"{path} is not under {params.folder}, or leads out of it")
    if not Path(path).is_file() and Path(path).exists():
        raise NotAFile(f"{path} is neither a file nor a link to one")
    begun = time.perf_counter()
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    seen = {"path": path, "bytes": size, "seconds": round(time.perf_counter() - begun, 6)}
    if task.get_state_field("counted"):
        return
    # The mark is stored with the sum, or neither is: a task that runs again adds nothing twice.
    mark = {"sha256": digest, "bytes": size, "seconds": seen["seconds"], "counted": True}
    task.job.update_fields_atomically(lambda state: _add(state, seen), mark)


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
