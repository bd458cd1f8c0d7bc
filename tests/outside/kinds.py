"""Kinds of jobs that the tests watch: some that wait, some that fail, some that few may see."""

from __future__ import annotations

import datetime
import enum
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, model_validator

from app.jobs import Task, UploadedFile, task_handler

HOSTILE = "<script>alert('x')</script>&\"'"


class Gate(BaseModel):
    """A file that opens the gate once it is there, and how many tasks wait for it."""

    gate: str
    tasks: int = Field(3, ge=0, le=100_000)


@task_handler(params=Gate, parallel_limit=10, concurrency_limit=None)
def gated(task: Task) -> dict[str, int]:
    """Wait until a file is there, so that a test says when a task ends."""
    task.log("task %s waits", task.index)
    task.set_state_field("waits", True)
    while not Path(task.job.params.gate).exists():
        task.sleep(0.02)
    task.set_state_field("waits", False)
    return {"index": task.index}


@gated.tasks
def as_many_as_asked(params: Gate) -> Iterator[dict[str, Any]]:
    """So many tasks."""
    for number in range(params.tasks):
        yield {"number": number}


@task_handler(params=Gate, parallel_limit=10, concurrency_limit=None)
def stubborn(task: Task) -> None:
    """Wait until a file is there, and hear of nothing meanwhile."""
    pause = threading.Event()
    task.set_state_field("waits", True)
    while not Path(task.job.params.gate).exists():
        pause.wait(0.02)


@stubborn.tasks
def as_many_stubborn_ones(params: Gate) -> Iterator[dict[str, Any]]:
    """So many tasks."""
    yield from ({} for _ in range(params.tasks))


@task_handler(parallel_limit=None, concurrency_limit=None)
def swift(task: Task) -> dict[str, Any]:
    """Say what it was given, and be done."""
    return dict(task.state)


class Writing(BaseModel):
    """How often each task writes its state, and how long it rests before each time."""

    times: int = 1
    rest: float = 0.0
    tasks: int = 1


@task_handler(params=Writing, parallel_limit=None, concurrency_limit=None)
def writing(task: Task) -> None:
    """Write the task's and the job's state again and again."""
    for number in range(1, task.job.params.times + 1):
        task.set_state_field("written", number)
        task.job.set_state_field(f"written-{task.index}", number)
        task.sleep(task.job.params.rest)


@writing.tasks
def writers(params: Writing) -> Iterator[dict[str, Any]]:
    """So many writers."""
    for _ in range(params.tasks):
        yield {}


@task_handler(concurrency_limit=None)
def failing(task: Task) -> None:
    """Fail with what a hostile person would have written; a task that is told to goes well."""
    task.log("about to fail: %s", HOSTILE)
    if not task.state.get("well"):
        raise ValueError(HOSTILE)


@task_handler(params=Gate, retries=1_000, retry_delay=0.5, backoff="fixed", concurrency_limit=None)
def wavering(task: Task) -> int:
    """Fail until a file is there, and say at which try it was."""
    if not Path(task.job.params.gate).exists():
        raise ConnectionError("not yet")
    return task.attempt


class Color(enum.Enum):
    """An enum whose values are not its names."""

    DARK_RED = "r"
    GREEN = "g"


class Everything(BaseModel):
    """One field of each kind that a form can ask for."""

    text: str = Field(min_length=2, max_length=8, pattern="^[a-z]+$", description="Small letters")
    count: int = Field(3, ge=1, le=9)
    ratio: float = Field(0.5, gt=0, lt=1)
    agree: bool = False
    size: Literal["small", "large"] = "small"
    color: Color | None = None
    colors: list[Color] = Field(default_factory=lambda: [Color.GREEN])
    words: list[str] = Field(default_factory=list)
    numbers: list[int] = Field(default_factory=list)
    day: datetime.date | None = None
    moment: datetime.datetime | None = None
    hour: datetime.time | None = None
    password: SecretStr | None = None
    story: str = Field("", json_schema_extra={"widget": "textarea"})
    extra: dict[str, int] = Field(default_factory=dict)
    inner: Writing = Field(default_factory=Writing)

    @model_validator(mode="after")
    def _large_needs_agreement(self) -> Everything:
        if self.size == "large" and not self.agree:
            raise ValueError("Large ones need your agreement")
        return self


@task_handler(params=Everything)
def everything(task: Task) -> str:
    """Take a param of every kind."""
    return str(task.job.params.text)


@task_handler(roles={"view": "superadmin", "start": "superadmin"})
def secretive(task: Task) -> None:
    """Only superadmins may know of it."""


@task_handler(roles={"start": "superadmin"})
def guarded(task: Task) -> None:
    """Everyone may see it, only superadmins may start it."""


@task_handler(roles={"manage": "superadmin"})
def kept(task: Task) -> None:
    """Operators may start it, only superadmins may cancel or retry it."""


@task_handler(roles={"view": "operator"})
def internal(task: Task) -> None:
    """Viewers may not know of it."""


class Folder(BaseModel):
    """A folder that must be there by the time the tasks are made."""

    folder: str


@task_handler(params=Folder)
def listing(task: Task) -> None:
    """Its tasks cannot be made without the folder."""


@listing.tasks
def one_per_entry(params: Folder) -> Iterator[dict[str, Any]]:
    """One task for each entry."""
    for path in sorted(Path(params.folder).iterdir()):
        yield {"path": str(path)}


@task_handler(parallel_limit=None, concurrency_limit=None)
def painted(task: Task) -> None:
    """It has a component of its own, beside this module."""
    task.job.set_state_field("seen", [*task.job.state.get("seen", []), task.index])


@task_handler(parallel_limit=None, concurrency_limit=None)
def unpaintable(task: Task) -> None:
    """Its component raises."""


class Ticked(BaseModel):
    """A tick that is set unless it is taken away."""

    steps: int = 1
    ticked: bool = True


@task_handler(params=Ticked)
def ticked(task: Task) -> bool:
    """Say whether it was ticked."""
    return bool(task.job.params.ticked)


class Lines(BaseModel):
    """A text whose lines are counted."""

    file: UploadedFile = Field(description="A text", json_schema_extra={"accept": ".txt"})
    times: int = Field(1, ge=1)


def one_per_line(params: Lines) -> Iterator[dict[str, Any]]:
    """One task for each line."""
    with params.file.open("r", encoding="utf-8") as text:
        for line in text:
            yield {"line": line.strip()}


@task_handler(params=Lines, concurrency_limit=None)
def counting_lines(task: Task) -> int:
    """Tell how long a line is."""
    return len(task.state.get("line", ""))


@task_handler(params=Lines, roles={"start": "superadmin"})
def guarded_lines(task: Task) -> None:
    """Everyone may see it, only superadmins may start it, and have its file."""


counting_lines.tasks(one_per_line)
guarded_lines.tasks(one_per_line)


@task_handler(concurrency_limit=None)
def making(task: Task) -> None:
    """Make a file."""
    role = task.state.get("role", "viewer")
    with task.job.new_file(task.state.get("name", "made.txt"), role=role) as out:
        out.write(task.state.get("said", "made"))
