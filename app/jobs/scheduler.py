"""One thread decides what runs next: it looks, asks for it in one claim, and feeds the pool."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from app.db import Changes, Database, Line, now, why
from app.jobs import signals
from app.jobs.alarm import Alarm
from app.jobs.events import NO_JOB
from app.jobs.executor import Pool, Work
from app.jobs.facts import JobFacts
from app.jobs.files import Shelf
from app.jobs.finishing import Step
from app.jobs.housekeeping import Every, Housekeeper, go_on
from app.jobs.journal import Journal
from app.jobs.registry import Registry
from app.jobs.store import candidates, claiming, reading
from app.jobs.store.candidates import SUSPECT_CRASHES, Candidate
from app.jobs.store.claiming import Order
from app.jobs.store.ending import LeftBehind
from app.jobs.store.steering import EVERYTHING
from app.jobs.views import Pause
from app.jobs.worker import Worker

log = logging.getLogger(__name__)

#: The most tasks claimed ahead of the threads: what a crash leaves waiting, and others could run.
MOST_AHEAD = 200
#: Tasks for at least this long are claimed ahead, by the rate at which tasks end.
AHEAD_SECONDS = 0.05
#: While there is enough work at hand, jobs are looked at only so often.
LOOK_SECONDS = 0.05
#: While most threads are busy, ends of tasks are gathered so long before the next claim.
BUSY_SECONDS = 0.002
#: Jobs whose unchanging part is kept in memory.
MOST_FACTS = 1_000


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """How often the scheduler does what nobody tells it to do, in seconds."""

    poll: float = 0.25
    heartbeat: float = 10.0


Claimed = claiming.Claim | claiming.StepClaim
Wanted = TypeVar("Wanted")


class Scheduler:
    """Decides for one process. Its thread owns its data; others only hint that it should look."""

    def __init__(  # noqa: PLR0913 - the one place where the parts of the core meet
        self,
        database: Database,
        registry: Registry,
        *,
        worker: Worker,
        journal: Journal,
        pool: Pool,
        shelf: Shelf,
        announce: Callable[[Collection[int]], None],
        rhythm: Rhythm,
    ) -> None:
        self._database = database
        self._registry = registry
        self._worker = worker
        self._journal = journal
        self._pool = pool
        self._shelf = shelf
        self._announce = announce
        self._names = [handler.name for handler in registry]
        self._called = [handler.name for handler in registry if handler.has_finish_step]
        self._poll = rhythm.poll
        self._heartbeat = Every(rhythm.heartbeat)
        self._housekeeper = Housekeeper(database, worker, shelf, announce, self._names)
        self._alarm = Alarm(database, announce)
        self._look = Every(LOOK_SECONDS)
        self._changes = Changes(database)
        self._line = Line(database)
        self._owes_a_look = True
        self._wake = threading.Event()
        self._stop_asked = threading.Event()
        self._fenced = 0  # the incarnation that was taken for dead last
        self._thread = threading.Thread(target=self._run, name="jobdeck-scheduler", daemon=True)
        self._facts: dict[int, JobFacts] = {}
        self._turns = 0
        self._rate, self._ahead = 0.0, AHEAD_SECONDS
        self._counted = (time.monotonic(), 0)
        self._suspects, self._runs_alone = True, False
        # What was asked for when the connection broke.
        self._unsure: list[Order] = []
        #: When the next pause ends by itself, if one does.
        self._resumes_at: datetime | None = None
        # What of cancelled and paused jobs had not begun, until it is handed back.
        self._taken_back: list[Work | Step] = []
        #: Why nothing can be claimed just now, as a sentence; None when all is well.
        self.trouble: str | None = None

    def start(self) -> None:
        """Start deciding; the worker is registered by then."""
        self._heartbeat.is_due()
        self._thread.start()

    def hint(self, job_ids: Collection[int] = ()) -> None:
        """Say that there may be something to do."""
        if NO_JOB in job_ids:
            self._housekeeper.hurry()
        # What this thread itself announces, it knows.
        if not self._wake.is_set() and threading.current_thread() is not self._thread:
            self._wake.set()

    def fenced(self, worker_id: int) -> None:
        """Say that this incarnation of the worker was taken for dead."""
        self._fenced = worker_id
        self._wake.set()

    def stop(self) -> None:
        """Claim nothing more; returns when the last claim is over."""
        self._stop_asked.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop_asked.is_set():
            self._owes_a_look = self._owes_a_look or self._wake.is_set()
            self._wake.clear()
            nap = self._poll  # what failed is not tried again sooner
            try:
                self._turn()
                self.trouble = None
                nap = self._alarm.seconds_left(self._rest())
            except OperationalError as error:
                self.trouble = f"The database cannot be written just now: {why(error)}."
                log.warning("%s The scheduler tries again.", self.trouble)
            except Exception:
                # Whatever it is, without this thread nothing would run any more.
                log.exception("The scheduler failed; it tries again.")
            self._wake.wait(nap)
            if self._pool.load > self._pool.threads // 2:
                self._stop_asked.wait(BUSY_SECONDS)
        self._changes.close()
        self._line.close()

    def _rest(self) -> float:
        """For how long nothing happens by itself: at the end of a pause there is work again."""
        if self._resumes_at is None:
            return self._poll
        return max(0.0, min(self._poll, (self._resumes_at - now()).total_seconds()))

    def _turn(self) -> None:
        if self._fenced == self._worker.id:
            self._begin_anew()
        if self._resumes_at is not None and self._resumes_at <= now():
            self._resumes_at, self._owes_a_look = None, True
        self._keep_house()
        if not self._worker.is_trusted or self._journal.trouble:
            return
        # The poll is for what other processes did; mostly they did nothing.
        if not (self._owes_a_look or self._pool.load or self._changes.have_come()):
            return
        self._owes_a_look = True  # until it is done: what fails on the way is done again
        if self._unsure:
            self._settle()
        room = self._room()
        if not room and not self._look.is_due():
            return
        order = self._plan(room)
        if order:
            self._carry_out(order)
        self._owes_a_look = False

    def _begin_anew(self) -> None:
        """Become a new worker; what the old one ran belongs to others now."""
        self._pool.lose_all()
        self._unsure.clear()
        self._worker.register(self._registry.declared)
        self._journal.write_for(self._worker.id)

    def _keep_house(self) -> None:
        if self._heartbeat.is_due() and not self._renewed():
            self._begin_anew()
        if self._housekeeper.keep():
            self._suspects = self._owes_a_look = True
            self._heed(self._housekeeper.pauses)
        if self._alarm.rings():
            self._owes_a_look = True

    def _heed(self, pauses: Sequence[Pause]) -> None:
        """Know when the next pause ends; what is paused and waits here for a thread goes back."""
        self._resumes_at = min((each.until for each in pauses if each.until), default=None)
        names = {each.handler for each in pauses}
        if names:
            paused = self._names if EVERYTHING in names else names
            self._taken_back += self._pool.take_back(paused)

    def _renewed(self) -> bool:
        try:
            return self._worker.renew()
        except DBAPIError:
            self._heartbeat.again()  # a whole period later it may be too late
            raise

    def _room(self) -> int:
        """How many tasks to claim now: none while enough for the next moment is at hand."""
        moment, ended = time.monotonic(), self._pool.ended
        since, before = self._counted
        if moment - since > AHEAD_SECONDS:
            self._rate += ((ended - before) / (moment - since) - self._rate) / 2
            self._counted = (moment, ended)
        target = self._pool.threads + min(MOST_AHEAD, int(self._rate * self._ahead))
        half = (target - self._pool.threads) // 2
        self._pool.low = max(half, self._pool.threads - 1)
        return 0 if self._pool.waiting > half else max(0, target - self._pool.load)

    def _plan(self, room: int) -> Order:
        with self._line.reading() as connection:
            self._alarm.set(connection)
            running = candidates.running_jobs(connection, self._names, self._called)
            self._cancel([job.id for job in running if job.is_cancelling])
            finish = tuple(job.id for job in running if job.is_complete and not self._calls(job))
            if self._must_be_alone():
                return Order(finish=finish)
            if self._suspects:
                suspect = candidates.suspect_task(connection, self._names)
                if suspect is not None:
                    return Order(finish=finish, tasks=self._alone([(suspect, 1)]))
                self._suspects = False
            steps, suspects = self._steps(running)
            if suspects:
                return Order(finish=finish, steps=self._alone(suspects[:1]))
            if not room:
                return Order(finish=finish, steps=steps)
            starts = self._starts(connection, room)
            jobs = [*self._in_turn([job for job in running if job.claimable]), *starts]
            shares = share(room, jobs)
            tasks = candidates.scheduled_tasks(connection, shares) if shares else []
            return Order(finish=finish, steps=steps, start=_ranked(starts), tasks=tasks)

    def _calls(self, job: Candidate) -> bool:
        """Whether something is done at a job's end, as callbacks are: not after a cancel."""
        return not job.is_cancelling and self._registry[job.handler].has_finish_step

    def _steps(self, running: Sequence[Candidate]) -> tuple[list[int], list[int]]:
        """The finish steps that are due, and those of them that must be done alone.

        They are of jobs that are complete, and of ended ones whose last callback is owed.
        """
        due = {each.job_id: each.crashes for each in self._housekeeper.owed}
        due |= {job.id: job.crashes for job in running if job.is_complete and self._calls(job)}
        self._housekeeper.owed = []
        return list(due), [id_ for id_, crashes in due.items() if crashes >= SUSPECT_CRASHES]

    def _cancel(self, job_ids: Collection[int]) -> None:
        """Tell what runs of these jobs to stop; what waits here for a thread never begins."""
        if job_ids:
            self._taken_back += self._pool.cancel(job_ids)
        if self._taken_back:
            hand_back(self._database, self._worker, self._taken_back)
            taken_back, self._taken_back = self._taken_back, []
            touched = {work.job_id for work in taken_back}
            for job_id in touched.intersection(job_ids):
                go_on(self._database, LeftBehind("cancel", job_id))
            self._announce(touched)

    def _must_be_alone(self) -> bool:
        if self._runs_alone and not self._pool.load:
            self._runs_alone = False
            self._suspects = True
        return self._runs_alone

    def _alone(self, suspect: Sequence[Wanted]) -> Sequence[Wanted]:
        """Claim what kills its workers only when nothing else would die with it."""
        if self._pool.load:
            return ()
        self._runs_alone = True
        return suspect

    def _starts(self, connection: Connection, room: int) -> list[Candidate]:
        free = {slots.handler: slots.free for slots in candidates.slots(connection, self._names)}
        ready = [name for name, slots in free.items() if slots is None or slots > 0]
        starts = []
        for job in candidates.queued_jobs(connection, ready, room) if ready else []:
            slots_left = free[job.handler]
            if slots_left is not None:
                if not slots_left:
                    continue
                free[job.handler] = slots_left - 1
            starts.append(job)
        return starts

    def _in_turn(self, jobs: list[Candidate]) -> list[Candidate]:
        """Begin with another job each turn, so that none is served first always."""
        self._turns += 1
        offset = self._turns % len(jobs) if jobs else 0
        return jobs[offset:] + jobs[:offset]

    def _carry_out(self, order: Order) -> None:
        begun = time.monotonic()
        try:
            at = self._claim(order)
        except OperationalError:
            self._unsure.append(order)
            raise
        # Where a claim takes long, the threads need work for longer until the next one is there.
        self._ahead = max(AHEAD_SECONDS, 2 * (time.monotonic() - begun))
        if at is None:
            return
        started = [id_ for id_, _ in order.start]
        signals.tell_of_jobs(self._database, signals.job_started, started, at)
        claims = self._take(order) if order.tasks or order.steps else []
        self._runs_alone = self._runs_alone and bool(claims)
        if order.finish:
            self._wake.set()  # a slot may be free for the next job
        self._announce({*order.finish, *started, *_jobs_of(claims)})
        signals.tell_of_ends(self._database, order.finish, at)

    def _claim(self, order: Order) -> str | None:
        """Carry out an order and return when; None: this worker was taken for dead."""
        try:
            with self._line.writing_once() as connection:
                return claiming.claim(connection, self._worker.id, order)
        except IntegrityError as error:
            if "fenced" not in str(error.orig):
                raise
            self._begin_anew()
            return None

    def _settle(self) -> None:
        """Take what was claimed by orders of which nobody knows whether they were carried out.

        After another one they are not any more, should the server still have them.
        """
        if self._claim(Order()) is None:
            return
        while self._unsure:
            self._announce(_jobs_of(self._take(self._unsure[0])))
            self._unsure.pop(0)

    def _take(self, order: Order) -> list[Claimed]:
        """Let run what an order got."""
        worker_id = self._worker.id
        claims = self._read_claims(worker_id, order)
        self._pool.submit(self._work(claim, worker_id) for claim in claims)
        return claims

    def _read_claims(self, worker_id: int, order: Order) -> list[Claimed]:
        """Read what was claimed, whatever it takes: nobody else would run it."""
        while True:
            try:
                with self._line.reading() as connection:
                    claims = self._claimed(connection, worker_id, order)
                    self._learn(connection, _jobs_of(claims))
            except DBAPIError as error:
                log.warning("Claimed tasks cannot be read yet: %s", why(error))
                if self._stop_asked.wait(self._poll):
                    return []
            else:
                return [claim for claim in claims if claim.job_id in self._facts]

    def _claimed(self, connection: Connection, worker_id: int, order: Order) -> list[Claimed]:
        tasks = claiming.claimed(connection, worker_id, order) if order.tasks else []
        steps = claiming.claimed_steps(connection, worker_id, order) if order.steps else []
        return [*steps, *tasks]

    def _work(self, claim: Claimed, worker_id: int) -> Work | Step:
        facts = self._facts[claim.job_id]
        handler = self._registry[facts.handler]
        if isinstance(claim, claiming.StepClaim):
            return Step(claim, facts, handler, worker_id)
        return Work(claim, facts, handler, worker_id)

    def _learn(self, connection: Connection, job_ids: set[int]) -> None:
        unknown = job_ids - self._facts.keys()
        if not unknown:
            return
        if len(self._facts) + len(unknown) > MOST_FACTS:
            self._facts = {id_: self._facts[id_] for id_ in job_ids & self._facts.keys()}
        for row in reading.facts(connection, unknown):
            handler = self._registry[row.handler]
            read = self._shelf.reading(handler.reader(row.params))
            self._facts[row.id] = JobFacts(row, read)


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


def _jobs_of(claims: Iterable[Claimed]) -> set[int]:
    return {claim.job_id for claim in claims}


def hand_back(database: Database, worker: Worker, works: Sequence[Work | Step]) -> None:
    """Return what was claimed and will not be run to its end by this worker (B10)."""
    if works:
        tasks = [work.claim.id for work in works if isinstance(work, Work)]
        steps = [work.job_id for work in works if isinstance(work, Step)]
        with database.writing() as connection:
            claiming.hand_back(connection, worker.id, tasks, steps)
