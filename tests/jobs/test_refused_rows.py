"""A row that the database refuses fails its own task, and no other one waits for it."""

from __future__ import annotations

from typing import Any

import pytest

from app.jobs import Handler, JobStatus, Task, TaskStatus
from app.jobs.errors import ValueNotStorable
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.locking import refuse, refuse_no_more
from tests.jobs.looking import blank, ended, recounted, statuses

pytestmark = pytest.mark.conformance

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}


def add(state: dict[str, Any]) -> None:
    state["sum"] = state.get("sum", 0) + 1


REFUSED = "What this task wanted to store was refused: no such thing here"


def test_the_others_of_its_group_are_stored(engines: Engines) -> None:
    def body(task: Task) -> str:
        task.set_state_field("n", task.index)
        return "bad" if task.index in (7, 11) else "good"

    engine = engines(Handler(name="work", run=body, **FREE), runs=False)
    refuse(engine.database, "NEW.result = '\"bad\"'")
    job_id = engine.start_new_job("x", None, blank(60), "work")
    engine.run()
    job = ended(engine, job_id)
    assert (job.status, job.done, job.failed) == (JobStatus.DONE_WITH_ERRORS, 58, 2)
    assert job.counts == recounted(engine.database, job_id)
    for index in (7, 11):
        assert engine.task(job_id, index).error == REFUSED
        assert [each.status for each in engine.task(job_id, index).attempts] == ["FAILED"]
    assert engine.task(job_id, 8).state == {"n": 8}


def test_the_sum_of_the_others_is_exact_and_without_the_one_that_failed(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.set_state_field("marked", task.index)
        task.job.update_fields_atomically(add)
        task.job.set_state_field(f"by {task.index}", True)

    engine = engines(Handler(name="work", run=body, **FREE), threads=10, runs=False)
    refuse(engine.database, "NEW.state LIKE '%13%'")
    job_id = engine.start_new_job("x", None, blank(60), "work")
    engine.run()
    job = ended(engine, job_id)
    assert statuses(engine, job_id).count(TaskStatus.DONE) == 59
    assert job.state == {"sum": 59} | {f"by {n}": True for n in range(60) if n != 13}
    assert engine.task(job_id, 13).state == {}


def test_a_task_that_still_runs_hears_that_it_has_failed(engines: Engines) -> None:
    heard: list[str] = []

    def body(task: Task) -> str:
        task.set_state_field("bad", 1)
        for call in (task.flush, lambda: task.log("more"), task.flush):
            with pytest.raises(ValueNotStorable, match="no such thing here"):
                call()
            heard.append("failed")
        return "well"

    engine = engines(Handler(name="work", run=body), runs=False)
    refuse(engine.database, "NEW.state LIKE '%bad%'")
    job_id = engine.start_new_job("x", None, blank(1), "work")
    engine.run()
    ended(engine, job_id)
    eventually(lambda: heard == ["failed"] * 3)
    assert (engine.task(job_id, 0).status, engine.task(job_id, 0).error) == ("FAILED", REFUSED)


def test_a_refused_line_of_a_log_fails_its_task(engines: Engines) -> None:
    engine = engines(
        Handler(name="work", run=lambda task: task.log("bad" * task.index)), runs=False
    )
    refuse(engine.database, "NEW.message = 'bad'", "log_line", "INSERT")
    job_id = engine.start_new_job("x", None, blank(3), "work")
    engine.run()
    ended(engine, job_id)
    assert statuses(engine, job_id) == ["DONE", "FAILED", "DONE"]


def test_a_refused_state_of_a_job_fails_those_who_changed_it(engines: Engines) -> None:
    def body(task: Task) -> None:
        if task.index == 1:
            task.job.update_fields_atomically(lambda state: state.update(bad=1))

    engine = engines(Handler(name="work", run=body), runs=False)
    refuse(engine.database, "NEW.state LIKE '%bad%'", "job")
    job_id = engine.start_new_job("x", None, blank(3), "work", {"sum": 7})
    engine.run()
    job = ended(engine, job_id)
    assert statuses(engine, job_id) == ["DONE", "FAILED", "DONE"]
    assert "no such thing here" in (engine.task(job_id, 1).error or "")
    assert job.state == {"sum": 7}


def test_a_task_whose_failure_is_refused_too_stays_and_stops_nobody(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None, **FREE), runs=False)
    refuse(engine.database, "NEW.idx = 3 AND NEW.status IN ('DONE', 'FAILED')")
    job_id = engine.start_new_job("x", None, blank(9), "work")
    engine.run()
    eventually(lambda: statuses(engine, job_id).count(TaskStatus.DONE) == 8)
    assert engine.task(job_id, 3).status == TaskStatus.IN_PROGRESS
    ended(engine, engine.start_new_job("y", None, blank(2), "work"))
    refuse_no_more(engine.database)
    engine.stop()
    engine.run()
    assert ended(engine, job_id).done == 9
