"""What a claim asks for, from what a scheduler sees: no thread, no lock, just rules (A3, B7)."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from app.jobs.registry import Registry
from app.jobs.store import candidates
from app.jobs.store.candidates import SUSPECT_CRASHES, Candidate
from app.jobs.store.claiming import Order
from app.jobs.store.ending import LeftBehind

Wanted = TypeVar("Wanted")


@dataclass(frozen=True, slots=True)
class Sight:
    """What a scheduler sees: jobs that run and have something to do, and jobs that may start."""

    running: Sequence[Candidate]
    queued: Sequence[Candidate]


class Planner:
    """Plans for one scheduler, on its thread."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        #: The handlers that this process has.
        self.names = [handler.name for handler in registry]
        self._called = [handler.name for handler in registry if handler.has_finish_step]
        self._turns = 0
        #: Whether there may be tasks that must run alone, for their workers kept dying.
        self.suspects = True
        #: Whether such a one runs: nothing else may begin beside it.
        self.runs_alone = False

    @property
    def is_wary(self) -> bool:
        """Whether something may have to run alone: that begins when nothing else runs."""
        return self.suspects or self.runs_alone

    def look(self, connection: Connection, room: int) -> Sight:
        """Look for the jobs of which there is something to do.

        In this order: what another worker starts meanwhile is seen twice, and never not at all.
        """
        queued = self._queued(connection, room) if room else []
        running = candidates.running_jobs(connection, self.names, self._called)
        known = {job.id for job in running}
        return Sight(running, [job for job in queued if job.id not in known])

    def plan(
        self,
        connection: Connection,
        sight: Sight,
        owed: Iterable[LeftBehind],
        *,
        room: int,
        is_idle: bool,
    ) -> Order:
        """Return what to ask for: `room` tasks at most, and the steps that others `owed`.

        `is_idle`: nothing that was claimed before runs any more.
        """
        running, starts = sight.running, sight.queued
        finish = tuple(job.id for job in running if job.is_complete and not self._calls(job))
        if self._must_be_alone(is_idle):
            return Order(finish=finish)
        if self.suspects:
            suspect = candidates.suspect_task(connection, self.names)
            if suspect is not None:
                return Order(finish=finish, tasks=dict(self._alone([suspect], is_idle)))
            self.suspects = False
        if not room:
            return Order(finish=finish)  # a step would wait here, and another worker may be idle
        steps, suspects = self._steps(running, owed)
        if suspects:
            return Order(finish=finish, steps=self._alone(suspects[:1], is_idle))
        jobs = [*self._in_turn([job for job in running if job.claimable]), *starts]
        shares = share(room, jobs)
        tasks = candidates.scheduled_tasks(connection, shares) if shares else {}
        return Order(finish=finish, steps=steps, start=_ranked(starts), tasks=tasks)

    def _calls(self, job: Candidate) -> bool:
        """Whether something is done at a job's end, as callbacks are: not after a cancel."""
        return not job.is_cancelling and self._registry[job.handler].has_finish_step

    def _steps(
        self, running: Sequence[Candidate], owed: Iterable[LeftBehind]
    ) -> tuple[list[int], list[int]]:
        """The finish steps that are due, and those of them that must be done alone.

        They are of jobs that are complete, and of ended ones whose last callback is owed.
        """
        due = {each.job_id: each.crashes for each in owed}
        due |= {job.id: job.crashes for job in running if job.is_complete and self._calls(job)}
        return list(due), [id_ for id_, crashes in due.items() if crashes >= SUSPECT_CRASHES]

    def _must_be_alone(self, is_idle: bool) -> bool:
        if self.runs_alone and is_idle:
            self.runs_alone = False
            self.suspects = True
        return self.runs_alone

    def _alone(self, suspect: Sequence[Wanted], is_idle: bool) -> Sequence[Wanted]:
        """Claim what kills its workers only when nothing else would die with it."""
        self.runs_alone = is_idle
        return suspect if is_idle else ()

    def _queued(self, connection: Connection, room: int) -> list[Candidate]:
        """Jobs that may start, of each handler as many as it has free slots."""
        starts = []
        taken: Counter[str] = Counter()
        for job, free in candidates.queued_jobs(connection, self.names, room):
            if free is None or taken[job.handler] < free:
                taken[job.handler] += 1
                starts.append(job)
        return starts

    def _in_turn(self, jobs: list[Candidate]) -> list[Candidate]:
        """Begin with another job each turn, so that none is served first always."""
        self._turns += 1
        offset = self._turns % len(jobs) if jobs else 0
        return jobs[offset:] + jobs[:offset]


def share(room: int, jobs: Sequence[Candidate]) -> dict[int, int]:
    """Divide room among jobs evenly; what one cannot use goes to the others."""
    shares: dict[int, int] = {}
    waiting = deque(job for job in jobs if job.claimable)
    while room and waiting:
        portion = max(1, room // len(waiting))
        for job in [waiting.popleft() for _ in range(len(waiting))]:
            taken = min(portion, room, job.claimable - shares.get(job.id, 0))
            if not taken:
                continue
            shares[job.id] = shares.get(job.id, 0) + taken
            room -= taken
            if shares[job.id] < job.claimable:
                waiting.append(job)
    return shares


def _ranked(starts: Sequence[Candidate]) -> list[tuple[int, int]]:
    ranks: dict[str, int] = {}
    ranked = []
    for job in starts:
        ranks[job.handler] = ranks.get(job.handler, 0) + 1
        ranked.append((job.id, ranks[job.handler]))
    return ranked
