"""`jobdeck handlers`: see how handlers stand, pause them, and change their limits (B11)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Final

import click

from app.cli.opening import open_engine
from app.cli.saying import SayingErrors, as_json, write_json
from app.db import iso, now
from app.jobs import DECLARED, EVERYTHING, Engine, HandlerRow, JobsError, Pause
from app.jobs.amending import NewLimit
from app.jobs.views import Limit

SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

#: In place of a limit that is not to be changed.
UNSAID: Final = "unsaid"

handler = click.argument("handler", metavar="HANDLER")


@click.group(cls=SayingErrors, errors=(JobsError,))
def handlers() -> None:
    """See how handlers stand, pause and resume them, and change their limits.

    HANDLER is a handler's name, or * for all of them where one is paused or resumed.
    """


@handlers.command("list")
@as_json
def list_(as_json: bool) -> None:
    """Show every handler, with its jobs, its limits, its workers and what pauses it."""
    with open_engine() as engine:
        rows, pauses = engine.handlers(), engine.pauses()
    if as_json:
        write_json([_row(engine, row) for row in rows])
        return
    for pause in pauses:
        if pause.handler == EVERYTHING:
            click.echo(f"Everything is paused {_said(pause)}")
    for row in rows:
        click.echo(_line(engine, row))


def _end_of(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    """When a pause ends: after so long, or at a time with its zone."""
    if value is None:
        return None
    if length := re.fullmatch(r"([0-9]{1,6})([smhd])", value):
        return now() + timedelta(seconds=int(length[1]) * SECONDS[length[2]])
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.BadParameter(
            "Write how long, as in 30m, 2h or 1d, or a time with its zone, as in "
            "2026-11-30T09:00:00Z."
        )
    return moment


@handlers.command()
@handler
@click.option("--reason", required=True, help="Why, for those who wonder what is going on.")
@click.option(
    "--until",
    callback=_end_of,
    help="How long, as in 30m, 2h or 1d, or a time with its zone; else until it is resumed.",
)
@as_json
def pause(handler: str, reason: str, until: datetime | None, as_json: bool) -> None:
    """Let nothing of HANDLER begin any more; what runs goes on to its end."""
    with open_engine() as engine:
        engine.pause(handler, reason, until=until)
        _tell(engine, handler, f"Paused {_named(handler)}.", as_json=as_json)


@handlers.command()
@handler
@as_json
def resume(handler: str, as_json: bool) -> None:
    """Let HANDLER go on."""
    with open_engine() as engine:
        engine.resume(handler)
        _tell(engine, handler, f"Resumed {_named(handler)}.", as_json=as_json)


def limit_of(_ctx: click.Context, _param: click.Parameter, value: str | None) -> NewLimit:
    """A limit out of a word: a number, `none`, or `declared`; what is not said is UNSAID."""
    if value is None:
        return UNSAID
    if value in ("none", DECLARED):
        return None if value == "none" else DECLARED
    if not (value.isascii() and value.isdecimal() and len(value) < 10):
        raise click.BadParameter("Write a whole number from 1 up, none, or declared.")
    return int(value)


@handlers.command()
@handler
@click.option("--jobs", callback=limit_of, help="Jobs at once: a number, none, or declared.")
@click.option("--tasks", callback=limit_of, help="Tasks of a job at once, likewise.")
@as_json
def limits(handler: str, jobs: NewLimit, tasks: NewLimit, as_json: bool) -> None:
    """Set limits of HANDLER over what its code declares, or take them back."""
    given = {"concurrency_limit": jobs, "parallel_limit": tasks}
    changed = {name: limit for name, limit in given.items() if limit != UNSAID}
    if not changed:
        raise click.UsageError("Say which limit to set: --jobs, --tasks or both.")
    with open_engine() as engine:
        engine.set_limits(handler, changed)
        _tell(engine, handler, f"The limits of {handler} are set.", as_json=as_json)


def _tell(engine: Engine, handler: str, said: str, *, as_json: bool) -> None:
    """Tell what was done, and how the handler stands now."""
    rows = [row for row in engine.handlers() if handler in (row.name, EVERYTHING)]
    if as_json:
        told = [_row(engine, row) for row in rows]
        write_json(told if handler == EVERYTHING else told[0])
        return
    click.echo(said)
    for row in rows if handler != EVERYTHING else ():
        click.echo(_line(engine, row))


def _line(engine: Engine, row: HandlerRow) -> str:
    lacking = "broken" if row.name in engine.registry.broken else "no worker"
    workers = lacking if not row.workers else f"{row.workers} workers"
    jobs = f"{row.running} running, {row.queued} queued, {workers}"
    limits = f"jobs {_limit(row.concurrency_limit)}, tasks {_limit(row.parallel_limit)}"
    pause = f"  paused {_said(row.pause)}" if row.pause else ""
    return f"{row.name:<24}  {jobs}  {limits}{pause}"


def _limit(limit: Limit) -> str:
    return f"{limit.now or 'no limit'}{' (set)' if limit.is_set else ''}"


def _said(pause: Pause) -> str:
    until = f"until {iso(pause.until)}" if pause.until else "until it is resumed"
    by = f" by {pause.paused_by.email}" if pause.paused_by else ""
    return f"{until}{by}: {pause.reason}"


def _named(handler: str) -> str:
    return "everything" if handler == EVERYTHING else handler


def _row(engine: Engine, row: HandlerRow) -> dict[str, Any]:
    from app.web.api import handler_row  # here, for it brings the whole web, which takes its time

    return handler_row(row, broken=row.name in engine.registry.broken)
