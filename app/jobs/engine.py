"""The face of the core: everything that the rest of the program may ask of jobs."""

from __future__ import annotations

import contextlib
import logging
import secrets
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any, Unpack

from pydantic import BaseModel

from app.config import Settings
from app.db import Database
from app.fork_safety import ForkGuard
from app.jobs import signals
from app.jobs.adding import new_tasks
from app.jobs.amending import LONGEST_NAME, Amending
from app.jobs.changing import Changing, HasId, id_of
from app.jobs.context import Task
from app.jobs.current import current_job
from app.jobs.errors import InvalidName, JobsError, TasksNotMade, ValueNotStorable
from app.jobs.events import Bus
from app.jobs.files import Shelf
from app.jobs.hints import hints_of
from app.jobs.options import StartOptions, checked
from app.jobs.params import MADE, entered_params, refuse_each
from app.jobs.registry import Handler, Preview, Registry, make_handler, preview_of
from app.jobs.running import Running
from app.jobs.steering import Steering
from app.jobs.store import creating, keeping, reading
from app.jobs.store.creating import NewJob
from app.jobs.surroundings import Within, each_within
from app.jobs.uploads import uploads_in
from app.jobs.values import (
    FILE,
    SECRET,
    decode,
    encode,
    encode_object,
    mask_text,
    name_of,
    secrets_in,
    storable_text,
)
from app.users.permissions import needed

log = logging.getLogger(__name__)

Params = Mapping[str, Any] | BaseModel


