"""What comes back when a worker dies, and at whose door its death is laid (B7)."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from typing import Any

import pytest

from app.config import Settings
from app.db import Database
from app.jobs import Engine, Handler, JobStatus, TaskStatus
from app.jobs.store import claiming, keeping
from app.jobs.worker import Mark
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended, recounted, running, sql, statuses

WORK = Handler(name="work", run=lambda task: task.attempt, parallel_limit=None)


class Dead:
    """A worker that claimed tasks, ran some of them, and died: its mark is there, unlocked."""

    def __init__(self, engine: Engine, settings: Settings, *, lease: float = 600) -> None:
        self._database = engine.database
        self._folder = settings.data_dir / "workers"
        self._mark = Mark(self._folder, threads=4)
        new = keeping.NewWorker(
            host=socket.gethostname(), pid=1, mark=self._mark.name, handlers=["work"], lease=lease
        )
        with self._database.writing() as connection:
            keeping.declare_handlers(connection, {"work": keeping.Declared(None)})
            self.id = keeping.register(connection, new)

    def claims(self, *job_ids: int) -> list[int]:
        """Start these jobs and claim all tasks that wait; return the ids of those tasks."""
        self._order(claiming.Order(start=[(job_id, 1) for job_id in job_ids]))
        waiting = "SELECT job_id, id FROM task WHERE status = 'SCHEDULED' ORDER BY id"
        tasks: dict[int, list[int]] = {}
        for job_id, task_id in sql(self._database, waiting):
            tasks.setdefault(job_id, []).append(task_id)
        self._order(claiming.Order(tasks=tasks))
        return sorted(id_ for ids in tasks.values() for id_ in ids)

    def _order(self, order: claiming.Order) -> None:
        with self._database.writing_once() as connection:
            claiming.claim(connection, self.id, order)

    def dies_while_it_runs(self, *task_ids: int) -> None:
        """Leave what a killed process leaves: the file, and no lock on it."""
        for slot, task_id in enumerate(task_ids):
            self._mark.runs(slot, task_id)
        self._mark._slots.close()
        os.close(self._mark._file)

    def vanishes(self) -> None:
        """Die on another machine: nothing of its mark is seen here."""
        self._mark.remove()

    @property
    def left_a_mark(self) -> bool:
        """Whether its mark is still there."""
        return (self._folder / self._mark.name).exists()


def test_the_tasks_of_a_dead_worker_run_again_at_once(engines: Engines, settings: Settings) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work")
    dead = Dead(engine, settings)
    ids = dead.claims(job_id)
    dead.dies_while_it_runs(ids[1])
    engine.run()
    job = done(engine, job_id, within=2)
    assert [task.result for task in engine.tasks(job_id, limit=9)] == [1, 2, 1]
    assert [task.crashes for task in engine.tasks(job_id, limit=9)] == [0, 1, 0]
    assert job.counts == recounted(engine.database, job_id)
    assert not dead.left_a_mark


def test_a_crash_is_kept_as_an_attempt(engines: Engines, settings: Settings) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    dead = Dead(engine, settings)
    dead.dies_while_it_runs(*dead.claims(job_id))
    engine.run()
    done(engine, job_id)
    second, first = engine.task(job_id, 0).attempts
    assert (first.number, first.status) == (1, "CRASHED")
    assert first.error == "The worker process died while this task ran."
    assert (first.worker or "").endswith(":1")
    assert (second.number, second.status) == (2, "DONE")


def test_a_worker_elsewhere_is_dead_when_its_lease_is_over(
    engines: Engines, settings: Settings
) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(2), "work")
    dead = Dead(engine, settings, lease=-1)
    dead.claims(job_id)
    dead.vanishes()
    engine.run()
    done(engine, job_id)
    assert [task.crashes for task in engine.tasks(job_id, limit=9)] == [1, 1]


def test_a_worker_that_lives_is_left_alone(engines: Engines, gate: threading.Event) -> None:
    wait = Handler(name="work", run=lambda _: gate.wait(20), parallel_limit=None)
    engine = engines(wait)
    job_id = engine.start_new_job("x", None, blank(2), "work")
    running(engine, job_id, 2)
    other = engines(wait, Handler(name="other", run=print))
    assert [worker.id for worker in living(other.database)] == [1, 2]
    clear_of_search(other)
    gate.set()
    done(engine, job_id)
    assert [task.attempt for task in engine.tasks(job_id, limit=9)] == [1, 1]


def clear_of_search(engine: Engine) -> None:
    """Wait until an engine has searched for dead workers: it does before it claims."""
    job_id = engine.start_new_job("x", None, [], "other")
    done(engine, job_id)


def living(database: Database) -> list[keeping.WorkerRow]:
    with database.reading() as connection:
        return keeping.living(connection, but=0)


def test_no_task_is_blamed_when_the_whole_server_died(
    engines: Engines, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(2), "work")
    with subprocess.Popen(["sleep", "60"]) as parent:
        monkeypatch.setattr("os.getppid", lambda: parent.pid)
        dead = Dead(engine, settings)
        parent.kill()
    dead.dies_while_it_runs(*dead.claims(job_id))
    engine.run()
    done(engine, job_id)
    assert [task.crashes for task in engine.tasks(job_id, limit=9)] == [0, 0]
    assert [task.result for task in engine.tasks(job_id, limit=9)] == [2, 2]


def test_two_who_find_a_dead_worker_bury_it_once(engines: Engines, settings: Settings) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(2), "work")
    dead = Dead(engine, settings)
    dead.claims(job_id)
    returned = keeping.bury(engine.database, dead.id, keeping.Death(ran=()))
    assert returned == keeping.Returned((job_id,), 0)
    assert keeping.bury(engine.database, dead.id, keeping.Death(ran=())) is None


def test_a_task_that_kills_its_worker_again_and_again_is_failed_and_nobody_else(
    engines: Engines, settings: Settings
) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(4), "work")
    for _ in range(3):
        dead = Dead(engine, settings)
        ids = dead.claims(job_id)
        dead.vanishes()
        keeping.bury(engine.database, dead.id, keeping.Death(ran=(ids[0],)))
    engine.run()
    job = ended(engine, job_id)
    assert job.status == JobStatus.DONE_WITH_ERRORS
    assert statuses(engine, job_id) == [TaskStatus.FAILED] + [TaskStatus.DONE] * 3
    task = engine.task(job_id, 0)
    assert "Its worker process died 3 times while this task ran" in (task.error or "")
    assert [attempt.status for attempt in task.attempts] == ["CRASHED"] * 3
    assert job.counts == recounted(engine.database, job_id)


def test_a_suspect_runs_alone(engines: Engines) -> None:
    at_once: list[int] = []
    now: list[int] = []

    def body(task: Any) -> None:
        now.append(task.index)
        at_once.append(len(now))
        task.sleep(0.01)
        if task.index in (3, 7):
            assert now == [task.index]
        now.remove(task.index)

    engine = engines(Handler(name="work", run=body, parallel_limit=None), runs=False)
    job_id = engine.start_new_job("x", None, blank(40), "work")
    sql(engine.database, "UPDATE task SET crashes = 2 WHERE idx IN (3, 7)")
    engine.run()
    done(engine, job_id)
    assert max(at_once) > 1
