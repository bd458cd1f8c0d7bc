"""What may follow what: the tables of states.py against what the store really does (A2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from app.db import Database
from app.jobs.states import (
    JOB_ACTIVE,
    JOB_ENTERED_FROM,
    JOB_FINAL,
    TASK_ENTERED_FROM,
    TASK_FINAL,
    JobStatus,
    TaskStatus,
)
from app.jobs.store import claiming, creating, keeping, recording
from app.jobs.store.claiming import Order
from app.jobs.store.creating import NewJob, NewTask
from app.jobs.store.recording import TaskWrites
from tests.jobs.looking import recounted, sql


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
        self.order(Order(tasks=[(self.task_id, 1)]))

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


TASK_MOVES: dict[str, tuple[TaskStatus, Callable[[Scene], None]]] = {
    "claim": (TaskStatus.IN_PROGRESS, Scene.claim),
    "record done": (TaskStatus.DONE, lambda scene: scene.record(TaskStatus.DONE)),
    "record failed": (TaskStatus.FAILED, lambda scene: scene.record(TaskStatus.FAILED)),
    "record cancelled": (TaskStatus.CANCELLED, lambda scene: scene.record(TaskStatus.CANCELLED)),
    "hand back": (TaskStatus.SCHEDULED, Scene.hand_back),
    "bury": (TaskStatus.SCHEDULED, Scene.bury),
    "bury the third time": (TaskStatus.FAILED, Scene.bury_again),
    "retire": (TaskStatus.SCHEDULED, Scene.retire),
}


@pytest.mark.parametrize("before", TaskStatus)
@pytest.mark.parametrize("move", TASK_MOVES)
def test_a_task_moves_as_the_table_says_and_no_other_way(
    scene: Scene, before: TaskStatus, move: str
) -> None:
    after, do = TASK_MOVES[move]
    scene.start()
    owner = scene.worker_id if before != TaskStatus.SCHEDULED else None
    sql(
        scene.database,
        "UPDATE task SET status = :before, worker_id = :owner, attempt = :attempt",
        before=before,
        owner=owner,
        attempt=int(before != TaskStatus.SCHEDULED),
    )
    do(scene)
    # A task that waits is not recorded: SKIPPED and CANCELLED straight from there is for others.
    may = before in TASK_ENTERED_FROM[after] - (
        {TaskStatus.SCHEDULED} if "record" in move else set()
    )
    assert scene.status == (after if may else before)
    counts = recounted(scene.database, scene.job_id)
    names = ", ".join(counts)
    assert sql(scene.database, f"SELECT {names} FROM job") == [tuple(counts.values())]


JOB_MOVES: dict[str, tuple[JobStatus, TaskStatus, Callable[[Scene], None]]] = {
    "start": (JobStatus.IN_PROGRESS, TaskStatus.SCHEDULED, Scene.start),
    "finish": (JobStatus.DONE, TaskStatus.DONE, Scene.finish),
    "finish with errors": (JobStatus.DONE_WITH_ERRORS, TaskStatus.FAILED, Scene.finish),
}


@pytest.mark.parametrize("before", JobStatus)
@pytest.mark.parametrize("move", JOB_MOVES)
def test_a_job_moves_as_the_table_says_and_no_other_way(
    scene: Scene, before: JobStatus, move: str
) -> None:
    after, task, do = JOB_MOVES[move]
    sql(scene.database, "UPDATE task SET status = :task", task=task)
    sql(scene.database, "UPDATE job SET status = :before", before=before)
    sql(scene.database, "UPDATE handler SET running = 0")
    do(scene)
    assert scene.job_status == (after if before in JOB_ENTERED_FROM[after] else before)


@pytest.mark.parametrize("task", [TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS])
def test_a_job_does_not_end_before_its_last_task(scene: Scene, task: TaskStatus) -> None:
    scene.start()
    sql(scene.database, "UPDATE task SET status = :task", task=task)
    scene.finish()
    assert scene.job_status == JobStatus.IN_PROGRESS


def test_a_job_that_is_to_be_cancelled_neither_ends_well_nor_claims(scene: Scene) -> None:
    scene.start()
    sql(scene.database, "UPDATE job SET cancel_requested_at = '2026-01-01T00:00:00.000000Z'")
    scene.claim()
    assert scene.status == TaskStatus.SCHEDULED
    sql(scene.database, "UPDATE task SET status = 'DONE'")
    scene.finish()
    assert scene.job_status == JobStatus.IN_PROGRESS


def test_nothing_leaves_a_final_status() -> None:
    for entered in (JOB_ENTERED_FROM, TASK_ENTERED_FROM):
        left = {str(before) for some in entered.values() for before in some}
        assert not left & {str(each) for each in JOB_FINAL | TASK_FINAL}


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
