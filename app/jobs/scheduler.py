"""One thread decides what runs next: it looks, asks for it in one claim, and feeds the pool."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from app.db import Changes, Database, Line, why
from app.jobs import signals
from app.jobs.ahead import Ahead
from app.jobs.alarm import Alarm
from app.jobs.crowd import Crowd
from app.jobs.events import NO_JOB, Bus
from app.jobs.executor import Work
from app.jobs.facts import JobFacts
from app.jobs.files import Shelf
from app.jobs.finishing import Step
from app.jobs.housekeeping import Every, Housekeeper, go_on
from app.jobs.journal import Journal
from app.jobs.planning import Planner
from app.jobs.pool import Pool
from app.jobs.registry import Registry
from app.jobs.store import claiming, reading
from app.jobs.store.claiming import Order
from app.jobs.store.ending import LeftBehind
from app.jobs.store.steering import EVERYTHING
from app.jobs.views import Pause
from app.jobs.worker import Worker

log = logging.getLogger(__name__)

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
        bus: Bus,
        rhythm: Rhythm,
    ) -> None:
        self._database = database
        self._registry = registry
        self._worker = worker
        self._journal = journal
        self._pool = pool
        self._ahead, self._crowd = Ahead(pool), Crowd(pool)
        self._shelf = shelf
        self._bus = bus
        self._planner = Planner(registry)
        self._poll = rhythm.poll
        self._heartbeat = Every(rhythm.heartbeat)
        self._housekeeper = Housekeeper(database, worker, shelf, bus.note, self._planner.names)
        self._alarm = Alarm(database, bus.note)
        self._look, self._time_check = Every(LOOK_SECONDS), Every(LOOK_SECONDS)
        self._changes = Changes(database)
        self._line = Line(database)
        self._owes_a_look = True
        self._lacks_room = True
        self._wake = threading.Event()
        self._stop_asked = threading.Event()
        self._fenced = 0  # the incarnation that was taken for dead last
        self._thread = threading.Thread(target=self._run, name="jobdeck-scheduler", daemon=True)
        self._facts: dict[int, JobFacts] = {}
        # What was asked for when the connection broke.
        self._unsure: list[Order] = []
        self._taken_back: list[Work | Step] = []  # until it is handed back
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

    def hint_of_room(self) -> None:
        """Say that a thread may be free: worth a look where more was to be claimed than had room.

        Where not, what a task leaves to be done is seen when its end is stored.
        """
        if self._lacks_room:
            self.hint()

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
                soon = LOOK_SECONDS if self._owes_a_look else self._poll
                nap = self._alarm.seconds_left(self._ahead.seconds_left(soon))
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

    def _turn(self) -> None:
        self._crowd.look()
        if self._fenced == self._worker.id or (self._heartbeat.is_due() and not self._renewed()):
            self._begin_anew()
        try:
            self._decide()
        finally:
            self._keep_house()  # last: who has just asked for something does not wait for it

    def _decide(self) -> None:
        """Look, and ask for what there is to do, if there may be something."""
        if not self._worker.is_trusted or self._journal.trouble:
            return
        # The poll is for what other processes did; mostly they did nothing.
        if not (self._owes_a_look or self._pool.load or self._changes.have_come()):
            return
        self._owes_a_look = True  # until it is done: what fails on the way is done again
        if self._unsure:
            self._settle()
        if self._ahead.is_stale():
            self._taken_back += self._pool.take_back()
            self._return_taken()
        room = self._ahead.room()
        self._lacks_room = True  # until it is seen that there is nothing more to claim
        if not room and not self._look.is_due():
            return
        order = self._plan(room)
        self._lacks_room = order.size >= room or self._planner.is_wary
        if order:
            self._carry_out(order)
        # Among claims that follow each other it is enough to see now and then what is due next.
        later = bool(order) and not self._time_check.is_due()
        if not later:
            with self._line.reading() as connection:
                self._alarm.set(connection)
        self._owes_a_look = later

    def _begin_anew(self) -> None:
        """Become a new worker; what the old one ran belongs to others now."""
        self._pool.lose_all()
        self._unsure.clear()
        self._worker.register(self._registry.declared)
        self._journal.write_for(self._worker.id)

    def _keep_house(self) -> None:
        if self._housekeeper.keep():
            self._planner.suspects = True
            self._heed(self._housekeeper.pauses)
            self._wake.set()
        if self._alarm.rings():
            self._wake.set()

    def _heed(self, pauses: Sequence[Pause]) -> None:
        """Give back what is paused and waits here for a thread."""
        names = {each.handler for each in pauses}
        if names:
            paused = self._planner.names if EVERYTHING in names else names
            self._taken_back += self._pool.take_back(paused)

    def _renewed(self) -> bool:
        try:
            return self._worker.renew()
        except DBAPIError:
            self._heartbeat.again()  # a whole period later it may be too late
            raise

    def _plan(self, room: int) -> Order:
        with self._line.reading() as connection:
            sight = self._planner.look(connection, room)
            self._cancel([job.id for job in sight.running if job.is_cancelling])
            owed = self._housekeeper.owed
            if room:
                self._housekeeper.owed = []
            return self._planner.plan(
                connection, sight, owed, room=room, is_idle=not self._pool.load
            )

    def _cancel(self, job_ids: Collection[int]) -> None:
        """Tell what runs of these jobs to stop; what waits here for a thread never begins."""
        if job_ids:
            self._taken_back += self._pool.cancel(job_ids)
        self._return_taken(job_ids)

    def _return_taken(self, cancelled: Collection[int] = ()) -> None:
        """Return what was taken back from the pool; if its job is cancelled, it ends so."""
        if self._taken_back:
            hand_back(self._database, self._worker, self._taken_back)
            taken_back, self._taken_back = self._taken_back, []
            touched = {work.job_id for work in taken_back}
            for job_id in touched.intersection(cancelled):
                go_on(self._database, LeftBehind("cancel", job_id))
            self._bus.announce(touched)  # another worker may be idle

    def _carry_out(self, order: Order) -> None:
        begun = time.monotonic()
        try:
            at = self._claim(order)
        except OperationalError:
            self._unsure.append(order)
            raise
        self._ahead.know_claim(order.size, time.monotonic() - begun)
        if at is None:
            return
        started = [id_ for id_, _ in order.start]
        signals.tell_of_jobs(self._database, signals.job_started, started, at)
        claims = self._take(order) if order.tasks or order.steps else []
        self._planner.runs_alone = self._planner.runs_alone and bool(claims)
        if order.finish or len(claims) < len(order.task_ids) + len(order.steps):
            # A slot may be free for the next job; or another worker was faster, and there is more.
            self._wake.set()
        self._bus.note({*order.finish, *started, *_jobs_of(claims)})
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
            self._bus.note(_jobs_of(self._take(self._unsure[0])))
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
            load = self._shelf.reading(partial(handler.load_params, row.params))
            self._facts[row.id] = JobFacts(row, load)


def _jobs_of(claims: Iterable[Claimed]) -> set[int]:
    return {claim.job_id for claim in claims}


def hand_back(database: Database, worker: Worker, works: Sequence[Work | Step]) -> None:
    """Return what was claimed and will not be run to its end by this worker (B10)."""
    if works:
        tasks = [work.claim.id for work in works if isinstance(work, Work)]
        steps = [work.job_id for work in works if isinstance(work, Step)]
        with database.writing() as connection:
            claiming.hand_back(connection, worker.id, tasks, steps)