class Engine(Changing, Amending, Steering):
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
        within: Within = contextlib.nullcontext,
    ) -> None:
        self.database = database
        self.settings = settings
        self._hints = hints_of(database, settings.data_dir / "hints")
        self.bus = Bus(self._hints)
        #: Differs in every process: who watches sees by it that the server is another one.
        self.boot = secrets.token_hex(8)
        self.registry = registry if registry is not None else Registry()
        if registry is None:
            self.registry.discover(settings.handler_modules)
        self.shelf = Shelf(database, settings, self.bus.note)
        self._within = within
        self._running: Running | None = None

    # Running

    def run(self) -> None:
        """Register as a worker and begin to execute (idempotent)."""
        if self._running is None:
            self.registry.log_failures()
            self._running = Running(
                self.database,
                self.settings,
                self.registry,
                self.bus,
                hints=self._hints,
                shelf=self.shelf,
                engine=self,
                within=self._within,
            )
            self._running.start()
            self._is_declared = True

    def begin_stop(self) -> None:
        """Claim nothing more and give back what is not begun; returns soon."""
        if self._running:
            self._running.begin_stop()

    def stop(self) -> None:
        """Let running tasks end within the grace time, hand the rest back, and write all down."""
        if self._running:
            self._running.stop(self.settings.grace_seconds)
            self._running = None
        self._hints.stop()

    def hearing_others(self) -> AbstractContextManager[None]:
        """Announce here, too, what other processes change, until the block is left."""
        return self._hints.hearing_of_changes(self.bus.pass_on)

    @property
    def trouble(self) -> str | None:
        """Why this process can run nothing just now, as a sentence; None when all is well."""
        return self._running.trouble if self._running else None

    @property
    def hung(self) -> int:
        """How many threads hang in a handler beyond its timeout, by a second and more (B5).

        Python cannot end them. Other threads take their places, as many as there are (`THREADS`);
        a process that has some is best stopped in good order, and started anew.
        """
        return self._running.hung if self._running else 0

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
        **options: Unpack[StartOptions],
    ) -> int:
        """Start a job of these tasks and return its id once all is durable (A4).

        A task is `{"state": {...}}`, with `"skip": True` for one that shall not run. The job
        starts as soon as its handler has a slot; with `auto_start=False` it waits for
        start_next_queued_job() or start_queued_jobs(). `queued` says what is so anyway: every job
        waits its turn. Params and options are as for start(). Raises UnknownHandler, InvalidParams,
        InvalidOptions, ValueNotStorable; then nothing is stored.
        """
        handler = self.registry[job_handler_name]
        job, _ = self._new_job(handler, params, admin_user, options)
        state = encode_object(dict(initial_state or {}), "initial state", self._most)
        named = (name_of(name) or handler.title)[:LONGEST_NAME]
        return self._create(replace(job, name=named, state=state, held=not auto_start), tasks)

    def _new_job(
        self,
        handler: Handler,
        given: Params | None,
        started_by: HasId | int | None,
        options: StartOptions,
    ) -> tuple[NewJob, Any]:
        """Return a job with the params that were given, and what the model made of them."""
        given = {} if given is None else given
        read = self._validated(handler, given, started_by)
        job = NewJob(
            name=handler.title,
            handler=handler.name,
            params=self._encoded(handler.dump_params(read)),
            input=self._encoded(entered_params(handler.params, given, read)),
            started_by=id_of(started_by),
            uploads=uploads_in(read),
            upload_role=needed("start", handler.roles),
            started_by_job=current_job.get(),
            **({"priority": handler.priority} | checked(options)),
        )
        return job, read

    def _encoded(self, params: dict[str, Any]) -> str:
        """Return params as JSON text; raise InvalidParams with a sentence for each that cannot be.

        Raises ValueNotStorable when only all of them together are too large.
        """
        try:
            return encode_object(params, "params", self._most)
        except ValueNotStorable:
            refuse_each(params, lambda value: encode(value, "value", self._most))
            raise

    def _create(self, job: NewJob, tasks: Iterable[Mapping[str, Any]]) -> int:
        self._declare()
        job_id = creating.create_job(self.database, job, new_tasks(tasks, self._most))
        self.bus.announce([job_id])
        if job.started_by_job:
            self.bus.note([job.started_by_job])  # whose page tells of it
        signals.tell_of_jobs(self.database, signals.job_created, [job_id])
        return job_id

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
        self._declare()
        released = creating.release_held(self.database, handler.name, most=most)
        self.bus.announce(released)
        return released

    def start(
        self,
        handler_name: str,
        params: Params | None = None,
        *,
        name: str | None = None,
        started_by: HasId | int | None = None,
        tasks: Iterable[Mapping[str, Any]] | None = None,
        **options: Unpack[StartOptions],
    ) -> int:
        """Start a job from its handler's params: check them, make its tasks, return its id (A16).

        `params` are JSON values, Python values, or an instance of the handler's model. They are
        validated once: the tasks get what the model made of them, and none of its code runs again.
        `tasks` given: the handler's own generator is not called. The model's validators find
        `started_by` and `settings` in their context. Uploads among the params become the job's.

        Options are `priority` (lower comes first, B1), `due` (an aware datetime or ISO 8601 text)
        or `delay` (seconds or a timedelta; a time that is past means now, B2), `parallel_limit`
        (tasks at once; None: no limit), `retries` (B4) and `timeout` (seconds that a try may take,
        B5), and `rescheduled_from` (the id of the job that this one repeats, Q5). What is left out
        is as the handler declares it. Raises UnknownHandler, InvalidParams, InvalidOptions,
        TasksNotMade, ValueNotStorable, UploadTaken; then nothing is stored.
        """
        handler = self.registry[handler_name]
        if name and len(name) > LONGEST_NAME:
            raise InvalidName(f"A name has at most {LONGEST_NAME} characters.")
        job, read = self._new_job(handler, params, started_by, options)
        named = replace(job, name=name_of(name or "") or handler.title)
        return self._create(named, self._made(handler, read) if tasks is None else tasks)

    def preview(
        self,
        handler_name: str,
        params: Params,
        *,
        started_by: HasId | int | None = None,
    ) -> Preview:
        """Count the tasks that start() would make, for 2 s at most (P5). Raises as start() does."""
        handler = self.registry[handler_name]
        read = self._validated(handler, params, started_by)
        self._encoded(handler.dump_params(read))  # what cannot be stored is refused here, too
        return preview_of(new_tasks(self._made(handler, read), self._most))

    def not_enterable(self, job_id: int, *, started_by: HasId | int | None = None) -> set[str]:
        """Return the params of a job that come out otherwise when their JSON is entered again.

        Only those are looked at that Python code has given as other values than JSON, or as an
        instance of the model. Raises JobNotFound, UnknownHandler.
        """
        with self.database.reading() as connection:
            name, params, entered = reading.stored_params(connection, job_id)
        handler, given = self.registry[name], decode(entered)
        made = set(given.pop(MADE, ()))
        if not made or handler.params is None:
            return set()
        try:
            given |= _hidden_values(given, vars(handler.load_params(params)))
            again = handler.dump_params(self._validated(handler, given, started_by))
        except JobsError:
            return made
        stored = decode(params)
        return {each for each in made if again.get(each) != stored.get(each)}

    def _validated(self, handler: Handler, params: Params, person: HasId | int | None) -> Any:
        # Without a model there is no code of an author to run.
        within = self._within() if handler.params else contextlib.nullcontext()
        with within, ForkGuard():
            return handler.validate_params(params, self._asked_by(person))

    def _asked_by(self, person: HasId | int | None) -> dict[str, object]:
        return {"started_by": person, "settings": self.settings, "uploads": self.shelf}

    def _made(self, handler: Handler, params: Any) -> Iterator[Mapping[str, Any]]:
        with self._making(handler, params):
            within = self._within if handler.make_tasks else contextlib.nullcontext
            for state in each_within(within, partial(handler.states, params)):
                yield {"state": state}

    @contextlib.contextmanager
    def _making(self, handler: Handler, params: Any) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            said = self._hidden(handler, params, str(error))
            raise TasksNotMade(f"The tasks could not be made: {said}") from error
        except Exception as error:  # noqa: BLE001 - whatever its author wrote
            # That is a mistake in the generator: its author needs to know where.
            where = self._hidden(handler, params, traceback.format_exc())
            log.error("The tasks of %s could not be made: %s", handler.name, where)
            said = self._hidden(handler, params, f"{type(error).__name__}: {error}")
            raise TasksNotMade(f"The tasks could not be made: {said}") from None

    def _hidden(self, handler: Handler, params: Any, said: str) -> str:
        return storable_text(mask_text(said, secrets_in(handler.dump_params(params))))

    # Handlers

    def roles(self) -> dict[str, Mapping[str, str]]:
        """Who may do what with each handler, also with one whose code is not here (any more)."""
        with self.database.reading() as connection:
            stored = keeping.declared_roles(connection)
        return stored | {handler.name: handler.roles for handler in self.registry}

    def register_task_details_component(self, job_handler_name: str, template: str) -> None:
        """Let jobs of a handler be shown by this file of a components folder (A12)."""
        self.registry[job_handler_name].component = template

    def register_task_handler(
        self, name: str, handler: Callable[[Task], Any], **options: Any
    ) -> Handler:
        """Add a handler without the decorator; options are those of task_handler() (A3).

        To be called before run(): a worker says at its start which handlers it has.
        """
        added = make_handler(name, handler, **options)
        self.registry.add(added)
        return added


def _hidden_values(given: Mapping[str, Any], read: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of secrets and files, which are not kept among what was entered."""
    marked = [key for key, value in given.items() if SECRET in str(value) or FILE in str(value)]
    found = {key: read[key] for key in marked if key in read}
    return {
        key: value.get_secret_value() if hasattr(value, "get_secret_value") else value
        for key, value in found.items()
    }
