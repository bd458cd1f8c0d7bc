"""The store and the small model of it, side by side, and how the two are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant

from app.config import Settings
from app.db import Database
from app.jobs import Engine, Handler, JobsError, Registry
from app.jobs.states import TaskStatus
from app.jobs.store.recording import TaskWrites
from tests.jobs.looking import sql
from tests.jobs.model import LIMITS, Model, ModelJob, ModelTask, Wanted

JOBS = """
    SELECT id, status, total, scheduled, in_progress, done, failed, cancelled, skipped, end_index,
           waiting, cancel_requested_at IS NOT NULL, finisher FROM job WHERE preparing_until IS NULL
    ORDER BY id
"""
TASKS = """
    SELECT task.job_id, idx, task.status, attempt, crashes, worker_id, task.id
    FROM task JOIN job ON job.id = job_id WHERE preparing_until IS NULL AND idx < end_index
    ORDER BY job_id, idx
"""
ATTEMPTS = """
    SELECT count(*) FROM attempt JOIN task ON task.id = task_id
    WHERE number > task.attempt OR number < 1
"""
#: A claim of a task that a worker holds, or held: of which job and index, and what it would say.
Held = tuple[int, int, TaskWrites]


class Compared(RuleBasedStateMachine):
    """Both of them. What is done to them, test_model.py says."""

    database: Database
    settings: Settings

    def __init__(self) -> None:
        super().__init__()
        for table in ("log_line", "attempt", "task", "job", "worker", "handler"):
            sql(self.database, f"DELETE FROM {table}")
        handlers = [
            Handler(name=name, run=print, concurrency_limit=jobs, parallel_limit=tasks)
            for name, (jobs, tasks) in LIMITS.items()
        ]
        self.engine = Engine(self.database, self.settings, Registry(handlers))
        self.model = Model()
        self.ids: dict[tuple[int, int], int] = {}
        self.workers: list[int] = []
        self.is_clean = True
        self.held: list[Held] = []
        self.steps: list[tuple[int, int, int, str | None]] = []

    def wanted(self, jobs: list[int], tasks: list[tuple[int, int]]) -> Wanted:
        hooked = [id_ for id_ in jobs if self.model.jobs[id_].handler == "hooked"]
        return Wanted(
            finish=[id_ for id_ in jobs if id_ not in hooked],
            steps=hooked,
            start=ranked([(self.model.jobs[id_].handler, id_) for id_ in jobs]),
            tasks=ranked([(key[0], key) for key in tasks]),
        )

    # What must be so

    @invariant()
    def both_are_the_same(self) -> None:
        jobs = sql(self.database, JOBS)
        assert [job[:-2] for job in jobs] == [told(job) for job in self.by_id()]
        assert [bool(job[-2]) for job in jobs] == [job.is_cancelling for job in self.by_id()]
        assert [job[-1] for job in jobs] == [job.finisher for job in self.by_id()]
        rows = sql(self.database, TASKS)
        assert [row[:-1] for row in rows] == [
            (job.id, task.index, task.status, task.attempt, task.crashes, task.worker)
            for job in self.by_id()
            for _, task in sorted(job.tasks.items())
        ]
        self.ids = {(row[0], row[1]): row[-1] for row in rows}
        self.model.limits_hold()

    @invariant()
    def slots_and_attempts_are_exact(self) -> None:
        for name, running in sql(self.database, "SELECT name, running FROM handler"):
            assert running == self.model.running(name)
        assert sql(self.database, ATTEMPTS) == [(0,)]

    # Who is meant

    def by_id(self) -> list[ModelJob]:
        return [job for _, job in sorted(self.model.jobs.items())]

    def job(self, which: int) -> ModelJob:
        jobs = self.by_id()
        return jobs[which % len(jobs)]

    def task(self, job_id: int, index: int) -> ModelTask | None:
        job = self.model.jobs.get(job_id)
        return job.tasks.get(index) if job else None

    def all_tasks(self) -> list[ModelTask]:
        return [task for job in self.by_id() for task in job.tasks.values()]

    def worker(self, which: int) -> int:
        """Any worker there ever was, mostly one that is alive."""
        alive = sorted(self.model.alive)
        among = alive if alive and which % 5 else self.workers
        return among[which % len(among)]

    def refuses(self, call: Callable[[], object]) -> bool:
        """Whether the engine refuses this with a sentence."""
        try:
            call()
        except JobsError:
            return True
        return False


def ranked(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, int]]:
    """The second of each pair, with its rank among those that have the same first."""
    ranks: dict[Any, int] = {}
    found = []
    for group, each in pairs:
        ranks[group] = ranks.get(group, 0) + 1
        found.append((each, ranks[group]))
    return found


def told(job: ModelJob) -> tuple[Any, ...]:
    """A job of the model as its row should be."""
    counts = [len(job.of(status)) for status in TaskStatus]
    waiting = sum(task.waits for task in job.tasks.values())
    return (job.id, job.status, sum(counts), *counts, job.end, waiting)
