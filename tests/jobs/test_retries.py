"""A task that fails is tried again, after a pause, as often as its handler or its job says (B4)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app.jobs import Engine, Handler, JobStatus, Task, TaskStatus
from app.jobs.models import READY
from app.jobs.store import retrying
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.hooked import Hooked, nothing
from tests.jobs.looking import (
    blank,
    come_due,
    done,
    ended,
    recounted,
    sql,
    statuses,
    waiting,
)

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}
#: Longer than any test.
LATER: dict[str, Any] = {"retries": 5, "retry_delay": 600, **FREE}


def until_third(task: Task) -> int:
    """Go well at the third try."""
    task.set_state_field("tries", task.attempt)
    if task.attempt < 3:
        raise ValueError(f"not at try {task.attempt}")
    return task.attempt


def even_ones(task: Task) -> int:
    """Fail at the first try of every odd task."""
    if task.index % 2 and task.attempt == 1:
        raise ValueError("odd")
    return task.attempt


def half_waiting(
    engines: Engines, tasks: int = 4, threads: int = 4, **more: Any
) -> tuple[Engine, int]:
    """An engine, and a job of which every odd task has failed and waits for its next try."""
    handler = Handler(name="work", **{"run": even_ones, **LATER, **more})
    engine = engines(handler, threads=threads)
    job_id = engine.start_new_job("x", None, blank(tasks), "work")
    waiting(engine, job_id, tasks // 2)
    eventually(lambda: engine.job(job_id).done == tasks - tasks // 2)
    return engine, job_id


def test_it_is_tried_again_until_it_goes_well(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=until_third, retries=2, retry_delay=0.01))
    job_id = engine.start_new_job("x", None, blank(3), "work")
    job = done(engine, job_id)
    assert [task.result for task in engine.tasks(job_id, limit=9)] == [3, 3, 3]
    assert [task.error for task in engine.tasks(job_id, limit=9)] == [None] * 3
    assert job.counts == recounted(engine.database, job_id)
    assert (job.waiting, job.failed) == (0, 0)


def test_every_attempt_is_kept_whole(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=until_third, retries=2, retry_delay=0.01))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    done(engine, job_id)
    third, second, first = engine.task(job_id, 0).attempts
    assert [each.number for each in (first, second, third)] == [1, 2, 3]
    assert [each.status for each in (first, second, third)] == ["FAILED", "FAILED", "DONE"]
    assert (first.error, second.error) == (
        "ValueError: not at try 1",
        "ValueError: not at try 2",
    )
    assert "in until_third" in (first.traceback or "")
    assert first.worker == third.worker
    assert first.worker
    assert first.started_at
    assert first.finished_at
    assert second.started_at
    assert first.started_at <= first.finished_at < second.started_at


def test_when_no_retry_is_left_it_has_failed(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=until_third, retries=1, retry_delay=0))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert ended(engine, job_id).status == JobStatus.DONE_WITH_ERRORS
    task = engine.task(job_id, 0)
    assert (task.status, task.error) == (TaskStatus.FAILED, "ValueError: not at try 2")
    assert (task.attempt, task.retries, task.run_after) == (2, 1, None)


def test_what_is_not_named_fails_at_once(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=until_third, retries=9, retry_on=(OSError,)))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    ended(engine, job_id)
    assert engine.task(job_id, 0).error == "ValueError: not at try 1"


@pytest.mark.parametrize(("own", "tries"), [(0, 1), (1, 2), (2, 3)])
def test_a_job_may_have_its_own_number_of_retries(engines: Engines, own: int, tries: int) -> None:
    engine = engines(Handler(name="work", run=until_third, retries=1, retry_delay=0))
    job_id = engine.start("work", retries=own)
    ended(engine, job_id)
    assert engine.task(job_id, 0).attempt == tries


def test_while_it_waits_its_error_shows_and_the_job_goes_on(engines: Engines) -> None:
    engine, job_id = half_waiting(engines)
    job = engine.job(job_id)
    assert (job.status, job.progress, job.scheduled) == (JobStatus.IN_PROGRESS, 50, 2)
    assert job.counts == recounted(engine.database, job_id)
    task = engine.task(job_id, 1)
    assert (task.status, task.error, task.retries) == ("SCHEDULED", "ValueError: odd", 1)
    assert (task.started_at, task.finished_at, task.result) == (None, None, None)
    (attempt,) = task.attempts
    assert task.run_after
    assert attempt.finished_at
    pause = task.run_after - attempt.finished_at
    assert 600 <= pause.total_seconds() <= 751


def test_it_runs_when_its_time_has_come_and_the_others_wait_on(engines: Engines) -> None:
    engine, job_id = half_waiting(engines)
    come_due(engine, 1)
    eventually(lambda: engine.job(job_id).done == 3)
    assert statuses(engine, job_id) == ["DONE", "DONE", "DONE", "SCHEDULED"]
    come_due(engine)
    assert done(engine, job_id).waiting == 0


def test_more_may_be_due_than_are_let_go_at_once(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "CHUNK", 2)
    engine, job_id = half_waiting(engines, tasks=14)
    come_due(engine)
    job = done(engine, job_id)
    assert job.counts == recounted(engine.database, job_id)


def test_it_is_the_scheduler_that_wakes_for_it_not_its_poll(engines: Engines) -> None:
    handler = Handler(name="work", run=until_third, retries=2, retry_delay=0.01)
    engine = engines(handler, poll_seconds=60)
    done(engine, engine.start_new_job("x", None, blank(1), "work"), within=10)


def test_what_waits_takes_no_place_from_others(engines: Engines) -> None:
    engine, job_id = half_waiting(engines, tasks=40, threads=1, parallel_limit=1)
    engine.add_new_tasks_to_existing_job(job_id, blank(1))
    eventually(lambda: engine.job(job_id).done == 21)
    done(engine, engine.start_new_job("y", None, blank(1), "work"))


@pytest.mark.about_sqlite("PostgreSQL has the same index; MariaDB has none of some jobs")
def test_jobs_that_only_wait_for_it_are_not_looked_at(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=until_third, **LATER))
    job_id = engine.start_new_job("x", None, blank(2), "work")
    waiting(engine, job_id, 2)
    looked_at = f"SELECT id FROM job INDEXED BY ix_job_ready WHERE {READY}"
    assert sql(engine.database, looked_at) == []
    come_due(engine)
    eventually(lambda: sql(engine.database, "SELECT id FROM task WHERE attempt = 2"))


def test_it_is_listed_among_those_scheduled(engines: Engines, gate: threading.Event) -> None:
    begun = threading.Event()

    def body(task: Task) -> None:
        if task.index in (0, 3):
            raise ValueError
        begun.set()
        assert gate.wait(20)

    engine = engines(Handler(name="work", run=body, **LATER | {"parallel_limit": 1}))
    job_id = engine.start_new_job("x", None, blank(6), "work")
    assert begun.wait(20)
    engine.add_new_tasks_to_existing_job(job_id, blank(1))
    waiting(engine, job_id, 1)
    listed = engine.tasks(job_id, status="SCHEDULED", limit=9)
    assert [task.index for task in listed] == [0, 2, 3, 4, 5, 6]
    backwards = engine.tasks(job_id, status="SCHEDULED", limit=2, before=4)
    assert [task.index for task in backwards] == [2, 3]
    some = engine.tasks_by_offset(job_id, status="SCHEDULED", offset=1, limit=3)
    assert [task.index for task in some] == [2, 3, 4]


def test_one_that_is_not_due_is_not_let_go(engines: Engines) -> None:
    engine, job_id = half_waiting(engines)
    ids = [task.id for task in engine.tasks(job_id, limit=9)]
    retrying._let_go(engine.database, ids)
    assert retrying.let_due_go(engine.database) == set()
    assert engine.job(job_id).waiting == 2


def test_another_process_goes_on_with_what_waits(engines: Engines) -> None:
    engine, job_id = half_waiting(engines)
    engine.stop()
    assert engine.job(job_id).waiting == 2
    other = engines(Handler(name="work", run=even_ones, **LATER))
    come_due(engine)
    done(other, job_id)


def test_deleted_ones_are_counted_no_more(engines: Engines) -> None:
    engine, job_id = half_waiting(engines)
    engine.delete_tasks_from_existing_job(job_id, [3])
    job = engine.job(job_id)
    assert (job.total, job.scheduled, job.waiting) == (3, 1, 1)
    come_due(engine)
    assert done(engine, job_id).counts == recounted(engine.database, job_id)


def test_a_job_finishes_when_the_last_retry_is_over(engines: Engines) -> None:
    handler = Hooked(nothing, nothing, run=even_ones, **LATER)
    engine = engines(handler)
    job_id = engine.start_new_job("x", None, blank(2), "work")
    waiting(engine, job_id, 1)
    assert handler.called == []
    come_due(engine)
    done(engine, job_id)
    eventually(lambda: handler.called == ["before 1", "after"])


def test_one_tried_again_by_a_person_has_all_its_retries_again(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=fails, retries=1, retry_delay=0))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    ended(engine, job_id)
    engine.retry(job_id)
    ended(engine, job_id)
    task = engine.task(job_id, 0)
    assert (task.attempt, task.retries) == (4, 1)
    assert [each.number for each in task.attempts] == [4, 3, 2, 1]


def fails(_: Task) -> None:
    """Fail always."""
    raise ValueError("always")
