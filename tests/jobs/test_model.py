"""The store beside a small model of it: whatever is done, in any order, both come to the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.exc import IntegrityError

from app.config import Settings
from app.db import Database
from app.jobs import housekeeping as house
from app.jobs.states import JobStatus, TaskStatus
from app.jobs.store import (
    adding,
    claiming,
    creating,
    ending,
    keeping,
    recording,
    removing,
    reopening,
    retrying,
)
from app.jobs.store.claiming import Claim, Order, StepClaim
from app.jobs.store.recording import Fenced, TaskWrites, moment
from tests.jobs.compared import Compared, Held
from tests.jobs.looking import sql
from tests.jobs.model import CHUNK, LIMITS, ModelJob, Wanted

pytestmark = pytest.mark.conformance

some = st.integers(0, 10**6)
#: The status of a task that has ended, whether it is to be tried again, whether its job may end.
Outcome = tuple[str, bool, bool]
outcomes = st.sampled_from(
    [(status, again and status == "FAILED", may_end) for status in ("DONE", "FAILED", "CANCELLED")
     for again in (False, True) for may_end in (False, True)]
)  # fmt: skip
handlers = st.sampled_from(list(LIMITS))
skips = st.lists(st.sampled_from([False, False, False, True]), max_size=2 * CHUNK + 1)
choices = st.sampled_from(["failed", "unfinished", "all"]) | st.lists(st.integers(0, 8), max_size=5)


class Machine(Compared):
    """What people, creators, workers and those who tidy up do, one after another."""

    # What people and creators do

    @initialize()
    def something_is_there(self) -> None:
        self.register()
        for handler in LIMITS:
            self.start(handler, [False] * (CHUNK + 2), False)

    @precondition(lambda self: len(self.model.jobs) < 6)
    @rule(handler=handlers, skips=skips, held=st.sampled_from([False, False, True]))
    def start_one(self, handler: str, skips: list[bool], held: bool) -> None:
        self.start(handler, skips, held)

    def start(self, handler: str, skips: list[bool], held: bool) -> None:
        tasks = [{"state": {}, "skip": skip} for skip in skips]
        job_id = self.engine.start_new_job("x", None, tasks, handler, auto_start=not held)
        self.model.jobs[job_id] = job = ModelJob(job_id, handler, held)
        job.add(skips)

    @precondition(lambda self: any(job.held for job in self.model.jobs.values()))
    @rule(handler=handlers)
    def release(self, handler: str) -> None:
        limit, _ = LIMITS[handler]
        own = [job for job in self.model.jobs.values() if job.handler == handler]
        queued = [job for job in own if job.status == JobStatus.QUEUED]
        taken = self.model.running(handler) + sum(not job.held for job in queued)
        waiting = [job for job in queued if job.held]
        free = waiting if limit is None else waiting[: max(0, limit - taken)]
        assert self.engine.start_queued_jobs(handler) == [job.id for job in free]
        for job in free:
            job.held = False

    @precondition(lambda self: self.model.jobs)
    @rule(which=some)
    def cancel(self, which: int) -> None:
        job = self.job(which)
        if self.refuses(lambda: self.engine.cancel(job.id)):
            assert job.is_final
            assert job.status != JobStatus.CANCELLED
        elif not job.is_final:
            job.is_cancelling, job.left = True, None
            if job.cancel_chunk():
                job.cancel_chunk()  # as its patience is 0

    @precondition(lambda self: self.model.jobs)
    @rule(which=some, choice=choices)
    def retry(self, which: int, choice: str | list[int]) -> None:
        job = self.job(which)
        if self.refuses(lambda: self.engine.retry(job.id, choice)):
            assert not job.is_final or not self.may_retry(job, choice)
        else:
            assert job.is_final
            assert self.may_retry(job, choice)
            job.reopen(choice)
            if job.reopen_chunk():
                job.reopen_chunk()

    def may_retry(self, job: ModelJob, choice: str | list[int]) -> bool:
        if isinstance(choice, str):
            return bool(job.of(*(TaskStatus(each) for each in reopening.CHOICES[choice])))
        return bool(choice) and set(choice) <= job.tasks.keys()

    @precondition(lambda self: self.model.jobs)
    @rule(which=some, skips=skips)
    def add(self, which: int, skips: list[bool]) -> None:
        job = self.job(which)
        tasks = [{"state": {}, "skip": skip} for skip in skips]
        add = self.engine.add_new_tasks_to_existing_job
        if self.refuses(lambda: add(job.id, tasks)):
            assert job.is_final or job.is_cancelling
        else:
            assert not job.is_final
            assert not job.is_cancelling
            job.add(skips)

    @precondition(lambda self: self.model.jobs)
    @rule(which=some, indexes=st.sets(st.integers(0, 8), max_size=3))
    def delete_tasks(self, which: int, indexes: set[int]) -> None:
        job = self.job(which)
        waiting = {task.index for task in job.of(TaskStatus.SCHEDULED)}
        may = not job.is_final and indexes <= waiting
        delete = self.engine.delete_tasks_from_existing_job
        assert self.refuses(lambda: delete(job.id, indexes)) is not may
        for index in indexes if may else ():
            del job.tasks[index]

    @precondition(lambda self: self.model.jobs)
    @rule(which=some)
    def delete(self, which: int) -> None:
        job = self.job(which)
        assert self.refuses(lambda: self.engine.delete_job(job.id)) is not job.is_final
        if job.is_final:
            del self.model.jobs[job.id]
            self.is_clean = False

    # What workers do

    @precondition(lambda self: len(self.model.alive) < 3)
    @rule()
    def begin(self) -> None:
        self.register()

    def register(self) -> None:
        with self.database.writing() as connection:
            worker = keeping.register(connection, NEW_WORKER)
            keeping.declare_handlers(connection, self.engine.registry.declared)
        self.model.alive.add(worker)
        self.workers.append(worker)

    @rule(which=some)
    def claim_what_there_is(self, which: int) -> None:
        self.claim(self.worker(which), self.wanted(list(self.model.jobs), list(self.ids)))

    @rule(which=some, data=st.data())
    def claim_some(self, which: int, data: st.DataObject) -> None:
        jobs = data.draw(st.permutations(list(self.model.jobs)))
        tasks = data.draw(st.permutations(list(self.ids)))
        some_jobs, some_tasks = jobs[: which % 4], tasks[: which % 7]
        self.claim(self.worker(which), self.wanted(some_jobs, some_tasks))

    def claim(self, worker: int, wanted: Wanted) -> None:
        """Ask for these, whether they may be claimed or not."""
        tasks_of: dict[int, list[int]] = {}
        for key, _ in wanted.tasks:
            tasks_of.setdefault(key[0], []).append(self.ids[key])
        order = Order(finish=wanted.finish, steps=wanted.steps, start=wanted.start, tasks=tasks_of)
        if worker not in self.model.alive:
            with pytest.raises(IntegrityError, match="fenced"):
                self.claimed(worker, order)
            return
        tasks, steps = self.claimed(worker, order)
        self.model.claim(worker, wanted)
        for claim in tasks:
            writes = TaskWrites(worker, claim.id, claim.job_id, claim.attempt)
            self.held.append((claim.job_id, claim.index, writes))
        for step in steps:
            runs = self.model.jobs[step.job_id].runs
            self.steps.append((worker, step.job_id, runs, step.run))

    def claimed(self, worker: int, order: Order) -> tuple[list[Claim], list[StepClaim]]:
        before = {writes.task_id for *_, writes in self.held if writes.worker_id == worker}
        with self.database.writing_once() as connection:
            claiming.claim(connection, worker, order)
            tasks = claiming.claimed(connection, worker, order)
            steps = claiming.claimed_steps(connection, worker, order)
        return [task for task in tasks if task.id not in before], steps

    @precondition(lambda self: self.held)
    @rule(outcome=outcomes)
    def record_all(self, outcome: Outcome) -> None:
        while self.held:
            self.say(self.held.pop(), outcome)

    @precondition(lambda self: self.held)
    @rule(which=some, outcome=outcomes)
    def record_one(self, which: int, outcome: Outcome) -> None:
        self.say(self.held.pop(which % len(self.held)), outcome)

    def say(self, held: Held, outcome: Outcome) -> None:
        """Record an outcome; a claim that is lost records nothing."""
        job_id, index, writes = held
        writes.status, again, writes.may_end_job = outcome
        writes.started_at = writes.finished_at = moment()
        writes.run_after = moment() if again else None
        try:
            with self.database.writing_once() as connection:
                recording.write_group(connection, writes.worker_id, [writes], [])
        except Fenced:
            assert writes.worker_id not in self.model.alive
            return
        assert writes.worker_id in self.model.alive
        job, task = self.model.jobs.get(job_id), self.task(job_id, index)
        claim = (writes.worker_id, writes.attempt, TaskStatus.IN_PROGRESS)
        may_end = bool(job and job.is_complete and writes.may_end_job)
        if job and task and (task.worker, task.attempt, task.status) == claim:
            job.record(task, TaskStatus(writes.status), again=again, may_end=writes.may_end_job)
        elif job and may_end and job.status == JobStatus.IN_PROGRESS:
            job.end_it()

    @precondition(lambda self: any(task.waits for task in self.all_tasks()))
    @rule()
    def let_go(self) -> None:
        assert retrying.let_due_go(self.database)
        for task in self.all_tasks():
            task.waits = False

    @precondition(lambda self: self.steps)
    @rule(which=some)
    def end_step(self, which: int) -> None:
        worker, job_id, runs, run = self.steps.pop(which % len(self.steps))
        step = ending.StepEnd(job_id=job_id, worker_id=worker, run=run)
        with self.database.writing() as connection:
            ending.end_step(connection, step)
        job = self.model.jobs.get(job_id)
        if job and (job.finisher, job.runs) == (worker, runs):
            job.end_step()

    @precondition(lambda self: self.held or self.steps)
    @rule(which=some, number=st.integers(0, 3))
    def hand_back(self, which: int, number: int) -> None:
        worker = self.worker(which)
        own = [each for each in self.held if each[2].worker_id == worker][:number]
        self.held = [each for each in self.held if each not in own]
        steps = [job_id for who, job_id, *_ in self.steps if who == worker]
        self.steps = [each for each in self.steps if each[0] != worker]
        with self.database.writing() as connection:
            ids = [writes.task_id for *_, writes in own]
            claiming.hand_back(connection, worker, ids, steps)
        known = [self.task(job_id, index) for job_id, index, _ in own]
        steps = [job_id for job_id in steps if job_id in self.model.jobs]
        self.model.hand_back(worker, [task for task in known if task], steps)

    @precondition(lambda self: len(self.model.alive) > 1)
    @rule(which=some)
    def retire(self, which: int) -> None:
        worker = self.worker(which)
        if worker in self.model.alive:
            keeping.retire(self.database, worker)
            self.model.hand_back(worker, self.model.claimed_by(worker), list(self.model.jobs))
            self.model.alive.discard(worker)

    @precondition(lambda self: len(self.model.alive) > 1)
    @rule(which=some, ran=st.none() | st.sets(st.integers(0, 5)), blames=st.booleans())
    def bury(self, which: int, ran: set[int] | None, blames: bool) -> None:
        worker = self.worker(which)
        death, tasks = None, None
        if ran is not None:
            own = self.model.claimed_by(worker)
            tasks = [own[place] for place in ran if place < len(own)]
            keys = {id(task): key for key in self.ids if (task := self.task(*key))}
            ids = tuple(self.ids[keys[id(task)]] for task in tasks)
            death = keeping.Death(ran=ids, blames_tasks=blames)
        returned = keeping.bury(self.database, worker, death)
        assert (returned is not None) is (worker in self.model.alive)
        if returned is not None:
            self.model.bury(worker, tasks, blames=blames or ran is None)

    # What those do who tidy up

    @precondition(lambda self: any(job.is_half_done for job in self.model.jobs.values()))
    @rule()
    def tidy(self) -> None:
        with self.database.reading() as connection:
            left = ending.left_behind(connection, list(LIMITS))
        for each in left:
            job = self.model.jobs[each.job_id]
            more = house.go_on(self.database, each)
            assert more is (job.cancel_chunk() if each.what == "cancel" else job.reopen_chunk())

    @precondition(lambda self: not self.is_clean)
    @rule()
    def clean(self) -> None:
        self.is_clean = True
        while house.clean(self.database):
            pass
        assert sql(self.database, "SELECT count(*) FROM task") == [(len(self.ids),)]


NEW_WORKER = keeping.NewWorker(host="here", pid=1, mark="x", handlers=LIMITS, lease=600)


@pytest.fixture
def machine(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> type[Machine]:
    """A machine on the test's database, with small chunks."""
    for module in (creating, adding, ending, reopening, removing):
        monkeypatch.setattr(module, "CHUNK", CHUNK)
    monkeypatch.setattr(house, "PATIENCE_SECONDS", 0)
    return type("OnDatabase", (Machine,), {"database": database, "settings": settings})


def run(machine: type[Machine], examples: int, steps: int, **others: Any) -> None:
    """Try so many sequences of so many steps."""
    own = settings(
        max_examples=examples, stateful_step_count=steps, database=None, deadline=None,
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False, **others,
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=own)


def test_the_store_does_what_the_model_does(machine: type[Machine]) -> None:
    run(machine, 12, 40, derandomize=True, phases=[Phase.generate])


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_store_does_what_the_model_does_for_long(machine: type[Machine]) -> None:
    run(machine, 300, 60, phases=[Phase.generate, Phase.shrink])
