"""`jobdeck jobs`: start and manage jobs, for scripts and for people without a browser."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final, cast

import click

from app.cli.handlers import limit_of
from app.cli.opening import open_engine
from app.cli.saying import SayingErrors, as_json, write_json
from app.cli.start_options import read, start_options
from app.db import iso
from app.jobs import RETRY_CHOICES, Engine, JobDetail, JobRow, JobsError, JobStatus
from app.jobs.amending import NewLimit
from app.jobs.errors import BrokenHandler
from app.jobs.options import StartOptions

PAGE: Final = 500
LOOK_EVERY_SECONDS: Final = 0.2

job_id = click.argument("job_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
wait = click.option(
    "--wait", is_flag=True, help="Wait for its end; then 0 is for DONE, and 1 otherwise."
)


@click.group(cls=SayingErrors, errors=(JobsError,))
def jobs() -> None:
    """Start jobs, look at them, cancel, retry, rename and delete them."""


@jobs.command()
@click.argument("handler")
@click.option("--params", default="{}", help="The handler's params, as a JSON object.")
@click.option("--name", help="A name for the job; else the handler's title.")
@start_options
@wait
@as_json
def start(
    handler: str, params: str, name: str | None, wait: bool, as_json: bool, **options: Any
) -> None:
    """Start a job of HANDLER. It runs in a server or a worker, not in this process."""
    given = _object(params)
    own = {option: read(value) for option, value in options.items() if value is not None}
    with open_engine() as engine:
        job_id = engine.start(handler, given, name=name, **cast(StartOptions, own))
        _tell_of(engine, job_id, f"Started job {job_id}.", wait=wait, as_json=as_json)


@jobs.command("list")
@click.option("--limit", type=click.IntRange(1), help="How many; else 20, and all of them as JSON.")
@as_json
def list_(limit: int | None, as_json: bool) -> None:
    """Show the jobs, newest first."""
    with open_engine() as engine:
        rows = _rows(engine, limit or (None if as_json else 20))
        if as_json:
            write_json([_row(row) for row in rows])
            return
        for row in rows:
            click.echo(_line(row))


@jobs.command()
@job_id
@as_json
def show(job_id: int, as_json: bool) -> None:
    """Show one job, with its params and its state."""
    with open_engine() as engine:
        job = engine.job(job_id)
        reason = engine.pending_reason(job_id)
        if as_json:
            write_json(_detail(engine, job))
            return
    click.echo(_line(job))
    if reason:
        until = f" Until {iso(reason.until)}." if reason.until else ""
        click.echo(f"waits: {reason.message}{until}")
    for name, told in _told_of(job):
        click.echo(f"{name}: {told}")
    for name in ("params", "state"):
        click.echo(f"{name}: {json.dumps(getattr(job, name), ensure_ascii=False, indent=2)}")
    if job.error:
        click.echo(f"error: {job.error}")


@jobs.command()
@job_id
@as_json
def cancel(job_id: int, as_json: bool) -> None:
    """Let nothing of a job begin any more, and ask what runs of it to stop."""
    with open_engine() as engine:
        job = engine.cancel(job_id)
        if as_json:
            write_json(_detail(engine, job))
            return
    if job.is_final:
        click.echo(f"Job {job_id} is cancelled.")
    else:
        click.echo(f"Cancelling job {job_id}; tasks that still run: {job.in_progress}.")


def which_tasks(_ctx: click.Context, _param: click.Parameter, value: str) -> str | list[int]:
    """The tasks of a retry: a word for them, or indexes with commas between them."""
    if value in RETRY_CHOICES:
        return value
    indexes = value.split(",")
    if not all(each.isascii() and each.isdecimal() and len(each) < 10 for each in indexes):
        raise click.BadParameter(
            f"Write {', '.join(RETRY_CHOICES)}, or indexes of tasks, as in 1,2,3."
        )
    return [int(each) for each in indexes]


@jobs.command()
@job_id
@click.option(
    "--tasks",
    callback=which_tasks,
    default="failed",
    help="Which tasks: failed, as without this; unfinished; all; or their indexes, as in 1,2,3.",
)
@wait
@as_json
def retry(job_id: int, tasks: str | list[int], wait: bool, as_json: bool) -> None:
    """Run tasks of a job that has ended once more."""
    with open_engine() as engine:
        engine.retry(job_id, tasks)
        _tell_of(engine, job_id, f"Trying job {job_id} again.", wait=wait, as_json=as_json)


@jobs.command()
@job_id
@click.argument("name")
@as_json
def rename(job_id: int, name: str, as_json: bool) -> None:
    """Give a job another NAME."""
    with open_engine() as engine:
        job = engine.rename_job(job_id, name)
        if as_json:
            write_json(_detail(engine, job))
            return
    click.echo(f"Job {job_id} is now named {job.name}.")


@jobs.command()
@job_id
@click.argument("priority", type=int)
@as_json
def priority(job_id: int, priority: int, as_json: bool) -> None:
    """Give a job that waits another PRIORITY: lower comes first."""
    with open_engine() as engine:
        job = engine.set_priority(job_id, priority)
        if as_json:
            write_json(_detail(engine, job))
            return
    click.echo(f"Job {job_id} has priority {job.priority} now.")


@jobs.command("start-now")
@job_id
@as_json
def start_now(job_id: int, as_json: bool) -> None:
    """Let a job start that is not due yet."""
    with open_engine() as engine:
        job = engine.start_now(job_id)
        if as_json:
            write_json(_detail(engine, job))
            return
    click.echo(f"Job {job_id} may start now.")


@jobs.command()
@job_id
@click.argument("number", metavar="NUMBER", callback=limit_of)
@as_json
def limit(job_id: int, number: NewLimit, as_json: bool) -> None:
    """Let NUMBER tasks of a job run at once: none is no limit, declared what its handler has."""
    with open_engine() as engine:
        engine.set_parallel_limit(job_id, number)
        job = engine.job(job_id)
        if as_json:
            write_json(_detail(engine, job))
            return
    click.echo(f"Tasks of job {job_id} at once: {job.parallel_limit or 'no limit'}.")


@jobs.command()
@job_id
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(job_id: int, yes: bool) -> None:
    """Delete a job that has ended, with its tasks, its log and its files."""
    with open_engine() as engine:
        job = engine.job(job_id)
        if not yes:
            click.confirm(f"Delete job {job_id}, {job.name}, for good?", abort=True)
        engine.delete_job(job_id)
    click.echo(f"Job {job_id} is deleted.")


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"This is not JSON: {error}.", param_hint="--params") from error
    if not isinstance(found, dict):
        raise click.BadParameter(
            "Write a JSON object, as in '{\"steps\": 6}'.", param_hint="--params"
        )
    return found


def _tell_of(engine: Engine, job_id: int, begun: str, *, wait: bool, as_json: bool) -> None:
    """Tell of a job that has begun, or wait for its end and exit by it."""
    if not as_json:
        click.echo(begun)
    job = _wait_for(engine, job_id) if wait else engine.job(job_id)
    if as_json:
        write_json(_detail(engine, job))
    elif wait:
        click.echo(_line(job))
    sys.exit(1 if wait and job.status != JobStatus.DONE else 0)


def _wait_for(engine: Engine, job_id: int) -> JobDetail:
    pause, warned = threading.Event(), False
    while not (job := engine.job(job_id)).is_final:
        if job.no_worker and not warned:
            click.echo(_why_it_waits(engine, job), err=True)
            warned = True
        pause.wait(LOOK_EVERY_SECONDS)
    return job


def _why_it_waits(engine: Engine, job: JobDetail) -> str:
    if job.handler in engine.registry.broken:
        return f"{BrokenHandler(job.handler)} Waiting until it is mended."
    return "No worker that runs has this handler; waiting for one."


def _rows(engine: Engine, limit: int | None) -> Iterator[JobRow]:
    """The jobs by pages, so that a long list never is in memory as a whole."""
    after, left = None, limit
    while left is None or left > 0:
        page = engine.jobs(limit=min(PAGE, left or PAGE), after=after)
        yield from page
        if not page:
            return
        after, left = page[-1].id, None if left is None else left - len(page)


LINKS: Final = ("rescheduled_from_job", "started_by_job")


def _told_of(job: JobDetail) -> Iterator[tuple[str, object]]:
    """What a job was started with, beside its params; of what it leaves to its handler, nothing."""
    yield "priority", job.priority
    if job.due_at:
        yield "due", iso(job.due_at)
    for name in ("retries", "timeout", "parallel_limit", *LINKS):
        if getattr(job, name) is not None:
            yield name.replace("_", " "), getattr(job, name)


def _line(job: JobRow) -> str:
    said = f"{job.id:>6}  {job.status:<16}  {job.progress:>3} %  {job.done} of {job.total} done"
    failed = f", {job.failed} failed" if job.failed else ""
    return f"{said}{failed}  {job.handler}  {job.name}"


def _row(job: JobRow) -> dict[str, Any]:
    from app.web.api import job_row  # here, for it brings the whole web, which takes its time

    return job_row(job)


def _detail(engine: Engine, job: JobDetail) -> dict[str, Any]:
    from app.web.api import job_detail, waiting_for

    return job_detail(job) | {"waiting_for": waiting_for(engine.pending_reason(job.id))}
