"""What may be asked about jobs: half of the engine's face, for pages, programs and components."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from app.db import Database
from app.jobs.files import Shelf
from app.jobs.store import inspecting, listing, pending, reading, rescheduling
from app.jobs.store.listing import JobFilter
from app.jobs.views import Chain, FileRow, JobDetail, JobRow, LogLine, TaskDetail, TaskRow
from app.keyset import Window


class Looking:
    """Answers from the database, which is the truth. Secrets are masked in every answer (X5)."""

    database: Database
    shelf: Shelf

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
        sort: str = "-created",
    ) -> list[JobRow]:
        """Return jobs, newest first; `after` and `before` are ids that bound the page.

        `sort` is one of created, name and finished, with a `-` in front for the greatest first.
        """
        window = Window(size=limit, after=after, before=before)
        with self.database.reading() as connection:
            return reading.jobs(connection, which or JobFilter(), window, sort)

    def chain(self, job_id: int) -> Chain:
        """Return the jobs that a job repeats, and those that repeat it; the nearest 20 (Q5)."""
        with self.database.reading() as connection:
            return Chain(
                earlier=rescheduling.earlier_jobs(connection, job_id),
                later=rescheduling.later_jobs(connection, job_id),
            )

    def started_jobs(self, job_id: int) -> list[int]:
        """Return the jobs that a job's handler has started; the newest 20."""
        with self.database.reading() as connection:
            return pending.started_jobs(connection, job_id)

    def details(self, job_ids: Collection[int]) -> dict[int, JobDetail]:
        """Return these jobs with all that is known of them, by id, as far as they exist."""
        with self.database.reading() as connection:
            return reading.details(connection, job_ids)

    def jobs_of(self, job_ids: Collection[int]) -> list[JobRow]:
        """Return these jobs as rows, as far as they exist."""
        with self.database.reading() as connection:
            return reading.jobs_of(connection, job_ids)

    def tally_jobs(self, which: JobFilter) -> dict[str, tuple[int, bool]]:
        """Count the jobs of each status, and say whether there may be more than were looked at."""
        with self.database.reading() as connection:
            return listing.tally(connection, which)

    def count_jobs(self, which: JobFilter, statuses: Iterable[str]) -> dict[str, int]:
        """Count the jobs of each status, each up to 1,001."""
        with self.database.reading() as connection:
            return reading.count_jobs(connection, which, statuses)

    def count_active_jobs(self, started_by: int, hidden: frozenset[str] = frozenset()) -> int:
        """Count a person's jobs that have not ended, up to 1,001; without `hidden` handlers."""
        with self.database.reading() as connection:
            return reading.count_active(connection, started_by, hidden)

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
        """Return tasks from the `offset`th on; with `fields`, dicts of just these (A12)."""
        with self.database.reading() as connection:
            if fields is None:
                return list(
                    inspecting.tasks_by_offset(connection, job_id, limit=limit, offset=offset)
                )
            return list(
                inspecting.task_fields(connection, job_id, fields, limit=limit, offset=offset)
            )

    def tasks_by_offset(
        self, job_id: int, *, offset: int, limit: int, status: str | None = None
    ) -> list[TaskRow]:
        """Return tasks, of one status or all, from the `offset`th on."""
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

    def files(self, job_id: int) -> list[FileRow]:
        """Return the files of a job, uploads first, each with the role it takes to read it."""
        return self.shelf.files(job_id)

    def file(self, job_id: int, name: str) -> FileRow:
        """Return a file of a job, with its path; raise JobFileNotFound."""
        return self.shelf.file(job_id, name)

    def served_handlers(self) -> frozenset[str]:
        """Return the names of the handlers that some living worker has."""
        with self.database.reading() as connection:
            return reading.served_handlers(connection)

    def active_versions(self, also: Collection[int] = ()) -> dict[int, int]:
        """Return versions, which every change moves: of unfinished jobs, the newest, and `also`."""
        with self.database.reading() as connection:
            return reading.active_versions(connection, also)
