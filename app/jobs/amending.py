"""What people give a job that exists another one of: name, priority, limit; all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypedDict, Unpack

from sqlalchemy import Connection

from app.db import Database
from app.jobs.errors import InvalidParams, JobBegun, JobEnded
from app.jobs.events import Bus
from app.jobs.options import checked
from app.jobs.store import reading, recording, steering, waiting
from app.jobs.values import name_of
from app.jobs.views import JobDetail

LONGEST_NAME: Final = 500
#: In place of a limit: what the handler's code declares, or of a job, what its handler has.
DECLARED: Final = "declared"
LARGEST_LIMIT: Final = 1_000_000

#: None is no limit; the only word is DECLARED.
NewLimit = int | str | None


class Changes(TypedDict, total=False):
    """What may be changed; what is left out stays."""

    name: str
    priority: int
    parallel_limit: NewLimit


class Amending:
    """Checks all that is asked for first, and writes it in one transaction."""

    database: Database
    bus: Bus

    def amend_job(self, job_id: int, **changes: Unpack[Changes]) -> JobDetail:
        """Change what is given, or nothing if any of it will not do.

        Raises JobNotFound, InvalidParams with a sentence for each field, and what the three below
        raise.
        """
        new = _checked(changes)
        with self.database.writing() as connection:
            job = reading.job(connection, job_id)
            for name, value in new.items():
                WRITE[name](connection, job, value)
            job = reading.job(connection, job_id)
        # By another name nobody has something to do.
        tell = self.bus.note if new.keys() == {"name"} else self.bus.announce
        tell([job_id])
        return job

    def rename_job(self, job_id: int, name: str) -> JobDetail:
        """Give a job another name; raise JobNotFound, or InvalidParams for one that will not do."""
        return self.amend_job(job_id, name=name)

    def set_priority(self, job_id: int, priority: int) -> JobDetail:
        """Give a job that waits another priority; lower comes first (B1).

        Raises JobNotFound, InvalidParams, JobBegun.
        """
        return self.amend_job(job_id, priority=priority)

    def set_parallel_limit(self, job_id: int, limit: NewLimit) -> JobDetail:
        """Set how many tasks of a job run at once, as set_limits() does for all of a handler.

        DECLARED is as its handler says. Raises JobNotFound, JobEnded, InvalidParams.
        """
        return self.amend_job(job_id, parallel_limit=limit)


def stored_limit(name: str, limit: NewLimit) -> int | None:
    """A limit as it is stored: NULL is what is declared, 0 is none; raise InvalidParams."""
    if limit is None:
        return 0
    if limit == DECLARED:
        return None
    is_whole = isinstance(limit, int) and not isinstance(limit, bool)
    if not is_whole or not 1 <= int(limit) <= LARGEST_LIMIT:
        said = f"Name a whole number from 1 to {LARGEST_LIMIT:,}, {DECLARED!r}, or none."
        raise InvalidParams({name: [said]})
    return int(limit)


def _checked(changes: Changes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    for name, value in changes.items():
        try:
            found[name] = CHECKS[name](value)
        except InvalidParams as error:
            wrong |= error.fields
    if wrong:
        raise InvalidParams(wrong)
    return found


def _name(name: str) -> str:
    name = name_of(name)
    if not name:
        raise InvalidParams({"name": ["Write a name."]})
    if len(name) > LONGEST_NAME:
        raise InvalidParams({"name": [f"A name has at most {LONGEST_NAME} characters."]})
    return name


CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "name": _name,
    "priority": lambda priority: checked({"priority": priority})["priority"],
    "parallel_limit": lambda limit: stored_limit("parallel_limit", limit),
}


def _write_name(connection: Connection, job: JobDetail, name: str) -> None:
    recording.rename(connection, job.id, name)


def _write_priority(connection: Connection, job: JobDetail, priority: int) -> None:
    if not waiting.set_priority(connection, job.id, priority):
        raise JobBegun(job.id, "its priority says nothing any more")


def _write_limit(connection: Connection, job: JobDetail, limit: int | None) -> None:
    if not steering.set_limit_of_job(connection, job.id, limit):
        raise JobEnded(job.id, job.status, "given another limit")


#: Each raises what is against it, and with the transaction the others are taken back.
WRITE: Final[Mapping[str, Callable[[Connection, JobDetail, Any], None]]] = {
    "name": _write_name,
    "priority": _write_priority,
    "parallel_limit": _write_limit,
}
