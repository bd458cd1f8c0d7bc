"""What may follow what: the tables of states.py against what the store really does (A2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from app.db import Database, iso, now
from app.jobs.states import (
    JOB_ACTIVE,
    JOB_ENTERED_FROM,
    JOB_FINAL,
    TASK_ENTERED_FROM,
    TASK_FINAL,
    JobStatus,
    TaskStatus,
)
from app.jobs.store import claiming, creating, ending, keeping, recording, reopening
from app.jobs.store.claiming import Order
from app.jobs.store.creating import NewJob, NewTask
from app.jobs.store.recording import TaskWrites
from tests.jobs.looking import recounted, sql

pytestmark = pytest.mark.conformance


@dataclass
class Scene:
    """A job of one task, and a worker that owns the task as far as anybody does."""

    database: Database
    job_id: int
    task_id: int
    worker_id: int

    def order(self, order: Order) -> None:
        with self.database.writing_once() as connection:
            claiming.claim(connection, self.worker_id, order)

    def record(self, status: TaskStatus) -> None:
        writes = TaskWrites(self.worker_id, self.task_id, self.job_id, 1, status=status)
        with self.database.writing_once() as connection:
            recording.write_group(connection, self.worker_id, [writes], [])

    def claim(self) -> None:
        self.order(Order(tasks={self.job_id: [self.task_id]}))

    def start(self) -> None:
        self.order(Order(start=[(self.job_id, 1)]))

    def finish(self) -> None:
        self.order(Order(finish=[self.job_id]))

    def hand_back(self) -> None:
        with self.database.writing_once() as connection:
            claiming.hand_back(connection, self.worker_id, [self.task_id])

    def bury(self) -> None:
        keeping.bury(self.database, self.worker_id, keeping.Death(ran=(self.task_id,)))

    def retire(self) -> None:
        keeping.retire(self.database, self.worker_id)

    def ask_to_cancel(self) -> None:
        with self.database.writing() as connection:
            ending.ask_to_cancel(connection, self.job_id, None)

    def cancel(self) -> None:
        self.ask_to_cancel()
        with self.database.writing() as connection:
            ending.cancel_chunk(connection, self.job_id, iso(now()))

    def retry(self) -> None:
        with self.database.writing() as connection:
            if reopening.reopen(connection, self.job_id, [0]):
                reopening.reopen_chunk(connection, self.job_id)

    def retry_task(self) -> None:
        sql(self.database, "UPDATE job SET status = 'DONE'")
        self.retry()

    def end_step(self) -> None:
        """Do the whole finish step of a handler with callbacks."""
        self.order(Order(steps=[self.job_id]))
        ((run,),) = sql(self.database, "SELECT started_at FROM job")
        end = ending.StepEnd(job_id=self.job_id, worker_id=self.worker_id, run=str(run))
        with self.database.writing() as connection:
            ending.end_step(connection, end)

    def bury_again(self) -> None:
        sql(self.database, "UPDATE task SET crashes = 2")
        self.bury()

    @property
    def status(self) -> str:
        return str(sql(self.database, "SELECT status FROM task")[0][0])

    @property
    def job_status(self) -> str:
        return str(sql(self.database, "SELECT status FROM job")[0][0])


@pytest.fixture
def scene(database: Database) -> Scene:
    job = NewJob(name="x", handler="work", parallel_limit=1)
    job_id = creating.create_job(database, job, [NewTask()])
    with database.writing() as connection:
        keeping.declare_handlers(connection, {"work": keeping.Declared()})
        worker = keeping.NewWorker(host="here", pid=1, mark="m", handlers=["work"], lease=60)
        worker_id = keeping.register(connection, worker)
    ((task_id,),) = sql(database, "SELECT id FROM task")
    return Scene(database, job_id, task_id, worker_id)


@dataclass(frozen=True)
class Move:
    """Something that is done: what it makes of which statuses."""

    after: str
    before: frozenset[str]
    do: Callable[[Scene], None]


RUNS = frozenset({TaskStatus.IN_PROGRESS})
WAITS = frozenset({TaskStatus.SCHEDULED})
TASK_MOVES = {
    "claim": Move(TaskStatus.IN_PROGRESS, WAITS, Scene.claim),
    "record done": Move(TaskStatus.DONE, RUNS, lambda scene: scene.record(TaskStatus.DONE)),
    "record failed": Move(TaskStatus.FAILED, RUNS, lambda scene: scene.record(TaskStatus.FAILED)),
    "record cancelled": Move(
        TaskStatus.CANCELLED, RUNS, lambda scene: scene.record(TaskStatus.CANCELLED)
    ),
    "cancel": Move(TaskStatus.CANCELLED, WAITS, Scene.cancel),
    "hand back": Move(TaskStatus.SCHEDULED, RUNS, Scene.hand_back),
    "bury": Move(TaskStatus.SCHEDULED, RUNS, Scene.bury),
    "bury the third time": Move(TaskStatus.FAILED, RUNS, Scene.bury_again),
    "retire": Move(TaskStatus.SCHEDULED, RUNS, Scene.retire),
    "retry": Move(TaskStatus.SCHEDULED, TASK_FINAL, Scene.retry_task),
}


@pytest.mark.parametrize("before", TaskStatus)
@pytest.mark.parametrize("move", TASK_MOVES.values(), ids=list(TASK_MOVES))
def test_a_task_moves_as_the_table_says_and_no_other_way(
    scene: Scene, before: TaskStatus, move: Move
) -> None:
    scene.start()
    owner = scene.worker_id if before != TaskStatus.SCHEDULED else None
    sql(
        scene.database,
        "UPDATE task SET status = :before, worker_id = :owner, attempt = :attempt",
        before=before,
        owner=owner,
        attempt=int(before != TaskStatus.SCHEDULED),
    )
    if before == TaskStatus.IN_PROGRESS:  # by hand, too: what claims is what counts it
        sql(scene.database, "UPDATE job SET scheduled = 0, in_progress = 1")
    move.do(scene)
    assert scene.status == (move.after if before in move.before else before)
    counts = recounted(scene.database, scene.job_id)
    names = ", ".join(counts)
    assert sql(scene.database, f"SELECT {names} FROM job") == [tuple(counts.values())]


ACTIVE = frozenset({JobStatus.QUEUED, JobStatus.IN_PROGRESS})
IN_PROGRESS = frozenset({JobStatus.IN_PROGRESS})


def cancelled(then: Callable[[Scene], None]) -> Callable[[Scene], None]:
    """Let somebody have asked to cancel the job before this is done."""

    def do(scene: Scene) -> None:
        scene.ask_to_cancel()
        then(scene)

    return do


JOB_MOVES = {
    "start": (TaskStatus.SCHEDULED, Move("IN_PROGRESS", frozenset({"QUEUED"}), Scene.start)),
    "finish": (TaskStatus.DONE, Move("DONE", IN_PROGRESS, Scene.finish)),
    "finish with errors": (
        TaskStatus.FAILED, Move("DONE_WITH_ERRORS", IN_PROGRESS, Scene.finish),
    ),
    "finish of a cancelled one": (
        TaskStatus.DONE, Move("CANCELLED", IN_PROGRESS, cancelled(Scene.finish)),
    ),
    "start of a cancelled one": (
        TaskStatus.SCHEDULED, Move("QUEUED", frozenset(), cancelled(Scene.start)),
    ),
    "finish step": (TaskStatus.DONE, Move("DONE", IN_PROGRESS, Scene.end_step)),
    "finish step with errors": (
        TaskStatus.FAILED, Move("DONE_WITH_ERRORS", IN_PROGRESS, Scene.end_step),
    ),
    "finish step of a cancelled one": (
        TaskStatus.DONE, Move("IN_PROGRESS", frozenset(), cancelled(Scene.end_step)),
    ),
    "cancel": (TaskStatus.SCHEDULED, Move("CANCELLED", ACTIVE, Scene.cancel)),
    "cancel while it runs": (
        TaskStatus.IN_PROGRESS, Move("CANCELLED", frozenset(), Scene.cancel),
    ),
    "retry": (TaskStatus.DONE, Move("QUEUED", JOB_FINAL, Scene.retry)),
}  # fmt: skip


@pytest.mark.parametrize("before", JobStatus)
@pytest.mark.parametrize(("task", "move"), JOB_MOVES.values(), ids=list(JOB_MOVES))
def test_a_job_moves_as_the_table_says_and_no_other_way(
    scene: Scene, before: JobStatus, task: TaskStatus, move: Move
) -> None:
    sql(scene.database, "UPDATE task SET status = :task", task=task)
    sql(scene.database, "UPDATE job SET status = :before, started_at = '2001-01-01'", before=before)
    sql(scene.database, "UPDATE handler SET running = 0")
    move.do(scene)
    assert scene.job_status == (move.after if before in move.before else before)


def test_each_pair_of_the_tables_has_a_move_and_no_move_is_missing_there() -> None:
    moves = [move for _, move in JOB_MOVES.values()]
    assert pairs(moves) == entries(JOB_ENTERED_FROM)
    # A task is made SKIPPED, so far; it does not become it.
    skipped = {(TaskStatus.SCHEDULED, TaskStatus.SKIPPED)}
    assert pairs(TASK_MOVES.values()) == entries(TASK_ENTERED_FROM) - skipped


def test_only_a_retry_leaves_a_final_status() -> None:
    moves = TASK_MOVES | {name: move for name, (_, move) in JOB_MOVES.items()}
    leaving = {name for name, move in moves.items() if move.before & (JOB_FINAL | TASK_FINAL)}
    assert leaving == {"retry"}


def pairs(moves: Iterable[Move]) -> set[tuple[str, str]]:
    return {(before, move.after) for move in moves for before in move.before}


def entries(table: Mapping[Any, frozenset[Any]]) -> set[tuple[str, str]]:
    return {(before, after) for after, some in table.items() for before in some}


@pytest.mark.parametrize("task", [TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS])
def test_a_job_does_not_end_before_its_last_task(scene: Scene, task: TaskStatus) -> None:
    scene.start()
    sql(scene.database, "UPDATE task SET status = :task", task=task)
    scene.finish()
    assert scene.job_status == JobStatus.IN_PROGRESS


def test_a_job_that_is_to_be_cancelled_claims_nothing_and_ends_as_cancelled(scene: Scene) -> None:
    scene.start()
    scene.ask_to_cancel()
    scene.claim()
    assert scene.status == TaskStatus.SCHEDULED
    scene.finish()
    assert scene.job_status == JobStatus.IN_PROGRESS
    sql(scene.database, "UPDATE task SET status = 'DONE'")
    scene.finish()
    assert scene.job_status == JobStatus.CANCELLED


def test_every_status_is_final_or_active_and_in_the_tables() -> None:
    assert set(JobStatus) == JOB_FINAL | JOB_ACTIVE == set(JOB_ENTERED_FROM)
    assert set(TaskStatus) == TASK_FINAL | {TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS}
    assert set(TaskStatus) == set(TASK_ENTERED_FROM)


def test_a_dead_worker_can_neither_claim_nor_record(scene: Scene) -> None:
    scene.start()
    scene.retire()
    with pytest.raises(Exception, match="fenced"):
        scene.claim()
    with pytest.raises(recording.Fenced):
        scene.record(TaskStatus.DONE)
    assert scene.status == TaskStatus.SCHEDULED


def test_a_claim_takes_no_task_of_another_job_than_it_says(scene: Scene) -> None:
    """SQLite uses the id of a deleted task again, be it for a job that may not run."""
    held = NewJob(name="x", handler="work", held=True)
    other = creating.create_job(scene.database, held, [NewTask()])
    ((task_id,),) = sql(scene.database, "SELECT id FROM task WHERE job_id = :id", id=other)
    scene.order(Order(start=[(scene.job_id, 1)], tasks={scene.job_id: [task_id]}))
    counts = "SELECT status, scheduled, in_progress FROM job ORDER BY id"
    assert [tuple(row) for row in sql(scene.database, counts)] == [
        ("IN_PROGRESS", 1, 0),
        ("QUEUED", 1, 0),
    ]
    assert {status for (status,) in sql(scene.database, "SELECT status FROM task")} == {"SCHEDULED"}
