"""Tasks that leave a job before they begin (A10)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app.jobs import Engine, Handler, JobStatus
from app.jobs.errors import JobEnded, JobNotFound, TaskBegun, TaskNotFound
from app.jobs.store import adding
from app.jobs.store.adding import Adder
from app.jobs.store.creating import NewTask
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, recounted, sql

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}
WORK = Handler(name="work", run=lambda task: task.index, **FREE)


def indexes(engine: Engine, job_id: int) -> list[int]:
    return [task.index for task in engine.tasks(job_id, limit=99)]


def test_they_are_gone_and_the_others_keep_their_places(engines: Engines) -> None:
    engine = engines(WORK)
    job_id = engine.start_new_job("x", None, blank(6), "work", auto_start=False)
    engine.delete_tasks_from_existing_job(job_id, [1, 4, 1])
    job = engine.job(job_id)
    assert (job.total, job.scheduled, job.waiting, job.end_index) == (4, 4, 0, 6)
    assert indexes(engine, job_id) == [0, 2, 3, 5]
    engine.start_queued_jobs("work")
    job = done(engine, job_id)
    # Each of the others has run, also the last.
    assert [task.result for task in engine.tasks(job_id, limit=9)] == [0, 2, 3, 5]
    assert (job.progress, job.counts) == (100, recounted(engine.database, job_id))


def test_pages_by_offset_have_no_holes(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(6), "work")
    engine.delete_tasks_from_existing_job(job_id, [1, 4])
    found = [engine.get_job_tasks(job_id, 2, offset, ["index"]) for offset in (0, 2, 4)]
    assert found == [[{"index": 0}, {"index": 2}], [{"index": 3}, {"index": 5}], []]
    assert [task.index for task in engine.tasks_by_offset(job_id, offset=1, limit=2)] == [2, 3]


def test_a_new_one_gets_a_place_of_its_own(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work")
    engine.delete_tasks_from_existing_job(job_id, [2])
    assert engine.add_new_tasks_to_existing_job(job_id, blank(1)) == [3]
    assert indexes(engine, job_id) == [0, 1, 3]


def test_a_job_that_runs_ends_without_them(engines: Engines, gate: threading.Event) -> None:
    engine = engines(Handler(name="work", run=lambda _: gate.wait(20), parallel_limit=1))
    job_id = engine.start_new_job("x", None, blank(3), "work")
    eventually(lambda: engine.job(job_id).in_progress == 1)
    engine.delete_tasks_from_existing_job(job_id, {1, 2})
    gate.set()
    assert (done(engine, job_id).total, engine.job(job_id).progress) == (1, 100)


def test_a_job_of_which_all_are_deleted_is_done(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work")
    engine.delete_tasks_from_existing_job(job_id, range(3))
    engine.run()
    job = done(engine, job_id)
    assert (job.status, job.total, job.progress) == (JobStatus.DONE, 0, 100)


def test_one_that_has_begun_stays_and_so_do_all(engines: Engines, gate: threading.Event) -> None:
    engine = engines(Handler(name="work", run=lambda _: gate.wait(20), parallel_limit=1))
    tasks = [*blank(3), {"state": {}, "skip": True}]
    job_id = engine.start_new_job("x", None, tasks, "work")
    eventually(lambda: engine.job(job_id).in_progress == 1)
    before = engine.job(job_id)
    with pytest.raises(TaskBegun, match=r"have begun or ended: 0, 3\. Nothing was deleted"):
        engine.delete_tasks_from_existing_job(job_id, [3, 2, 0])
    assert engine.job(job_id) == before


def test_many_that_have_begun_are_not_all_named(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, [{"state": {}, "skip": True}] * 12, "work")
    with pytest.raises(TaskBegun, match=r": 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …\."):
        engine.delete_tasks_from_existing_job(job_id, range(12))


def test_one_that_is_not_there_is_named_and_all_stay(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work")
    adding.add_hidden(engine.database, Adder(job_id=job_id), [NewTask()])
    for index in (3, -1):
        with pytest.raises(TaskNotFound, match=rf"Job 1 has no task {index}\."):
            engine.delete_tasks_from_existing_job(job_id, [0, index])
    with pytest.raises(JobNotFound):
        engine.delete_tasks_from_existing_job(77, [0])
    assert indexes(engine, job_id) == [0, 1, 2]


def test_a_job_that_has_ended_keeps_its_tasks(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work")
    engine.cancel(job_id)
    with pytest.raises(JobEnded, match=r"\(CANCELLED\); it cannot be changed"):
        engine.delete_tasks_from_existing_job(job_id, [0])


def test_one_that_is_claimed_meanwhile_is_never_deleted(engines: Engines) -> None:
    engine = engines(WORK)
    for _ in range(20):
        job_id = engine.start_new_job("x", None, blank(30), "work")
        try:
            engine.delete_tasks_from_existing_job(job_id, range(10, 30))
        except (TaskBegun, JobEnded):
            assert done(engine, job_id).done == 30
        else:
            assert done(engine, job_id).done == 10
        assert engine.job(job_id).counts == recounted(engine.database, job_id)


def test_who_watches_hears_of_it(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work")
    version, heard = engine.job(job_id).version, list[int]()
    with engine.bus.watching(heard.extend):
        engine.delete_tasks_from_existing_job(job_id, [0])
    assert heard == [job_id]
    assert engine.job(job_id).version > version
    assert sql(engine.database, "SELECT count(*) FROM task") == [(2,)]
