"""The task and the job as a handler sees them (A5, A9)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from types import MappingProxyType
from typing import IO, Any

from app.jobs.call import Call
from app.jobs.errors import (
    BadFile,
    JobsError,
    NestedChange,
    TaskCancelled,
    TaskLost,
    TaskTimedOut,
)
from app.jobs.facts import JobFacts, KnownJob
from app.jobs.files import Shelf, WantedRole
from app.jobs.group import Ticket
from app.jobs.journal import Journal
from app.jobs.logs import level_name, text_of
from app.jobs.patience import Rest
from app.jobs.store import recording
from app.jobs.store.claiming import Claim
from app.jobs.store.filing import Claimed
from app.jobs.store.recording import TaskWrites
from app.jobs.values import (
    check_size,
    decode,
    encode,
    encode_fields,
    join_object,
    mask_text,
    size_of,
    storable_text,
)

#: What a `change` function gets: a private copy of the newest state, to edit in place.
Change = Callable[[dict[str, Any]], object]

#: Adds tasks to a job in the name of one of its tasks, and returns their indexes.
Add = Callable[[TaskWrites, Iterable[Mapping[str, Any]], Rest], list[int]]

_changing = threading.local()


def refuse_inside_of_a_change() -> None:
    """Raise NestedChange in a `change` function: what waits there would wait for itself."""
    if getattr(_changing, "now", False):
        raise NestedChange


def apply(change: Change, state: str, limit: int) -> tuple[dict[str, Any], str]:
    """Return what `change` makes of a job's state: as a dict, and as JSON text."""
    refuse_inside_of_a_change()
    newer: dict[str, Any] = decode(state)
    _changing.now = True
    try:
        change(newer)
    finally:
        _changing.now = False
    return newer, encode(newer, "job state", limit)


