"""What really happened, told by the tasks themselves: a line for each start and each end.

The test adds when it killed a process or froze one, what that had in hand, and when a cancel or a
retry was answered.

One `write` to a file opened for appending survives SIGKILL and is never torn, so this oracle knows
what the database cannot: what ran, how often, and in which process.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from app.jobs import Task, task_handler


class Params(BaseModel):
    """Where to testify, how many tasks there are, and how long each takes."""

    file: str
    tasks: int = 1
    seconds: float = 0.0
    failing: int = 0  # each so-manieth task fails; 0: none


@task_handler(params=Params, parallel_limit=None, concurrency_limit=None)
def witnessed(task: Task) -> int:
    """Testify, write the task's state, and add to the job's sum exactly once."""
    _testify(task, "S")
    try:
        task.set_state_field("seen", True)
        threading.Event().wait(task.job.params.seconds)
        if not task.get_state_field("counted"):
            task.set_state_field("counted", True)
            task.job.update_fields_atomically(lambda state: _add(state, task.index))
    finally:
        _testify(task, "E")  # also of one that is cancelled: it runs no more
    return task.index


@witnessed.tasks
def so_many(params: Params) -> Iterator[dict[str, Any]]:
    """As many tasks as asked for."""
    for number in range(params.tasks):
        yield {"number": number}


@task_handler(params=Params, parallel_limit=3, concurrency_limit=2)
def limited(task: Task) -> None:
    """Do as a witnessed task does, two jobs at once and three tasks of each; some fail."""
    witnessed.run(task)
    failing = task.job.params.failing
    if failing and task.index % failing == 0:
        raise ValueError("as it was asked to")


@limited.tasks
def so_many_limited(params: Params) -> Iterator[dict[str, Any]]:
    """As many tasks as asked for."""
    return so_many(params)


@task_handler(params=Params, parallel_limit=None, concurrency_limit=None)
def poisoned(task: Task) -> None:
    """Kill the process in the first task, as a crash of native code would."""
    _testify(task, "S")
    if task.index == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait(task.job.params.seconds)
    _testify(task, "E")


@poisoned.tasks
def one_of_many(params: Params) -> Iterator[dict[str, Any]]:
    """As many tasks as asked for."""
    return so_many(params)


@task_handler(params=Params, parallel_limit=None, concurrency_limit=None)
def hanging(task: Task) -> None:
    """Hear of nothing, and never end."""
    _testify(task, "S")
    threading.Event().wait()


@hanging.tasks
def many_that_hang(params: Params) -> Iterator[dict[str, Any]]:
    """As many tasks as asked for."""
    return so_many(params)


@task_handler(params=Params, parallel_limit=None, concurrency_limit=None)
def called_back(task: Task) -> None:
    """Testify; the callbacks testify, too, and the first two rounds add tasks."""
    _testify(task, "S")
    threading.Event().wait(task.job.params.seconds)
    _testify(task, "E")


@called_back.tasks
def as_many(params: Params) -> Iterator[dict[str, Any]]:
    """As many tasks as asked for."""
    return so_many(params)


@called_back.before_job_finish
def grow(job: Any, attempt: int) -> None:
    """Add as many tasks again, twice."""
    write(job.params.file, f"B {os.getpid()} {job.id} {attempt}")
    job.update_fields_atomically(lambda state: state.update(rounds=attempt))
    threading.Event().wait(0.05)
    if attempt <= 2:
        job.add_tasks(so_many(job.params))


@called_back.on_all_tasks_done
def tell(job: Any) -> None:
    """Say that all is done."""
    write(job.params.file, f"A {os.getpid()} {job.id} 0")
    threading.Event().wait(0.05)


@task_handler(concurrency_limit=None)
def deadly(task: Task) -> None:
    """Its tasks are harmless, and its callback kills its process."""


@deadly.before_job_finish
def die(job: Any, attempt: int) -> None:
    """Kill the process, as a crash of native code would."""
    os.kill(os.getpid(), signal.SIGKILL)


#: All of them.
HANDLERS = (witnessed, limited, poisoned, hanging, called_back, deadly)


def _add(state: dict[str, Any], index: int) -> None:
    state["sum"] = state.get("sum", 0) + index
    state["count"] = state.get("count", 0) + 1


def _testify(task: Task, what: str) -> None:
    write(task.job.params.file, f"{what} {os.getpid()} {task.job.id} {task.index}")


def write(path: str, line: str) -> None:
    """Write a line that outlives the process."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)


@dataclass(frozen=True, slots=True)
class Line:
    """A task began (S) or ended (E) in a process, or a callback was called (B, A).

    The test says of a process that it is killed or frozen now (K), and of a job that its cancel
    (C) or its retry (R) was answered; the index is then how many of its tasks were claimed.
    """

    what: str
    pid: int
    job_id: int
    index: int


def heard(file: Path) -> list[Line]:
    """All that was testified, in order."""
    if not file.exists():
        return []
    words = (line.split() for line in file.read_text().splitlines())
    return [Line(what, int(pid), int(job), int(index)) for what, pid, job, index in words]
