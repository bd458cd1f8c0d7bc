"""Handlers: the functions that run the tasks of a kind of job, and how they are found (A3, Q1)."""

from __future__ import annotations

import inspect
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, overload

from pydantic import BaseModel, RootModel

from app.jobs import options
from app.jobs.call import Call
from app.jobs.context import Task
from app.jobs.coroutines import refuse_async, refuse_generator, result_of
from app.jobs.discovery import LoadFailure, duplicate, load_modules
from app.jobs.errors import BadHandler, BrokenHandler, UnknownHandler
from app.jobs.facts import JobFacts
from app.jobs.options import PRIORITY
from app.jobs.params import ParamReader, ParamWriter, validate_params
from app.jobs.retries import Retries
from app.jobs.store.keeping import Declared
from app.jobs.store.rescheduling import Reschedule
from app.jobs.values import decode, demand_sound, reveal_secrets
from app.users.permissions import Role

log = logging.getLogger(__name__)

ROLES = frozenset(Role)
ACTIONS = frozenset({"view", "start", "manage"})
#: A preview stops here; it is a look, not the work itself.
PREVIEW_SECONDS = 2.0
PREVIEW_TASKS = 10_000

MakeTasks = Callable[[Any], Iterable[dict[str, Any]]]
Made = TypeVar("Made", bound=MakeTasks)
Callback = Callable[..., object]
Called = TypeVar("Called", bound=Callback)


@dataclass(frozen=True, slots=True)
class Preview:
    """How many tasks a job would have; `capped`: at least so many."""

    count: int
    capped: bool


