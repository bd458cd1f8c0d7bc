"""Steps that a process can die at: around a function of the engine, or the commit that follows.

The test's own process patches them from outside; the engine knows nothing of it.
"""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy import Connection

from app.db import Database
from app.jobs.store import adding, creating, ending, removing, reopening
from app.jobs.store.claiming import Order

#: So many tasks are a chunk in these processes, so that small jobs have several.
CHUNK = 5


@dataclass(frozen=True)
class Step:
    """Death before or after the `call`th call of a function that counts, or once it is committed.

    Of one that is called within a transaction, "after" is before the commit. "uncommitted" is
    before the commit of a function that is a transaction by itself.
    """

    where: str
    when: str
    call: int = 1
    counts: Callable[..., bool] = lambda *_, **__: True


def _takes_tasks(_: Connection, __: int, order: Order) -> bool:
    return bool(order.tasks)


def _ends_jobs(_: Connection, __: int, order: Order) -> bool:
    return bool(order.finish)


def _takes_steps(_: Connection, __: int, order: Order) -> bool:
    return bool(order.steps)


def _has_outcomes(_: Connection, __: int, writes: Any, ___: Any) -> bool:
    return any(each.status for each in writes)


def _adds(_: Connection, __: int, ___: int, chunk: Any) -> bool:
    return bool(chunk)


#: Steps of a process that runs jobs.
RUNNING = {
    "before a claim is sent": Step("store.claiming.claim", "before", 2, _takes_tasks),
    "after a claim, before it is read": Step("store.claiming.claim", "after", 2, _takes_tasks),
    "after a claim was read": Step("store.claiming.claimed", "after", 2),
    "before outcomes are written": Step("store.recording.write_group", "before", 2, _has_outcomes),
    "after outcomes are written": Step("store.recording.write_group", "after", 2, _has_outcomes),
    "before a job without tasks ends": Step("store.claiming.claim", "before", 1, _ends_jobs),
    "after a job without tasks has ended": Step("store.claiming.claim", "after", 1, _ends_jobs),
    "after the last outcome, before a finish step": Step(
        "store.claiming.claim", "before", 1, _takes_steps
    ),
    "after a finish step is taken": Step("store.claiming.claim", "after", 1, _takes_steps),
    "before the end of before_job_finish is committed": Step("store.ending.end_step", "after"),
    "after the end of before_job_finish": Step("store.ending.end_step", "committed", 3),
    "before the end of on_all_tasks_done is committed": Step("store.ending.let_go", "after"),
    "after the end of on_all_tasks_done": Step("store.ending.let_go", "committed"),
    "while a job's tasks are added by its callback": Step("store.adding.insert_chunk", "after"),
}
#: Steps of a process that was asked for something; the first word says for what.
ASKED = {
    "start: within the first chunk": Step("store.creating.insert_chunk", "after", 1),
    "start: after the first chunk": Step("store.creating.insert_chunk", "committed", 1),
    "start: within the second chunk": Step("store.creating.insert_chunk", "after", 2),
    "start: before it is shown": Step("store.creating._show", "before"),
    "start: before it is committed as shown": Step("store.creating._show", "after"),
    "start: after it is shown": Step("store.creating._show", "committed"),
    "cancel: before the request is committed": Step("store.ending.cancel_chunk", "after", 1),
    "cancel: after the first chunk": Step("store.ending.cancel_chunk", "committed", 1),
    "cancel: within the second chunk": Step("store.ending.cancel_chunk", "after", 2),
    "cancel: after the last chunk": Step("store.ending.cancel_chunk", "committed", 3),
    "retry: before the request is committed": Step("store.reopening.reopen_chunk", "after", 1),
    "retry: after the first chunk": Step("store.reopening.reopen_chunk", "committed", 1),
    "retry: within the second chunk": Step("store.reopening.reopen_chunk", "after", 2),
    "retry: after the last chunk": Step("store.reopening.reopen_chunk", "committed", 3),
    "add: within the first chunk": Step("store.adding.insert_chunk", "after", 1),
    "add: after the second chunk": Step("store.adding.insert_chunk", "committed", 2),
    "add: before they are shown": Step("store.adding.show", "after"),
    "add: after they are shown": Step("store.adding.show", "committed"),
    "delete: before it is committed": Step("store.removing.doom_ended", "after"),
    "delete: after it is committed": Step("store.removing.doom_ended", "committed"),
    "delete: before the job's own row goes": Step("store.removing.remove_job", "before"),
}
#: Steps of a process that looks after what a dead one has left behind, or leaves in good order.
TIDYING = {
    "before the dead are buried": Step("store.keeping.bury", "before"),
    "before it is committed that the dead are buried": Step("store.keeping.bury", "uncommitted"),
    "after the dead are buried": Step("store.keeping.bury", "after"),
}
STEPS = RUNNING | ASKED | TIDYING


def lie_in_wait(name: str) -> None:
    """Let this process die by SIGKILL when it comes to this step."""
    step = STEPS[name]
    path, _, function = step.where.rpartition(".")
    module = importlib.import_module(f"app.jobs.{path}")
    real, calls = getattr(module, function), count(1)
    reached: set[str] = set()

    def fatal(*args: Any, **named: Any) -> Any:
        is_it = step.counts(*args, **named) and next(calls) == step.call
        if is_it and step.when == "before":
            die()
        reached.update({"uncommitted"} if is_it else ())
        result = real(*args, **named)
        if is_it and step.when == "after":
            die()
        reached.update({"committed"} if is_it else ())
        return result

    setattr(module, function, fatal)
    _watch_commits(lambda moment: moment == step.when and moment in reached)


def _watch_commits(is_due: Callable[[str], bool]) -> None:
    real = Database.writing

    @contextmanager
    def writing(self: Database) -> Iterator[Connection]:
        with real(self) as connection:
            yield connection
            if is_due("uncommitted"):
                die()
        if is_due("committed"):
            die()

    Database.writing = writing  # type: ignore[method-assign]


def die() -> None:
    """Kill this process as nothing can be caught."""
    os.kill(os.getpid(), signal.SIGKILL)


def write_small_chunks() -> None:
    """Let this process write few tasks in one transaction."""
    for module in (creating, adding, ending, reopening, removing):
        module.CHUNK = CHUNK  # type: ignore[attr-defined]
