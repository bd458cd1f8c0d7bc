"""How gunicorn serves Jobdeck: few processes, many threads, and a stop that keeps nobody waiting.

One process on SQLite, which has one writer. On PostgreSQL there may be more: each has its own pool
of handlers and its own sockets, and hears from the others what they change.
"""

from __future__ import annotations

import gc
import logging
import queue
import signal
import sys
import threading
from typing import Any

from gunicorn.workers import gthread

from app.config import Settings
from app.fork_safety import Isolation
from app.supervisor import REFUSED, die_with_parent

settings = Settings.from_environment()
settings.prepare_data_dir()  # also for the file by which gunicorn sees that a process lives

bind = "127.0.0.1:8000"
wsgi_app = "app:create_app()"
worker_class = "gthread"
workers = settings.web_processes
threads = settings.web_threads
# Running handlers get GRACE_SECONDS to end; what is left is for the answers in flight.
graceful_timeout = int(settings.grace_seconds) + 5
timeout = 60
keepalive = 5
# Browsers keep idle connections; a stop would wait two seconds for what may come on them.
gthread.STOP_KEEPALIVE_LINGER = 0.2
control_socket_disable = True

#: Beside handlers that calculate, a page waits for its turn some fifty times, behind each of them.
#: With a twenty-fifth of Python's usual interval it takes an eighth of the time, and what only
#: calculates a sixth more; shorter ones cost more and help no further.
SWITCH_SECONDS = 0.0002

QUIET = ("/static/", "/healthz", "/readyz", "/live", "/setup/", "/set-password/")


class Worthwhile(logging.Filter):
    """Leaves out of the access log what nobody reads, and the one-time links, which are secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is worth writing."""
        return not str(record.args["U"]).startswith(QUIET)  # type: ignore[call-overload, index]


class OneLine(logging.Formatter):
    """Writes each record as one line: an address may have a line break in it, to forge another."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, with what cannot be printed as Python would write it."""
        said = super().format(record)
        return "".join(each if each.isprintable() else repr(each)[1:-1] for each in said)


accesslog = "-"
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
access_log_format = '%(h)s %(u)s "%(m)s %(U)s" %(s)s %(M)sms'
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"worthwhile": {"()": Worthwhile}},
    "formatters": {"line": {"format": LINE}, "one_line": {"()": OneLine, "format": LINE}},
    "handlers": {
        "out": {"class": "logging.StreamHandler", "formatter": "one_line", "stream": sys.stdout},
        "err": {"class": "logging.StreamHandler", "formatter": "line", "stream": sys.stderr},
    },
    "root": {"level": "INFO", "handlers": ["err"]},
    "loggers": {
        "gunicorn.error": {"level": "WARNING", "handlers": ["err"], "propagate": False},
        "gunicorn.access": {
            "level": "INFO",
            "handlers": ["out"],
            "filters": ["worthwhile"],
            "propagate": False,
        },
        "alembic": {"level": "WARNING"},
    },
}


def post_fork(server: Any, worker: Any) -> None:
    """Let this process die with the one that started it.

    When that one is killed, gunicorn notices after a second or two; for so long the port would
    stay taken, and a server that is started anew would have to wait.
    """
    die_with_parent()


def post_worker_init(worker: Any) -> None:
    """Let the engine run, and have it and the sockets stop as soon as a stop is asked for."""
    from app import schema
    from app.web import live

    Isolation(worker.sockets).begin()
    parts = worker.wsgi.extensions
    if not schema.is_current(parts["jobdeck_database"]):
        worker.log.critical("The database's schema is not current: run `jobdeck db upgrade`.")
        sys.exit(REFUSED)
    worker.engine = parts["jobdeck"]
    # What is loaded now stays: to look through all of it again and again would stop every thread.
    gc.collect()
    gc.freeze()
    if settings.run_worker:
        sys.setswitchinterval(SWITCH_SECONDS)
        worker.engine.run()
    else:
        worker.engine.registry.log_failures()
    if settings.demo and worker.age == 1:  # the first of the processes
        _fill_the_demo(worker.engine)
    # A signal may interrupt the handler of another one: an Event would wait for itself then.
    worker.asked_to_stop = queue.SimpleQueue()
    threading.Thread(target=_begin_to_stop, args=[worker, live], daemon=True).start()
    _tell_of_sigterm(worker.asked_to_stop)


def _fill_the_demo(engine: Any) -> None:
    from app import demo
    from app.users.people import find_by_email
    from app.users.setup import DEMO_EMAIL

    somebody = find_by_email(engine.database, DEMO_EMAIL)
    demo.fill(engine, somebody.id if somebody else None)


def worker_int(worker: Any) -> None:
    """Ctrl-C: the same, though gunicorn waits for no answer in flight."""
    worker.asked_to_stop.put(None)


def worker_exit(server: Any, worker: Any) -> None:
    """Wait for the engine: the handlers that run get their seconds of grace."""
    # Ctrl-C arrives twice, from the terminal and from gunicorn; the second must not end this.
    for each in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(each, signal.SIG_IGN)
    if hasattr(worker, "engine"):
        worker.engine.stop()


def _begin_to_stop(worker: Any, live: Any) -> None:
    """Runs in a thread of its own: what a signal interrupts may hold any lock."""
    worker.asked_to_stop.get()
    live.close_all()  # first, for the engine may have to wait for the database
    worker.engine.begin_stop()
    # A socket may have been on its way in just then.
    pause = threading.Event()
    while not pause.wait(0.2):
        live.close_all()


def _tell_of_sigterm(asked_to_stop: queue.SimpleQueue[None]) -> None:
    """gunicorn waits for every request to end before it tells anyone; a socket never ends."""
    before = signal.getsignal(signal.SIGTERM)

    def on_sigterm(signum: int, frame: Any) -> None:
        asked_to_stop.put(None)
        if callable(before):
            before(signum, frame)

    signal.signal(signal.SIGTERM, on_sigterm)
    signal.siginterrupt(signal.SIGTERM, False)