@dataclass(kw_only=True)
class Handler(Retries):
    """One kind of job: how its tasks are run and tried again, and within which limits."""

    run: Callable[[Task], Any]
    params: type[BaseModel] | None = None
    parallel_limit: int | None = 3
    concurrency_limit: int | None = 1
    roles: Mapping[str, str] = field(default_factory=dict)
    component: str | None = None
    icon: str | None = None
    priority: int = PRIORITY
    auto_reschedule_on_failure: float | None = None
    max_reschedules: int | None = 3
    make_tasks: MakeTasks | None = None
    finish_hook: Callback | None = None
    all_tasks_done: Callback | None = None

    def __post_init__(self) -> None:
        self._check_functions()
        self._check_limit("parallel_limit", self.parallel_limit)
        self._check_limit("concurrency_limit", self.concurrency_limit)
        self._check_params()
        self.check_retries()
        self._check("priority", options.priority)
        self._check("auto_reschedule_on_failure", options.delay)
        self._check("max_reschedules", options.reschedules)
        if unknown := set(self.roles) - ACTIONS:
            raise BadHandler(
                f"roles of handler {self.name!r} name {sorted(unknown)}; "
                f"the actions are {', '.join(sorted(ACTIONS))}."
            )
        if unknown := set(self.roles.values()) - ROLES:
            raise BadHandler(
                f"roles of handler {self.name!r} name {sorted(unknown)}; "
                f"the roles are {', '.join(sorted(ROLES))}."
            )

    def _check_functions(self) -> None:
        refuse_generator(f"The handler {self.name!r}", self.run)
        if self.make_tasks:
            refuse_async(f"The tasks function of handler {self.name!r}", self.make_tasks)
        if self.finish_hook:
            refuse_generator(f"before_job_finish of handler {self.name!r}", self.finish_hook)
        if self.all_tasks_done:
            refuse_generator(f"on_all_tasks_done of handler {self.name!r}", self.all_tasks_done)

    def _check_params(self) -> None:
        params: Any = self.params  # whatever its author has given
        if params is None:
            return
        if not (isinstance(params, type) and issubclass(params, BaseModel)):
            raise BadHandler(
                f"params of handler {self.name!r} are {params!r}; they must be a class that "
                "derives from pydantic.BaseModel, or None."
            )
        if issubclass(params, RootModel):
            raise BadHandler(
                f"params of handler {self.name!r} are {params.__name__}, a RootModel, and "
                "params have names. Make it a field of a BaseModel."
            )

    def _check_limit(self, what: str, limit: object) -> None:
        is_whole = isinstance(limit, int) and not isinstance(limit, bool) and limit >= 1
        if limit is not None and not is_whole:
            raise BadHandler(
                f"{what} of handler {self.name!r} is {limit!r}; "
                "it must be a whole number from 1 up, or None for no limit."
            )

    def _check(self, name: str, check: Callable[[Any], object]) -> None:
        value = getattr(self, name)
        try:
            check(value)
        except ValueError as error:
            said = f"{name} of handler {self.name!r} is {value!r}. {error}."
            raise BadHandler(said) from None

    def __call__(self, task: Task) -> Any:
        """Run one task, as the executor does; handy in tests of a handler."""
        return result_of(self.run(task), Call())

    def tasks(self, make_tasks: Made) -> Made:
        """Decorate the generator that makes the tasks: params in, one state (a dict) a task out."""
        self.make_tasks = make_tasks
        self._check_functions()
        return make_tasks

    def before_job_finish(self, callback: Called) -> Called:
        """Decorate what is called, as `f(job, attempt)`, when all tasks have ended (A11).

        It may call `job.add_tasks(...)`; then the job goes on, and it is called again when those
        have ended too, with the next `attempt` (from 1). It is repeated after a crash.
        """
        self.finish_hook = callback
        self._check_functions()
        return callback

    def on_all_tasks_done(self, callback: Called) -> Called:
        """Decorate what is called, as `f(job)`, after the job has ended, and again after a crash.

        Neither callback is called after a cancel (A11). Each may take as long as a try of a task.
        """
        self.all_tasks_done = callback
        self._check_functions()
        return callback

    def timeout_of(self, facts: JobFacts) -> float | None:
        """Seconds that its code may take at a time for a job; the job's own count first."""
        return self.timeout if facts.timeout is None else facts.timeout

    @property
    def has_finish_step(self) -> bool:
        """Whether there is something to do when its jobs finish."""
        return bool(self.finish_hook or self.all_tasks_done or self.reschedule)

    @property
    def reschedule(self) -> Reschedule | None:
        """Whether, when and how often a job that ended with errors is started again (Q4)."""
        if self.auto_reschedule_on_failure is None:
            return None
        return Reschedule(self.auto_reschedule_on_failure, self.max_reschedules)

    @property
    def title(self) -> str:
        """The name as a person would write it."""
        return self.name.replace("_", " ").capitalize()

    @property
    def description(self) -> str:
        """The first paragraph of the function's docstring."""
        return (inspect.getdoc(self.run) or "").split("\n\n")[0].replace("\n", " ")

    def validate_params(
        self, params: Mapping[str, Any] | BaseModel, context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return params as the handler's model, a dict without one; see validate_params().

        `context` is what the model's validators may ask for: see Engine.start().
        """
        if self.params is None:
            # Secrets keep their mark: nothing else tells, when these are stored, what they are.
            demand_sound(dict(params), "params")
            return dict(params)
        return validate_params(self.params, params, context or {})

    def dump_params(self, params: Any) -> dict[str, Any]:
        """Return validated params as JSON to store; raise InvalidParams for what cannot be."""
        return ParamWriter(self.params).write(params)

    def load_params(self, stored: str) -> Any:
        """Return what dump_params() was given, from its JSON text; no validator runs.

        Raises StoredParamsOutdated.
        """
        return ParamReader(self.params).read(decode(stored))

    def states(self, params: Any) -> Iterator[dict[str, Any]]:
        """Make the tasks' states; one empty state for a handler without a `tasks` function."""
        if self.make_tasks is None:
            return iter([{}])
        return iter(self.make_tasks(reveal_secrets(params)))

    def preview(self, params: Any) -> Preview:
        """Count the tasks that a job would have, for 2 s and up to 10,000."""
        return preview_of(self.states(params))


def preview_of(tasks: Iterable[object]) -> Preview:
    """Count tasks while they are made, for 2 s and up to 10,000."""
    end = time.monotonic() + PREVIEW_SECONDS
    count = 0
    for _ in itertools.islice(tasks, PREVIEW_TASKS):
        count += 1
        if time.monotonic() > end:
            return Preview(count, True)
    return Preview(count, count == PREVIEW_TASKS)


@overload
def task_handler(run: Callable[[Task], Any], /) -> Handler: ...
@overload
def task_handler(
    name: str | None = None, /, **options: Any
) -> Callable[[Callable[[Task], Any]], Handler]: ...
def task_handler(
    name: str | Callable[[Task], Any] | None = None, /, **options: Any
) -> Handler | Callable[[Callable[[Task], Any]], Handler]:
    """Declare the decorated function a handler, named after itself unless a name is given.

    It may be an `async def`, and so may its callbacks: each runs in an event loop of its own.

    Options: `params` (a pydantic model), `parallel_limit=3` (tasks of one job at once),
    `concurrency_limit=1` (jobs at once; None is no limit for either), `priority=100` (lower comes
    first), `auto_reschedule_on_failure` (a job that ends with errors is started again after so many
    seconds, with what failed), `max_reschedules=3` (in a row), `roles`, `component`, `icon`,
    `before_job_finish`, `on_all_tasks_done` (the callbacks, which may be decorated as well).

    A task that fails is tried again `retries=0` times (B4) if `retry_on=(Exception,)` names what
    it raised: after `retry_delay=1.0` seconds at first, then after longer ones as `backoff` says
    ("exponential", "linear" or "fixed"), `max_retry_delay=3600` at most, and always up to a quarter
    longer. A try that takes longer than `timeout` seconds (None: as long as it likes) has failed,
    with what `retry_on` knows as a TimeoutError (B5); a callback, too. `retries` and `timeout` may
    be given for one job when it is started.
    """
    if callable(name):
        return Handler(name=name.__name__, run=name)

    def declare(run: Callable[[Task], Any]) -> Handler:
        return make_handler(name or run.__name__, run, **options)

    return declare


def make_handler(
    name: str,
    run: Callable[[Task], Any],
    *,
    before_job_finish: Callback | None = None,
    on_all_tasks_done: Callback | None = None,
    **options: Any,
) -> Handler:
    """Return a handler with these options, callbacks among them."""
    return Handler(
        name=name,
        run=run,
        finish_hook=before_job_finish,
        all_tasks_done=on_all_tasks_done,
        **options,
    )


class Registry:
    """The handlers of one application, by name, and where their components lie."""

    def __init__(self, handlers: Iterable[Handler] = ()) -> None:
        self._handlers: dict[str, Handler] = {}
        self.component_folders: list[Path] = []
        self.failures: list[LoadFailure] = []
        self._found_in: dict[str, str] = {}
        self._named_twice: dict[str, list[str]] = {}
        for handler in handlers:
            self.add(handler)

    def __iter__(self) -> Iterator[Handler]:
        return iter(sorted(self._handlers.values(), key=lambda handler: handler.name))

    def __contains__(self, name: object) -> bool:
        return name in self._handlers

    def __getitem__(self, name: str) -> Handler:
        try:
            return self._handlers[name]
        except KeyError:
            if name in self.broken:
                raise BrokenHandler(name) from None
            raise UnknownHandler(name, list(self._handlers)) from None

    @property
    def declared(self) -> dict[str, Declared]:
        """What each handler declares that others must know, too."""
        return {
            each.name: Declared(each.concurrency_limit, each.parallel_limit, each.roles)
            for each in self
        }

    def add(self, handler: Handler) -> None:
        """Add a handler; a second one of the same name is a mistake."""
        if self._handlers.get(handler.name, handler) is not handler:
            raise BadHandler(f"Two handlers are named {handler.name!r}; rename one of them.")
        self._handlers[handler.name] = handler

    def discover(self, packages: Iterable[str]) -> None:
        """Add every handler of these modules or packages of modules, and of installed plugins.

        Nothing is raised for what cannot be loaded: `failures` has it.
        """
        loaded = load_modules(packages)
        self.failures.extend(loaded.failures)
        self.component_folders.extend(loaded.component_folders)
        for module in loaded.modules:
            for value in vars(module).values():
                if isinstance(value, Handler):
                    self._take(value, module.__name__)
        for name, modules in self._named_twice.items():
            self._handlers.pop(name, None)
            self.failures.append(duplicate(name, modules))

    @property
    def broken(self) -> dict[str, LoadFailure]:
        """The handlers that are known by name only, for their code cannot be loaded."""
        return {
            name: failure
            for failure in self.failures
            for name in failure.handlers
            if name not in self._handlers
        }

    def log_failures(self) -> None:
        """Tell the log of a process what could not be loaded."""
        for failure in self.failures:
            log.error("%s\n%s", failure.sentence, failure.traceback)

    def _take(self, handler: Handler, module: str) -> None:
        place = self._found_in.setdefault(handler.name, module)
        if self._handlers.setdefault(handler.name, handler) is not handler:
            self._named_twice.setdefault(handler.name, [place]).append(module)
