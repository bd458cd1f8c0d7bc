"""Checksum every file under a folder, and keep count of the whole exactly once for each."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, field_validator

from app.jobs import Task, task_handler

#: How many of the slowest and of the largest files are shown.
SHOWN = 10


class Params(BaseModel):
    """Which files."""

    folder: str = Field(description="Folder whose files are read, with all folders below it")

    @field_validator("folder")
    @classmethod
    def _must_be_a_folder(cls, folder: str) -> str:
        if "\0" in folder or not Path(folder).is_dir():
            raise ValueError(f"There is no folder {folder!r} on this server")
        return folder


@task_handler(params=Params, parallel_limit=8, roles={"start": "superadmin"}, icon="fingerprint")
def checksum_files(task: Task) -> None:
    """Read every file under a folder and keep its SHA-256."""
    path = task.state["path"]
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
        for name in sorted(names):
            yield {"path": os.path.join(folder, name)}
