"""`jobdeck worker`: processes that run jobs and serve no pages, and one that watches over them.

The command makes sure that they can work, then the supervisor takes its place. Each of them is
this module run by itself: `python -m app.cli.working THREADS PIPE`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import io
import logging
import os
import queue
import signal
import sys
from collections.abc import Iterator
from typing import Final

import click

from app import create_app
from app.cli import find_what_lies_here
from app.cli.schema import open_database
from app.config import BadSetting, Settings
from app.engines import UnsupportedDatabase
from app.fork_safety import Isolation, close_in_forked_children, follow_parent
from app.jobs import Engine
from app.supervisor import ALIVE, ENDING, REFUSED, die_with_parent

log = logging.getLogger(__name__)

#: How often a process says that it lives.
BEAT_SECONDS: Final = 1.0
#: Python, running a module of this installation, whatever lies where the command is called.
_MODULE: Final = (sys.executable, "-P", "-m")


@click.command()
@click.option(
    "--processes", type=click.IntRange(1, 1000), default=1, show_default=True,
    help="How many processes run jobs.",
)  # fmt: skip
@click.option(
    "--threads", type=click.IntRange(1),
    help="Threads of each that run tasks; else JOBDECK_THREADS.",
)  # fmt: skip
def worker(processes: int, threads: int | None) -> None:
    """Run jobs without serving pages, until SIGTERM or Ctrl-C.

    One more process, a small one, watches over those that run jobs: when one dies, another one
    takes its place.
    """
    settings = Settings.from_environment()
    settings.prepare_data_dir()
    with _engine(settings):
        pass  # what is wrong is said here, once
    click.echo(f"Worker processes: {processes}. Stop them with Ctrl-C.")
    sys.stdout.flush()
    each = [*_MODULE, "app.cli.working", str(threads or settings.threads)]
    limits = [str(settings.grace_seconds), str(settings.lease_seconds)]
    # In place of this process: what stops it, stops the supervisor.
    os.execv(sys.executable, [*_MODULE, "app.supervisor", str(processes), *limits, *each])


def work(threads: int, pipe: int) -> None:
    """Run jobs in this process until it is asked to stop, or threads of it hang."""
    die_with_parent()
    os.set_inheritable(pipe, False)  # what a handler starts is not this process
    heard = os.fdopen(pipe, "wb", buffering=0)
    close_in_forked_children(heard, io.FileIO.fileno)
    Isolation().begin()
    asked_to_stop = _heed_stops()
    settings = dataclasses.replace(Settings.from_environment(), threads=threads)
    with _engine(settings) as engine:
        # What is loaded now stays: to look through all of it again and again would take its time.
        gc.collect()
        gc.freeze()
        engine.run()
        log.info("Worker process %s runs jobs.", os.getpid())
        while _says(heard, ALIVE) and not _asked(asked_to_stop) and not engine.hung:
            pass
        if engine.hung:
            log.warning("A thread hangs beyond the timeout of its task; this process ends for it.")
        _says(heard, ENDING)
        engine.begin_stop()
        engine.stop()


@contextlib.contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    with open_database(settings) as database:
        engine: Engine = create_app(settings, database).extensions["jobdeck"]
        yield engine


def _heed_stops() -> queue.SimpleQueue[None]:
    # A signal may come at any moment: an Event could be waited for by the thread that sets it.
    asked_to_stop: queue.SimpleQueue[None] = queue.SimpleQueue()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: asked_to_stop.put(None))
    return asked_to_stop


def _says(pipe: io.FileIO, word: bytes) -> bool:
    """Be heard by the supervisor; False: it is gone."""
    try:
        pipe.write(word)
    except BrokenPipeError:
        return False
    return True


def _asked(asked_to_stop: queue.SimpleQueue[None]) -> bool:
    try:
        asked_to_stop.get(timeout=BEAT_SECONDS)
    except queue.Empty:
        return False
    return True


def _main(threads: str, pipe: str) -> None:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    find_what_lies_here()
    try:
        work(int(threads), int(pipe))
    except (BadSetting, UnsupportedDatabase, click.ClickException) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(REFUSED)


if __name__ == "__main__":
    _main(*sys.argv[1:])
elif __name__ == "__mp_main__":
    follow_parent()
