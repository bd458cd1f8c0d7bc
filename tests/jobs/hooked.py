"""Handlers whose callbacks are noted, and jobs that run to their very end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, SecretStr

from app.jobs import Engine, Handler, JobDetail
from tests.eventually import eventually
from tests.jobs.looking import blank, ended

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}
Hook = Callable[..., object]


class Hooked(Handler):
    """A handler whose callbacks are noted before they do what they are made of."""

    def __init__(self, before: Hook | None = None, after: Hook | None = None, **more: Any) -> None:
        super().__init__(name="work", **{"run": lambda task: task.index, **FREE, **more})
        self.called: list[str] = []
        if before:
            self.finish_hook = self._noted("before", before)
        if after:
            self.all_tasks_done = self._noted("after", after)

    def _noted(self, name: str, hook: Hook) -> Hook:
        def call(*given: Any) -> object:
            self.called.append(" ".join([name, *map(str, given[1:])]))
            return hook(*given)

        return call


class Params(BaseModel):
    """What the job was started with."""

    word: str
    token: SecretStr = SecretStr("")


def nothing(*_: Any) -> None:
    """Do nothing when called back."""


def over(engine: Engine, job_id: int) -> JobDetail:
    """The job, once it has ended and its last callback is over."""
    ended(engine, job_id)
    eventually(lambda: not engine.job(job_id).finishing)
    return engine.job(job_id)


def run(engine: Engine, tasks: int = 2) -> JobDetail:
    """A job of so many tasks, once it is over."""
    return over(engine, engine.start_new_job("x", None, blank(tasks), "work"))
