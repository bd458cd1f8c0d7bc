"""What may be done to jobs that exist: cancel, retry, delete, extend, change their state."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from app.config import Settings
from app.db import Database, iso, now
from app.jobs import adding as additions
from app.jobs import housekeeping, signals
from app.jobs.context import Change, apply
from app.jobs.errors import (
    InvalidParams,
    JobBegun,
    JobEnded,
    JobNotEnded,
    NothingToRetry,
    TaskBegun,
    TaskNotFound,
)
from app.jobs.events import Bus
from app.jobs.files import Shelf
from app.jobs.states import JobStatus, TaskStatus
from app.jobs.store import adding, ending, reading, recording, removing, reopening, waiting
from app.jobs.store.adding import Adder
from app.jobs.store.recording import JobState
from app.jobs.values import decode
from app.jobs.views import JobDetail

#: The words for tasks to be tried again; failed and cancelled ones are unfinished.
RETRY_CHOICES = tuple(reopening.CHOICES)


class HasId(Protocol):
    """Anything that stands for a person."""

    @property
    def id(self) -> int:
        """Whose id it is in the table of users."""
        ...


class Changing:
    """Changes what is stored and announces it. Each change holds against all other processes."""

    database: Database
    settings: Settings
    bus: Bus
    shelf: Shelf

    # What a person decides

    def cancel(self, job_id: int, by: HasId | int | None = None) -> JobDetail:
        """Let nothing of a job begin any more, and ask what runs of it to stop (A8).

        It is CANCELLED when this returns, or as soon as nothing of it runs any more, and never
        anything else. Asking again changes nothing. Raises JobNotFound, JobEnded.
        """
        at = iso(now())
        with self.database.writing() as connection:
            if not ending.ask_to_cancel(connection, job_id, id_of(by)):
                job = reading.job(connection, job_id)
                if job.is_final and job.status != JobStatus.CANCELLED:
                    raise JobEnded(job_id, job.status)
            more = ending.cancel_chunk(connection, job_id, at)
        self.bus.announce([job_id])
        signals.tell_of_ends(self.database, [job_id], at)
        if more:
            self._work_off("cancel", job_id)
        return self._job(job_id)

    def retry(
        self, job_id: int, tasks: str | Sequence[int] = "failed", by: HasId | int | None = None
    ) -> JobDetail:
        """Run a job that has ended once more, with the `tasks` that are chosen (P7).

        These are "failed", "unfinished" (failed and cancelled), "all", or a list of indexes; they
        keep their states and their attempts. Callbacks are called again at the end. Raises
        JobNotFound, JobNotEnded, NothingToRetry, TaskNotFound, and InvalidParams for another word;
        then nothing is changed.
        """
        with self.database.writing() as connection:
            self._demand_retriable(reading.job(connection, job_id), tasks)
            if not isinstance(tasks, str):
                known = reopening.known_indexes(connection, job_id, tasks)
                if unknown := sorted(set(tasks) - known):
                    raise TaskNotFound(job_id, unknown[0])
            reopening.reopen(connection, job_id, tasks)
            more = reopening.reopen_chunk(connection, job_id)
        self.bus.announce([job_id])
        if more:
            self._work_off("retry", job_id)
        return self._job(job_id)

    def delete_job(self, job_id: int) -> None:
        """Delete a job that has ended, with its tasks, its log and its files (A17).

        It is gone for everybody at once; what is left of a large one on disk goes by and by.
        Raises JobNotFound, JobNotEnded.
        """
        with self.database.writing() as connection:
            if not removing.doom_ended(connection, job_id):
                reading.job(connection, job_id)
                raise JobNotEnded(job_id, "deleted")
        self.bus.note([job_id])
        housekeeping.work_off(lambda: housekeeping.remove_some(self.database, job_id))
        self.shelf.remove_of(job_id)

    def copy_file(self, job_id: int, name: str, by: HasId | int | None = None) -> int:
        """Make an upload of a job's file, to run the job again with it; return its id.

        Raises JobFileNotFound, TooManyUploads.
        """
        return self.shelf.copy(job_id, name, id_of(by))

    def start_now(self, job_id: int) -> JobDetail:
        """Let a job start that is not due yet (B2). Raises JobNotFound, JobBegun."""
        with self.database.writing() as connection:
            reading.job(connection, job_id)
            if not waiting.let_start_now(connection, job_id):
                raise JobBegun(job_id, "it need not be told to start")
        self.bus.announce([job_id])
        return self._job(job_id)

    def _demand_retriable(self, job: JobDetail, tasks: str | Sequence[int]) -> None:
        if not job.is_final:
            raise JobNotEnded(job.id, "tried again")
        if isinstance(tasks, str):
            if tasks not in RETRY_CHOICES:
                raise InvalidParams({"tasks": [f"Write one of {', '.join(RETRY_CHOICES)}."]})
            chosen = sum(job.counts[status.lower()] for status in reopening.CHOICES[tasks])
            if not chosen:
                raise NothingToRetry(job.id, tasks)
        elif not tasks:
            raise NothingToRetry(job.id, "chosen")

    def _work_off(self, what: str, job_id: int) -> None:
        left = ending.LeftBehind(what, job_id)
        housekeeping.work_off(lambda: housekeeping.go_on(self.database, left))
        self.bus.announce([job_id])

    # Tasks that join or leave a job

    def add_new_tasks_to_existing_job(
        self, job_id: int, tasks: Iterable[Mapping[str, Any]]
    ) -> list[int]:
        """Add tasks to a job that has not ended, all or none; return their indexes (A10).

        Raises JobNotFound, JobEnded, ValueNotStorable.
        """
        new = additions.new_tasks(tasks, self._most)
        added = additions.add_tasks(self.database, Adder(job_id=job_id), new)
        self.bus.announce([job_id])
        return added

    def delete_tasks_from_existing_job(self, job_id: int, indexes: Collection[int]) -> None:
        """Delete tasks that have not begun, all of these or none (A10).

        The others keep their indexes. Raises JobNotFound, JobEnded, TaskNotFound, TaskBegun.
        """
        with self.database.writing() as connection:
            job = reading.job(connection, job_id)
            if job.is_final:
                raise JobEnded(job_id, job.status, "changed")
            statuses = adding.statuses_of(connection, job_id, indexes)
            if unknown := sorted(set(indexes) - statuses.keys()):
                raise TaskNotFound(job_id, unknown[0])
            if begun := [i for i, status in statuses.items() if status != TaskStatus.SCHEDULED]:
                raise TaskBegun(job_id, begun)
            adding.delete_tasks(connection, job_id, indexes)
        self.bus.announce([job_id])

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
            newer, text = apply(change, seen.state, self._most)
            with self.database.writing_one() as connection:
                stored = recording.move_job_state(connection, JobState(job_id, seen.base, text))
            if stored:
                self.bus.note([job_id])
                return newer

    def _job_state(self, job_id: int) -> JobState:
        with self.database.reading() as connection:
            return recording.job_state(connection, job_id)

    @property
    def _most(self) -> int:
        """How many bytes a value may take."""
        return self.settings.max_value_kb * 1024

    def _job(self, job_id: int) -> JobDetail:
        with self.database.reading() as connection:
            return reading.job(connection, job_id)


def id_of(person: HasId | int | None) -> int | None:
    """The id of a person, or None for nobody."""
    return person if person is None or isinstance(person, int) else person.id