class Job(KnownJob):
    """The job that a task belongs to, as its handler sees it: `task.job`."""

    __slots__ = ("_task",)

    def __init__(self, facts: JobFacts, task: Task) -> None:
        super().__init__(facts)
        self._task = task

    @property
    def params(self) -> Any:
        """The params as the handler's own model, or a dict for a handler without one."""
        if self._task.job_params is None:
            self._task.job_params = super().params
        return self._task.job_params

    @property
    def state(self) -> Mapping[str, Any]:
        """The newest state of the job. Read only: set_state_field() changes it."""
        return MappingProxyType(decode(self._task.journal.newest_job_state(self.id).state))

    def get_state_field(self, key: str, default: Any = None) -> Any:
        """Return one field of the job's newest state."""
        return self.state.get(key, default)

    def set_state_field(self, key: str, value: Any) -> None:
        """Set one field of the job's state. Returns at once; durable with the next group."""
        self._task.hear()
        kept = encode_fields({key: value}, "job state", self._task.limit)[key]

        def set_field(state: dict[str, Any]) -> None:
            state[key] = decode(kept)

        def offer() -> None:
            while self._offer(set_field, offer) is None:
                pass

        offer()

    def update_fields_atomically(
        self, change: Change, task_fields: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Change the job's state by what it is just now; return the new one once it is durable.

        `change` edits a private copy in place. It is called again when the state was changed by
        somebody else meanwhile, so it must have no other effect. `task_fields` are fields of this
        task's own state that are set together with the change, or not at all: a mark by which a
        task that runs again after a crash knows that it has done its part. What the task has set
        just before the call commits together with it, too.
        """
        refuse_inside_of_a_change()
        self._task.hear()
        journal = self._task.journal
        journal.begin_change(self._task.writes())
        try:
            if not task_fields:
                return self._change(change, None)
            with self._task.setting(task_fields) as state:
                return self._change(change, state)
        except BaseException:
            if task_fields:
                with suppress(JobsError):
                    self._task.keep({})  # what waits to be stored is without them again
            journal.give_up(self._task.writes())
            raise

    def add_tasks(self, tasks: Iterable[Mapping[str, Any]]) -> list[int]:
        """Add tasks to the job, as `{"state": {...}}`, and return their indexes (A10).

        They are durable, all of them, when this returns; a task that runs again adds them again.
        It waits for a database that is away. Raises TaskLost, ValueNotStorable, JobEnded after a
        cancel; then none is added.
        """
        refuse_inside_of_a_change()
        self._task.hear()
        return self._task.add_tasks(tasks)

    def new_file(
        self, name: str, *, role: WantedRole = "viewer", mode: str = "w"
    ) -> AbstractContextManager[IO[Any]]:
        """Make a file of the job: `with task.job.new_file("jobs.csv") as out: out.write(...)`.

        It is a text in UTF-8, or bytes with mode "wb". When the block has ended well, whoever may
        see the job and has at least the role can download it; a file of the same name is replaced.
        A function as `role` is called then. Raises BadFile, FileTooLarge, TaskLost; a block that
        raises makes nothing.
        """
        self._task.hear()
        return self._task.new_file(name, role, mode)

    def _change(self, change: Change, task_state: str | None) -> dict[str, Any]:
        while True:
            offered = self._offer(change, None, task_state)
            if offered and self._task.journal.await_ticket(offered[1]):
                return offered[0]

    def _offer(
        self, change: Change, again: Callable[[], None] | None, task_state: str | None = None
    ) -> tuple[dict[str, Any], Ticket] | None:
        journal = self._task.journal
        seen = journal.newest_job_state(self.id)
        newer, text = apply(change, seen.state, self._task.limit)
        said = self._task.writes()
        said.state = task_state
        ticket = journal.offer_job_state(seen, text, said, again)
        return None if ticket is None else (newer, ticket)


class Task:
    """One part of a job, as its handler sees it."""

    __slots__ = (
        "_add",
        "_call",
        "_claim",
        "_ends_at",
        "_facts",
        "_has_heard",
        "_lock",
        "_shelf",
        "_state",
        "_texts",
        "_worker_id",
        "engine",
        "job_params",
        "journal",
        "limit",
    )

    def __init__(  # noqa: PLR0913 - made in one place only, by the executor
        self,
        claim: Claim,
        facts: JobFacts,
        *,
        worker_id: int,
        journal: Journal,
        limit: int,
        call: Call,
        add: Add,
        shelf: Shelf,
        engine: Any,
        ends_at: float | None = None,
    ) -> None:
        self._facts = facts
        #: What `job.params` is for this task alone, once it was asked for.
        self.job_params: Any = None
        #: The engine that runs this task, for a handler that looks at other jobs or starts them.
        self.engine = engine
        self.journal = journal
        self.limit = limit
        self._claim = claim
        self._worker_id = worker_id
        self._state: dict[str, Any] = {} if claim.state == "{}" else decode(claim.state)
        self._texts: dict[str, str] | None = None
        self._lock = threading.Lock()
        self._call = call
        self._add = add
        self._shelf = shelf
        self._has_heard = False
        self._ends_at = ends_at  # by the monotonic clock

    @property
    def job(self) -> Job:
        """The job that it is a part of."""
        # Made when asked for: kept here, the two would live until the garbage collector comes.
        return Job(self._facts, self)

    @property
    def id(self) -> int:
        """The task's id, unique over all jobs."""
        return self._claim.id

    @property
    def index(self) -> int:
        """The task's place in its job, from 0."""
        return self._claim.index

    @property
    def attempt(self) -> int:
        """Which try this is, from 1."""
        return self._claim.attempt

    @property
    def idempotency_key(self) -> str:
        """The same text at every try of this task: give it to outside systems that take one."""
        # By index: the id of a task that was deleted may be used again.
        return f"jobdeck-{self._claim.job_id}-{self._claim.index}"

    @property
    def cancelled(self) -> bool:
        """Whether the job was cancelled, so that this task should end soon (A8)."""
        return self._call.cancelled

    @property
    def seconds_left(self) -> float | None:
        """How long this try may still take, 0.0 at the least; None: it has no timeout (B5).

        For what takes a timeout itself, as in `requests.get(url, timeout=task.seconds_left)`.
        """
        return None if self._ends_at is None else max(0.0, self._ends_at - time.monotonic())

    def stop_if_cancelled(self) -> None:
        """Raise TaskCancelled after the job was cancelled, TaskTimedOut when this try takes too
        long, TaskLost when others have the task."""
        if self._call.lost:
            raise TaskLost
        self._stop_if_timed_out()
        if self._call.cancelled:
            self._has_heard = True
            raise TaskCancelled

    def hear(self) -> None:
        """Raise TaskTimedOut; or TaskCancelled once, for a handler that goes on may tidy up."""
        self._stop_if_timed_out()
        if self._call.cancelled and not self._has_heard:
            self.stop_if_cancelled()

    def hear_cancel(self) -> None:
        """Note that its coroutine is told of a cancel, so that its calls work to tidy up."""
        self._has_heard = True

    def _stop_if_timed_out(self) -> None:
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            raise TaskTimedOut

    @property
    def state(self) -> Mapping[str, Any]:
        """The task's state. Read only: set_state_field() changes it."""
        return MappingProxyType(self._state)

    def get_state_field(self, key: str, default: Any = None) -> Any:
        """Return one field of the state."""
        return self._state.get(key, default)

    def set_state_field(self, key: str, value: Any) -> None:
        """Set one field of the state. Returns at once; durable with the next group."""
        self.set_state_fields({key: value})

    def set_state_fields(self, fields: dict[str, Any] | None = None, /, **more: Any) -> None:
        """Set several fields of the state, all or none of them."""
        refuse_inside_of_a_change()
        self.hear()
        self.keep({**(fields or {}), **more})

    def keep(self, fields: dict[str, Any]) -> None:
        """Set fields of the state, also after a cancel that is not heard yet (for the core)."""
        new = encode_fields(fields, "state", self.limit)
        with self._lock:
            self._hand_over(state=self._state_with(new))
            self._keep(new)

    @contextmanager
    def setting(self, fields: dict[str, Any]) -> Iterator[str]:
        """Give the state with these fields as JSON text, and keep it if the block succeeds."""
        new = encode_fields(fields, "state", self.limit)
        with self._lock:
            yield self._state_with(new)
            self._keep(new)

    def _state_with(self, new: dict[str, str]) -> str:
        if self._texts is None:
            self._texts = encode_fields(self._state, "state", self.limit)
        state = join_object({**self._texts, **new})
        check_size(size_of(state), "task's state", self.limit)
        return state

    def _keep(self, new: dict[str, str]) -> None:
        self._texts = {**(self._texts or {}), **new}
        self._state = {**self._state, **{key: decode(text) for key, text in new.items()}}

    def flush(self) -> None:
        """Return once everything that was set so far is durable."""
        refuse_inside_of_a_change()
        self.hear()
        self.journal.flush(self.writes())

    def log(self, message: object, *args: object, level: object = "INFO") -> None:
        """Say a line in the task's log (P8). `message` is formatted with `args` as logging does;
        where they do not fit, the line is logged as it is."""
        self.hear()
        self.take_line(level_name(level), text_of(message, args))

    def take_line(self, level: str, text: str) -> None:
        """Say a line that is formatted already, also after a cancel that is not heard yet."""
        masked = storable_text(mask_text(text, self._facts.secrets))
        self._hand_over(logs=[(recording.moment(), storable_text(level)[:10], masked)])

    def sleep(self, seconds: float) -> None:
        """Wait, but only while this task is worth running: raise as stop_if_cancelled() does."""
        self.stop_if_cancelled()
        left = self.seconds_left
        self._call.wait(seconds if left is None else min(seconds, left))
        self.stop_if_cancelled()

    def add_tasks(self, tasks: Iterable[Mapping[str, Any]]) -> list[int]:
        """Add tasks to the job as this task (for `task.job.add_tasks`)."""
        return self._add(self.writes(), tasks, self.sleep)

    def new_file(self, name: str, role: WantedRole, mode: str) -> AbstractContextManager[IO[Any]]:
        """Make a file of the job as this task (for `task.job.new_file`)."""
        if mask_text(name, self._facts.secrets) != name:
            raise BadFile("The name of a file would tell a secret param. Choose another name.")
        claim = self._claim
        by = Claimed(
            job_id=claim.job_id, task_id=claim.id, worker_id=self._worker_id, attempt=claim.attempt
        )
        return self._shelf.new_file(by, name, role, mode)

    def writes(self) -> TaskWrites:
        """What this claim has to say, with nothing said yet (for the core)."""
        claim = self._claim
        return TaskWrites(self._worker_id, claim.id, claim.job_id, claim.attempt)

    def _hand_over(
        self, *, state: str | None = None, logs: list[tuple[str, str, str]] | None = None
    ) -> None:
        writes = self.writes()
        writes.state = state
        writes.logs = logs or []
        self.journal.hand_over(writes)
