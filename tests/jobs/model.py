"""What the store should do, said again in a few dicts: no SQL, no locks, one thing at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from app.jobs.states import JOB_ENTERED_FROM, JOB_FINAL, TASK_ENTERED_FROM, JobStatus, TaskStatus
from app.jobs.store.candidates import SUSPECT_CRASHES

#: So many tasks are a chunk while the store is compared with this.
CHUNK = 3
CHOICES = {
    "failed": [TaskStatus.FAILED],
    "unfinished": [TaskStatus.FAILED, TaskStatus.CANCELLED],
    "all": [TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.CANCELLED],
}
#: Jobs at once, tasks of each at once, and whether it has callbacks, by handler.
LIMITS: dict[str, tuple[int | None, int | None]] = {
    "free": (None, None),
    "tight": (1, 2),
    "hooked": (2, None),
}


@dataclass(eq=False)
class ModelTask:
    """A task, by its place in its job."""

    index: int
    status: TaskStatus = TaskStatus.SCHEDULED
    attempt: int = 0
    crashes: int = 0
    worker: int | None = None
    waits: bool = False  # for its next try

    def move(self, status: TaskStatus) -> None:
        """Enter another status, if it may follow."""
        assert self.status in TASK_ENTERED_FROM[status], (self, status)
        self.status = status


@dataclass
class ModelJob:
    """A job. `left` is what a retry has yet to reopen: a word or indexes, and where to go on."""

    id: int
    handler: str
    held: bool
    status: JobStatus = JobStatus.QUEUED
    tasks: dict[int, ModelTask] = field(default_factory=dict)
    end: int = 0
    is_cancelling: bool = False
    left: tuple[str | tuple[int, ...], int] | None = None
    finisher: int | None = None
    runs: int = 0

    def add(self, skips: Iterable[bool]) -> None:
        """Put tasks behind the others."""
        for skip in skips:
            status = TaskStatus.SKIPPED if skip else TaskStatus.SCHEDULED
            self.tasks[self.end] = ModelTask(self.end, status)
            self.end += 1

    def of(self, *statuses: TaskStatus) -> list[ModelTask]:
        """Its tasks of these statuses, in their order."""
        return [task for _, task in sorted(self.tasks.items()) if task.status in statuses]

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.status in JOB_FINAL

    @property
    def is_complete(self) -> bool:
        """Whether nothing of it waits or runs."""
        active = self.of(TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS)
        return not active and self.finisher is None

    @property
    def is_half_done(self) -> bool:
        """Whether a cancel or a retry of it is to be gone on with."""
        return self.left is not None or (self.is_cancelling and not self.is_final)

    def move(self, status: JobStatus) -> None:
        """Enter another status, if it may follow."""
        assert self.status in JOB_ENTERED_FROM[status], (self, status)
        self.status = status

    def record(self, task: ModelTask, status: TaskStatus, *, again: bool, may_end: bool) -> None:
        """Let a task end, or wait for its next try; with the last of them the job may end."""
        task.move(status)
        if again and not self.is_cancelling:
            task.move(TaskStatus.SCHEDULED)
            task.worker, task.waits = None, True
        if may_end and self.is_complete and self.status == JobStatus.IN_PROGRESS:
            self.end_it()

    def end_it(self) -> None:
        """Enter the status that its tasks make of it."""
        if self.is_cancelling:
            self.move(JobStatus.CANCELLED)
        elif self.of(TaskStatus.FAILED, TaskStatus.CANCELLED):
            self.move(JobStatus.DONE_WITH_ERRORS)
        else:
            self.move(JobStatus.DONE)

    def end_step(self) -> None:
        """Let its callback return: it goes on if it has tasks again, else it ends."""
        self.finisher = None
        if self.is_complete:
            self.end_it()

    def cancel_chunk(self) -> bool:
        """Cancel some of what waits, and with the last of it the job; tell if there is more."""
        chunk = self.of(TaskStatus.SCHEDULED)[:CHUNK]
        for task in chunk:
            task.move(TaskStatus.CANCELLED)
            task.waits = False
        if len(chunk) == CHUNK:
            return True
        if self.is_complete and not self.is_final:
            self.end_it()
        return False

    def reopen(self, choice: str | Sequence[int]) -> None:
        """Queue it once more, with what is to be tried again."""
        self.move(JobStatus.QUEUED)
        self.held, self.is_cancelling = False, False
        self.left = (choice if isinstance(choice, str) else tuple(sorted(set(choice))), 0)

    def reopen_chunk(self) -> bool:
        """Reopen some of what is to be tried again; tell whether there is more."""
        if self.left is None:
            return False
        chosen, first = self.left
        if not isinstance(chosen, str):
            chunk = [self.tasks[index] for index in chosen[:CHUNK] if index in self.tasks]
            self.left = (chosen[CHUNK:], 0) if chosen[CHUNK:] else None
        elif chosen == "all":
            chunk = [task for task in self.of(*CHOICES["all"]) if task.index >= first][:CHUNK]
            self.left = (chosen, chunk[-1].index + 1) if len(chunk) == CHUNK else None
        else:
            chunk = [task for status in CHOICES[chosen] for task in self.of(status)[:CHUNK]]
            self.left = (chosen, 0) if len(chunk) >= CHUNK else None
        for task in chunk:
            task.move(TaskStatus.SCHEDULED)
            task.worker, task.crashes = None, 0
        return self.left is not None


@dataclass
class Model:
    """All jobs, and the workers that are alive."""

    jobs: dict[int, ModelJob] = field(default_factory=dict)
    alive: set[int] = field(default_factory=set)

    def running(self, handler: str) -> int:
        """How many slots of a handler are taken."""
        under_way = [job for job in self.jobs.values() if job.status == JobStatus.IN_PROGRESS]
        return sum(job.handler == handler for job in under_way)

    def claim(self, worker: int, wanted: Wanted) -> None:
        """End, start and take what of this still may be."""
        for job in self._of(wanted.finish):
            if job.status == JobStatus.IN_PROGRESS and job.is_complete:
                job.end_it()
        for job in self._of(wanted.steps):
            if job.status == JobStatus.IN_PROGRESS and job.is_complete and not job.is_cancelling:
                job.finisher = worker
        before = {name: self.running(name) for name in LIMITS}
        for job_id, rank in wanted.start:
            self._start(self.jobs[job_id], before, rank)
        taken = {id_: len(job.of(TaskStatus.IN_PROGRESS)) for id_, job in self.jobs.items()}
        for (job_id, index), rank in wanted.tasks:
            self._take(worker, self.jobs[job_id], index, taken[job_id] + rank)

    def _start(self, job: ModelJob, running: dict[str, int], rank: int) -> None:
        limit, _ = LIMITS[job.handler]
        is_free = limit is None or running[job.handler] + rank <= limit
        waits = job.status == JobStatus.QUEUED and not job.held and job.left is None
        if is_free and waits and not job.is_cancelling:
            job.move(JobStatus.IN_PROGRESS)
            job.runs += 1

    def _take(self, worker: int, job: ModelJob, index: int, place: int) -> None:
        _, limit = LIMITS[job.handler]
        task = job.tasks[index]
        may = job.status == JobStatus.IN_PROGRESS and not job.is_cancelling
        is_ready = task.status == TaskStatus.SCHEDULED and not task.waits
        if may and is_ready and (limit is None or place <= limit):
            task.move(TaskStatus.IN_PROGRESS)
            task.worker, task.attempt = worker, task.attempt + 1

    def hand_back(self, worker: int, tasks: Iterable[ModelTask], steps: Collection[int]) -> None:
        """Return what was not begun: it counts as no try."""
        for task in tasks:
            if task.worker == worker and task.status == TaskStatus.IN_PROGRESS:
                task.move(TaskStatus.SCHEDULED)
                task.worker, task.attempt = None, task.attempt - 1
        for job in self._of(steps):
            if job.finisher == worker:
                job.finisher = None

    def bury(self, worker: int, ran: Collection[ModelTask] | None, *, blames: bool) -> None:
        """Return what a dead worker had; None: every task of it may have been running."""
        self.alive.discard(worker)
        for task in self.claimed_by(worker):
            it_ran = ran is None or task in ran
            task.attempt -= not it_ran
            is_to_blame = it_ran and blames
            if is_to_blame and task.crashes >= SUSPECT_CRASHES:
                task.move(TaskStatus.FAILED)
            else:
                task.move(TaskStatus.SCHEDULED)
                task.worker = None
            task.crashes += is_to_blame
        self.hand_back(worker, [], list(self.jobs))

    def claimed_by(self, worker: int) -> list[ModelTask]:
        """The tasks that a worker has."""
        tasks = [task for job in self.jobs.values() for task in job.of(TaskStatus.IN_PROGRESS)]
        return [task for task in tasks if task.worker == worker]

    def _of(self, job_ids: Iterable[int]) -> list[ModelJob]:
        return [self.jobs[job_id] for job_id in job_ids]

    def limits_hold(self) -> None:
        """No handler has too many jobs under way, no job too many tasks."""
        for name, (jobs, tasks) in LIMITS.items():
            assert jobs is None or self.running(name) <= jobs
            for job in self.jobs.values():
                if job.handler == name and tasks is not None:
                    assert len(job.of(TaskStatus.IN_PROGRESS)) <= tasks


@dataclass
class Wanted:
    """What a claim asks for, with ranks as the store wants them; a task is (job id, index)."""

    finish: list[int]
    steps: list[int]
    start: list[tuple[int, int]]
    tasks: list[tuple[tuple[int, int], int]]
