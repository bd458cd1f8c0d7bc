"""The face of the core: everything that the rest of the program may ask of jobs."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from app.config import Settings
from app.db import Database, demand_sqlite
from app.jobs.context import Change, Task, apply
from app.jobs.errors import TasksNotMade
from app.jobs.events import Bus
from app.jobs.registry import Handler, Preview, Registry
from app.jobs.running import Running
from app.jobs.store import creating, inspecting, keeping, reading, recording
from app.jobs.store.creating import NewJob, NewTask
from app.jobs.store.reading import JobFilter
from app.jobs.store.recording import JobState
from app.jobs.values import decode, encode_object, storable_text
from app.jobs.views import JobDetail, JobRow, LogLine, TaskDetail, TaskRow

log = logging.getLogger(__name__)


class HasId(Protocol):
    """Anything that stands for a person."""

    @property
    def id(self) -> int:
        """Whose id it is in the table of users."""
        ...


class Engine:
    """Starts jobs, runs them when told to, and tells about them.

    Building one runs nothing; `run` starts its threads. An engine that does not run can do all
    the rest: a command line, or a web process beside worker processes.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        registry: Registry | None = None,
        *,
        within: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
    ) -> None:
        demand_sqlite(database.url)
        self.database = database
        self.settings = settings
        self.bus = Bus()
        #: Differs in every process: who watches sees by it that the server is another one.
        self.boot = secrets.token_hex(8)
        self.registry = registry if registry is not None else Registry()
        if registry is None:
            self.registry.discover(settings.handler_modules)
        self._limit = settings.max_value_kb * 1024
        self._within = within
        self._running: Running | None = None
        self._is_declared = False

    # Running

    def run(self) -> None:
        """Register as a worker and begin to execute (idempotent)."""
        if self._running is None:
            self._running = Running(
                self.database, self.settings, self.registry, self.bus, within=self._within
            )
            self._running.start()

    def begin_stop(self) -> None:
        """Claim nothing more and give back what is not begun; returns soon."""
        if self._running:
            self._running.begin_stop()

    def stop(self) -> None:
        """Let running tasks end within the grace time, hand the rest back, and write all down."""
        if self._running:
            self._running.stop(self.settings.grace_seconds)
            self._running = None

    @property
    def trouble(self) -> str | None:
        """Why this process can run nothing just now, as a sentence; None when all is well."""
        return self._running.trouble if self._running else None

    # Starting jobs

    def start_new_job(  # noqa: PLR0913 - the arguments of the original, in its order
        self,
        name: str,
        admin_user: HasId | int | None,
        tasks: Iterable[Mapping[str, Any]],
        job_handler_name: str,
        initial_state: Mapping[str, Any] | None = None,
        *,
        params: Any = None,
        queued: bool = False,
        auto_start: bool = True,
    ) -> int:
        """Start a job of these tasks and return its id once all is durable (A4).

        A task is `{"state": {...}}`, with `"skip": True` for one that shall not run. The job
        starts as soon as its handler has a slot; with `auto_start=False` it waits for
        start_next_queued_job() or start_queued_jobs(). `queued` says what is so anyway: every job
        waits its turn. Raises UnknownHandler, ValueNotStorable; then nothing is stored.
        """
        handler = self.registry[job_handler_name]
        new = NewJob(
            name=storable_text(name.strip() or handler.title)[:500],
            handler=handler.name,
            params=encode_object(handler.dump_params(params or {}), "params", self._limit),
            state=encode_object(dict(initial_state or {}), "initial state", self._limit),
            started_by=_id_of(admin_user),
            parallel_limit=handler.parallel_limit,
            held=not auto_start,
        )
        self._declare()
        job_id = creating.create_job(self.database, new, self._new_tasks(tasks))
        self.bus.announce([job_id])
        return job_id

    def _declare(self) -> None:
        """Have it known who may see the jobs, also where no worker has their handlers yet."""
        if self._running or self._is_declared:
            return
        with self.database.writing() as connection:
            keeping.declare_handlers(connection, self.registry.declared)
        self._is_declared = True

    def queue_new_job(
        self,
        name: str,
        admin_user: HasId | int | None,
        tasks: Iterable[Mapping[str, Any]],
        job_handler_name: str,
        initial_state: Mapping[str, Any] | None = None,
    ) -> int:
        """Queue a job without starting it: it waits for start_next_queued_job()."""
        return self.start_new_job(
            name, admin_user, tasks, job_handler_name, initial_state, auto_start=False
        )

    def start_next_queued_job(self, job_handler_name: str) -> int | None:
        """Let the oldest job that waits for this call start; return its id, None without one.

        Nothing happens while the handler's slots are all taken.
        """
        started = self._release(job_handler_name, 1)
        return started[0] if started else None

    def start_queued_jobs(self, job_handler_name: str) -> list[int]:
        """Let as many waiting jobs start as the handler has free slots; return their ids."""
        return self._release(job_handler_name, None)

    def _release(self, name: str, most: int | None) -> list[int]:
        handler = self.registry[name]
        released = creating.release_held(
            self.database, handler.name, limit=handler.concurrency_limit, most=most
        )
        self.bus.announce(released)
        return released

    def start(
        self,
        handler_name: str,
        params: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        started_by: HasId | int | None = None,
        tasks: Iterable[Mapping[str, Any]] | None = None,
    ) -> int:
        """Start a job from its handler's params: check them, make its tasks, return its id (A16).

        `tasks` given: the handler's own generator is not called. The model's validators find
        `started_by` and `settings` in their context. Raises UnknownHandler, InvalidParams,
        TasksNotMade, ValueNotStorable; then nothing is stored.
        """
        handler = self.registry[handler_name]
        checked = handler.read_params(params or {}, self._asked_by(started_by))
        made = self._made(handler, checked) if tasks is None else tasks
        return self.start_new_job(
            name or handler.title, started_by, made, handler.name, params=checked
        )

    def preview(
        self,
        handler_name: str,
        params: Mapping[str, Any],
        *,
        started_by: HasId | int | None = None,
    ) -> Preview:
        """Count the tasks that start() would make, for 2 s at most (P5). Raises as start() does."""
        handler = self.registry[handler_name]
        checked = handler.read_params(params, self._asked_by(started_by))
        with self._making(handler):
            return handler.preview(checked)

    def _asked_by(self, person: HasId | int | None) -> dict[str, object]:
        return {"started_by": person, "settings": self.settings}

    def _made(self, handler: Handler, params: Any) -> Iterator[Mapping[str, Any]]:
        with self._making(handler):
            for state in handler.states(params):
                yield {"state": state}

    @contextlib.contextmanager
    def _making(self, handler: Handler) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise TasksNotMade(storable_text(f"The tasks could not be made: {error}")) from error
        except Exception as error:
            # That is a mistake in the generator: its author needs to know where.
            log.exception("The tasks of %s could not be made", handler.name)
            said = f"The tasks could not be made: {type(error).__name__}: {error}"
            raise TasksNotMade(storable_text(said)) from error

    def _new_tasks(self, tasks: Iterable[Mapping[str, Any]]) -> Iterator[NewTask]:
        for index, task in enumerate(tasks):
            state = task.get("state")
            if state is None or state == {}:
                text = "{}"
            else:
                text = encode_object(state, f"state of task {index}", self._limit)
            yield NewTask(text, bool(task.get("skip")))

    # The state of jobs

    def get_job_state(self, job_id: int) -> dict[str, Any]:
        """Return a job's stored state; raise JobNotFound."""
        state: dict[str, Any] = decode(self._job_state(job_id).state)
        return state

    def get_job_state_field(self, job_id: int, key: str, default: Any = None) -> Any:
        """Return one field of a job's stored state."""
        return self.get_job_state(job_id).get(key, default)

    def set_job_state_field(self, job_id: int, key: str, value: Any) -> None:
        """Set one field of a job's state; it is durable when this returns."""
        self.update_job_fields_atomically(job_id, lambda state: state.update({key: value}))

    def update_job_fields_atomically(self, job_id: int, change: Change) -> dict[str, Any]:
        """Change a job's state by what it is just now; return the new one, once durable (A9).

        `change` edits a private copy in place and may be called several times, until its result
        is stored on exactly the state that it saw: it must have no other effect. No lock is held
        meanwhile. Inside of a task use `task.job.update_fields_atomically`.
        """
        while True:
            seen = self._job_state(job_id)
            newer, text = apply(change, seen.state, self._limit)
            with self.database.writing_once() as connection:
                stored = recording.move_job_state(connection, JobState(job_id, seen.base, text))
            if stored:
                self.bus.announce([job_id])
                return newer

    def _job_state(self, job_id: int) -> JobState:
        with self.database.reading() as connection:
            return recording.job_state(connection, job_id)

    # Looking

    def roles(self) -> dict[str, Mapping[str, str]]:
        """Who may do what with each handler, also with one whose code is not here (any more)."""
        with self.database.reading() as connection:
            stored = keeping.declared_roles(connection)
        return stored | {handler.name: handler.roles for handler in self.registry}

    def job(self, job_id: int) -> JobDetail:
        """Return a job; raise JobNotFound."""
        with self.database.reading() as connection:
            return reading.job(connection, job_id)

    def jobs(
        self,
        which: JobFilter | None = None,
        *,
        limit: int = 50,
        after: int | None = None,
        before: int | None = None,
    ) -> list[JobRow]:
        """Return jobs, newest first; `after` and `before` are ids that bound the page."""
        with self.database.reading() as connection:
            which = which or JobFilter()
            return reading.jobs(connection, which, limit=limit, after=after, before=before)

    def jobs_of(self, job_ids: Collection[int]) -> list[JobRow]:
        """Return these jobs as rows, as far as they exist."""
        with self.database.reading() as connection:
            return reading.jobs_of(connection, job_ids)

    def count_jobs(self, which: JobFilter, statuses: Iterable[str]) -> dict[str, int]:
        """Count the jobs of each status, each up to 1,001."""
        with self.database.reading() as connection:
            return reading.count_jobs(connection, which, statuses)

    def tasks(self, job_id: int, **which: Any) -> list[TaskRow]:
        """Return tasks of a job; see store.inspecting.tasks() for what may be asked."""
        with self.database.reading() as connection:
            return inspecting.tasks(connection, job_id, **which)

    def tasks_failed_first(
        self,
        job_id: int,
        *,
        limit: int,
        after: tuple[bool, int] | None = None,
        before: tuple[bool, int] | None = None,
    ) -> list[TaskRow]:
        """Return tasks of a job, failed ones first; places are (is it failed, its index)."""
        with self.database.reading() as connection:
            return inspecting.tasks_failed_first(
                connection, job_id, limit=limit, after=after, before=before
            )

    def get_job_tasks(
        self, job_id: int, limit: int = 10, offset: int = 0, fields: Sequence[str] | None = None
    ) -> list[Any]:
        """Return tasks from index `offset` on; with `fields`, dicts of just these (A12)."""
        with self.database.reading() as connection:
            if fields is None:
                return list(inspecting.tasks(connection, job_id, limit=limit, first=offset))
            return list(
                inspecting.task_fields(connection, job_id, fields, limit=limit, offset=offset)
            )

    def register_task_details_component(self, job_handler_name: str, template: str) -> None:
        """Let jobs of a handler be shown by this file of a components folder (A12)."""
        self.registry[job_handler_name].component = template

    def register_task_handler(
        self, name: str, handler: Callable[[Task], Any], **options: Any
    ) -> Handler:
        """Add a handler without the decorator; options are those of task_handler() (A3).

        To be called before run(): a worker says at its start which handlers it has.
        """
        added = Handler(name=name, run=handler, **options)
        self.registry.add(added)
        return added

    def tasks_by_offset(
        self, job_id: int, *, status: str, offset: int, limit: int
    ) -> list[TaskRow]:
        """Return tasks of one status from the `offset`th on."""
        with self.database.reading() as connection:
            return inspecting.tasks_by_offset(
                connection, job_id, status=status, offset=offset, limit=limit
            )

    def task(self, job_id: int, index: int) -> TaskDetail:
        """Return one task with its attempts and log; raise TaskNotFound."""
        with self.database.reading() as connection:
            return inspecting.task(connection, job_id, index)

    def log(self, job_id: int, limit: int = 100) -> list[LogLine]:
        """Return the last lines that were said in a job, oldest first."""
        with self.database.reading() as connection:
            return inspecting.log(connection, job_id, limit=limit)

    def active_versions(self) -> dict[int, int]:
        """Return the versions of unfinished and newest jobs, which every change of one moves."""
        with self.database.reading() as connection:
            return reading.active_versions(connection)


def _id_of(person: HasId | int | None) -> int | None:
    return person if person is None or isinstance(person, int) else person.id
