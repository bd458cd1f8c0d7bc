"""An engine that executes: its parts, and the order in which they start and stop."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.exc import DBAPIError

from app.config import Settings
from app.db import Database, why
from app.jobs.adding import add_tasks, new_tasks
from app.jobs.deadlines import Deadlines
from app.jobs.events import Bus
from app.jobs.executor import Executor
from app.jobs.files import Shelf
from app.jobs.finishing import Finisher, Parts
from app.jobs.hints import Hints
from app.jobs.housekeeping import Every
from app.jobs.journal import Journal
from app.jobs.logs import installed
from app.jobs.patience import Rest
from app.jobs.pool import Pool
from app.jobs.registry import Registry
from app.jobs.scheduler import Rhythm, Scheduler, hand_back
from app.jobs.store.adding import Adder
from app.jobs.store.recording import TaskWrites
from app.jobs.surroundings import Within
from app.jobs.worker import Worker

log = logging.getLogger(__name__)

#: How long stopping may take beyond the grace time, for writing what handlers have said.
LAST_WRITES_SECONDS = 5.0


class Running:
    """The parts of an engine that executes, and the order in which they start and stop."""

    def __init__(  # noqa: PLR0913 - what an engine is made of
        self,
        database: Database,
        settings: Settings,
        registry: Registry,
        bus: Bus,
        *,
        hints: Hints,
        shelf: Shelf,
        engine: object,
        within: Within,
    ) -> None:
        self._database = database
        self._hints = hints
        self._shelf = shelf
        self._engine = engine
        self._registry = registry
        self._log_level = settings.log_level
        self._bus = bus
        self._beginning_to_stop = threading.Lock()
        self._is_stopping = False
        self._watching = contextlib.ExitStack()
        threads, folder = settings.threads, settings.data_dir / "workers"
        self._worker = Worker(database, folder, threads=threads, lease=settings.lease_seconds)
        self._journal = Journal(
            database,
            bus.note,
            more_to_come=lambda: bool(self._pool.load),
            on_fenced=lambda worker_id: self._scheduler.fenced(worker_id),
        )
        self._heartbeat = settings.heartbeat_seconds
        self._deadlines = Deadlines()
        self._pool = Pool(
            self._make_executor(settings.max_value_kb * 1024, within),
            self._worker,
            threads=threads,
            on_room=lambda: self._scheduler.hint_of_room(),
        )
        self._scheduler = self._make_scheduler(settings)

    def _make_executor(self, limit: int, within: Within) -> Executor:
        parts = Parts(
            database=self._database,
            announce=self._bus.announce,
            limit=limit,
            within=within,
            deadlines=self._deadlines,
            replace=lambda step, thread: self._pool.replace(step, thread),
            go_on=lambda step: self._pool.submit([step]),
        )

        def add(writes: TaskWrites, tasks: Iterable[Mapping[str, Any]], rest: Rest) -> list[int]:
            adder = Adder(job_id=writes.job_id, task_id=writes.task_id, worker_id=writes.worker_id)
            added = add_tasks(self._database, adder, new_tasks(tasks, limit), rest)
            self._bus.announce([writes.job_id])
            return added

        return Executor(
            self._journal,
            Finisher(parts),
            limit=limit,
            within=within,
            add=add,
            shelf=self._shelf,
            engine=self._engine,
            deadlines=self._deadlines,
            replace=lambda work, thread: self._pool.replace(work, thread),
        )

    def _make_scheduler(self, settings: Settings) -> Scheduler:
        return Scheduler(
            self._database,
            self._registry,
            worker=self._worker,
            journal=self._journal,
            pool=self._pool,
            shelf=self._shelf,
            bus=self._bus,
            rhythm=Rhythm(poll=settings.poll_seconds, heartbeat=settings.heartbeat_seconds),
        )

    @property
    def trouble(self) -> str | None:
        """Why nothing can be run just now, as a sentence."""
        return self._journal.trouble or self._scheduler.trouble or self._hanging

    @property
    def hung(self) -> int:
        """How many threads hang: a second after the timeout of their try they still run it (B5)."""
        return self._deadlines.hung

    @property
    def _hanging(self) -> str | None:
        if self.hung < self._pool.most:
            return None
        return (
            f"All {self._pool.most} threads hang beyond the timeouts of their tasks. Restart this "
            "process; the tracebacks of those attempts say where."
        )

    def start(self) -> None:
        """Register as a worker, then let the threads begin."""
        self._worker.register(self._registry.declared)
        self._watching.enter_context(installed(self._log_level))
        self._journal.write_for(self._worker.id)
        self._pool.start()
        self._watching.enter_context(self._bus.watching(self._scheduler.hint))
        self._watching.enter_context(self._hints.hearing_of_work(self._scheduler.hint))
        self._scheduler.start()

    def begin_stop(self) -> None:
        """Claim nothing more, and give back what no thread has begun; a second call waits."""
        with self._beginning_to_stop:
            if self._is_stopping:
                return
            self._is_stopping = True
            self._scheduler.stop()
            waiting = self._pool.take_back()
            try:
                hand_back(self._database, self._worker, waiting)
                self._bus.announce({work.job_id for work in waiting})
            except DBAPIError as error:
                log.warning("What is not begun is handed back at the end: %s", why(error))

    def _await_ends(self, end: float) -> None:
        """Wait for what runs; the lease is renewed here, for the scheduler has ended."""
        heartbeat = Every(self._heartbeat)
        heartbeat.is_due()
        while self._pool.load and (left := end - time.monotonic()) > 0:
            self._pool.wait_for_end(min(left, self._heartbeat))
            if heartbeat.is_due():
                with contextlib.suppress(DBAPIError):
                    self._worker.renew()

    def stop(self, grace: float) -> None:
        """Let tasks end for `grace` seconds, hand the rest back, and write all down (B10)."""
        self.begin_stop()
        self._await_ends(time.monotonic() + grace)
        self._pool.lose_all()
        self._pool.stop()
        self._deadlines.stop()
        self._journal.stop(LAST_WRITES_SECONDS)
        self._watching.close()
        try:
            self._worker.retire()
        except DBAPIError as error:
            log.warning("Left without a word, for the database cannot be written: %s", why(error))
