"""Write jobs into a file, as a table or as lines of JSON, page by page however many there are."""

from __future__ import annotations

import csv
import datetime
import json
import time
from collections.abc import Callable, Iterator
from typing import IO, Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, model_validator

from app.db import iso
from app.jobs import Engine, JobDetail, JobFilter, JobStatus, Task, task_handler
from app.users.permissions import Role, needed, refusal, strictest

#: Jobs that are in memory at once: a state and params of 256 kB each make 25 MB of them.
PAGE: Final = 50
#: How often the job says how far it has come, in seconds.
TELL_SECONDS: Final = 0.25
#: A program for tables takes a cell that begins so for a formula, and does what it says.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001

TIMES: Final = ("due_at", "created_at", "started_at", "finished_at", "cancel_requested_at")
PEOPLE: Final = ("started_by", "cancel_requested_by")
#: A job in the order in which the API tells it.
TOLD: Final = (
    "id", "name", "handler", "status", "progress", "counts", "priority", "due_at", "created_at",
    "started_at", "finished_at", "started_by", "cancel_requested_at", "cancel_requested_by",
    "state", "params", "input", "error", "retries", "timeout", "parallel_limit",
    "rescheduled_from_job", "started_by_job",
)  # fmt: skip
COUNTS: Final = ("total", "scheduled", "in_progress", "done", "failed", "cancelled", "skipped")
COLUMNS: Final = (*TOLD[:5], *COUNTS, *TOLD[6:])


def _in_utc(given: datetime.datetime) -> datetime.datetime:
    return given if given.tzinfo else given.replace(tzinfo=datetime.UTC)


def _end_of_day(given: object) -> object:
    """A date alone means the whole day."""
    if isinstance(given, str) and len(given.strip()) == len("2026-01-31"):
        return f"{given.strip()}T23:59:59.999999Z"
    return given


class Params(BaseModel):
    """Which jobs, and how they are written. Without a filter: all that the person may see."""

    format: Literal["csv", "jsonl"] = Field(
        "csv", description="csv is a table; jsonl has one job a line, as JSON, with all of it"
    )
    status: JobStatus | None = Field(None, description="Only jobs with this status")
    handler: str | None = Field(None, max_length=100, description="Only jobs of this handler")
    created_from: datetime.datetime | None = Field(
        None,
        description="Only jobs created on this day (UTC) or later",
        json_schema_extra={"widget": "date"},
    )
    created_to: Annotated[datetime.datetime | None, BeforeValidator(_end_of_day)] = Field(
        None,
        description="Only jobs created on this day (UTC) or earlier",
        json_schema_extra={"widget": "date"},
    )
    # Said by the server, whatever is submitted: nobody exports what they may not see. None: all.
    seen_by: Role | None = Field(
        None, exclude_if=lambda role: role is None, json_schema_extra={"widget": "none"}
    )

    @model_validator(mode="after")
    def _know_who_asks(self, info: ValidationInfo) -> Self:
        if info.context:
            role = getattr(info.context["started_by"], "role", Role.SUPERADMIN)
            self.seen_by = None if role == Role.SUPERADMIN else Role(role)
        first, last = self.created_from, self.created_to
        if first and last and _in_utc(first) > _in_utc(last):
            raise ValueError("The first day comes after the last one")
        return self

    @property
    def role(self) -> Role:
        """As whom the jobs are looked at."""
        return self.seen_by or Role.SUPERADMIN


@task_handler(params=Params, icon="file-export")
def export_jobs(task: Task) -> dict[str, Any]:
    """Write the jobs that match into a file, to be downloaded from here."""
    params: Params = task.job.params
    export = Export(task.engine, params, below=task.job.id)
    name = f"jobs-{task.job.id}.{params.format}"
    tell = _teller(task, export)
    with task.job.new_file(name, role=export.role) as out:
        write = _csv_writer(out) if params.format == "csv" else _jsonl_writer(out)
        for job in export.jobs():
            write(job)
            tell()
    size = task.engine.file(task.job.id, name).size
    result = {"rows": export.rows, "file": name, "bytes": size}
    task.job.update_fields_atomically(lambda state: state.update(result, percent=100))
    return result


class Export:
    """The jobs that somebody may see, newest first, and how far they are read."""

    def __init__(self, engine: Engine, params: Params, *, below: int) -> None:
        self.rows = 0
        self.percent = 0
        self._engine = engine
        self._first = below
        self._roles = engine.roles()
        self._handlers: set[str] = set()
        to = params.created_to and _in_utc(params.created_to)
        self._which = JobFilter(
            status=params.status,
            handler=params.handler or None,
            created_from=params.created_from and _in_utc(params.created_from),
            created_to=to and to + datetime.timedelta(microseconds=1),  # which is not in it
            hidden=frozenset(
                name for name, roles in self._roles.items() if refusal(params, "view", roles)
            ),
        )

    def jobs(self) -> Iterator[JobDetail]:
        """Read the jobs that were there when this export began, by pages."""
        after, found = self._first, True
        while found:
            page = [row.id for row in self._engine.jobs(self._which, limit=PAGE, after=after)]
            found = bool(page)
            details = self._engine.details(page)
            for job in (details[job_id] for job_id in page if job_id in details):
                self._handlers.add(job.handler)
                self.rows += 1
                yield job
            after = page[-1] if page else 0
            # Ids are dense enough: counting what matches could take longer than writing it.
            self.percent = 100 - 100 * after // max(self._first, 1)

    def role(self) -> str:
        """The least role that may see each of the jobs that were read."""
        return strictest(needed("view", self._roles.get(name)) for name in self._handlers)


def _teller(task: Task, export: Export) -> Callable[[], None]:
    """What tells from time to time how far it has come, and stops when nobody wants it any more."""
    told = time.monotonic()

    def tell() -> None:
        nonlocal told
        if time.monotonic() - told < TELL_SECONDS:
            return
        told = time.monotonic()
        so_far = {"rows": export.rows, "percent": min(export.percent, 99)}
        task.job.update_fields_atomically(lambda state: state.update(so_far))

    return tell


def _csv_writer(out: IO[str]) -> Callable[[JobDetail], None]:
    writer = csv.writer(out)
    writer.writerow(COLUMNS)

    def write(job: JobDetail) -> None:
        told = told_of(job)
        told |= told.pop("counts")
        writer.writerow([_cell(told[name]) for name in COLUMNS])

    return write


def _jsonl_writer(out: IO[str]) -> Callable[[JobDetail], None]:
    def write(job: JobDetail) -> None:
        out.write(json.dumps(told_of(job), ensure_ascii=False, separators=(",", ":")) + "\n")

    return write


def told_of(job: JobDetail) -> dict[str, Any]:
    """A job as the API tells it."""
    told: dict[str, Any] = {name: getattr(job, name) for name in TOLD}
    for name in TIMES:
        told[name] = told[name] and iso(told[name])
    for name in PEOPLE:
        told[name] = told[name] and {"id": told[name].id, "email": told[name].email}
    return told


def _cell(value: Any) -> str:
    """A value as a cell: people by their address, and nothing that could be a formula."""
    if isinstance(value, dict) and set(value) == {"id", "email"}:
        value = value["email"]
    elif isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
