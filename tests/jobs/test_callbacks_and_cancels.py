"""No callback after a cancel, whenever in the finish step it comes (A11)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app.jobs import JobStatus
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.hooked import Hooked, nothing, over, run
from tests.jobs.looking import blank, running, sql, statuses


def test_none_is_called_after_a_cancel(engines: Engines, gate: threading.Event) -> None:
    handler = Hooked(nothing, nothing, run=lambda _: gate.wait(20))
    engine = engines(handler)
    job_id = engine.start_new_job("x", None, blank(2), "work")
    running(engine, job_id, 2)
    engine.cancel(job_id)
    gate.set()
    assert over(engine, job_id).status == JobStatus.CANCELLED
    queued = engine.start_new_job("x", None, blank(2), "work", auto_start=False)
    engine.cancel(queued)
    assert handler.called == []


@pytest.mark.parametrize("tasks", [0, 2, 6_000])
def test_a_job_cancelled_while_it_finishes_is_cancelled_when_the_callback_returns(
    engines: Engines, tasks: int
) -> None:
    heard: list[bool] = []

    def before(job: Any, _: int) -> None:
        heard.append(job.cancelled)
        answer = engine.cancel(job.id)
        heard.append(answer.is_cancelling)
        heard.append(job.cancelled)
        eventually(lambda: job._call.cancelled)  # it is told, without asking the database
        heard.append(job.cancelled)
        job.add_tasks(blank(tasks))

    handler = Hooked(before, nothing)
    engine = engines(handler)
    job = run(engine)
    assert (job.status, job.total, job.error) == (JobStatus.CANCELLED, 2, None)
    assert heard == [False, True, True, True]
    assert handler.called == ["before 1"]
    assert sql(engine.database, "SELECT count(*) FROM task") == [(2,)]


def test_a_cancelled_job_with_tasks_that_joined_while_it_finished_is_cancelled_with_them(
    engines: Engines,
) -> None:
    def before(job: Any, _: int) -> None:
        engine.add_new_tasks_to_existing_job(job.id, blank(2))
        engine.cancel(job.id)
        raise ValueError("bad, too")

    handler = Hooked(before, nothing)
    engine = engines(handler)
    job = run(engine)
    assert job.status == JobStatus.CANCELLED
    assert statuses(engine, job.id) == ["DONE", "DONE", "CANCELLED", "CANCELLED"]
    assert "ValueError: bad, too" in (job.error or "")
    assert handler.called == ["before 1"]


def test_a_step_that_is_claimed_when_its_job_is_cancelled_calls_nothing(engines: Engines) -> None:
    handler = Hooked(nothing, nothing)
    engine = engines(handler)
    assert engine._running
    finisher = engine._running._pool._executor._finisher
    finish = finisher.finish

    def late(step: Any) -> None:
        engine.cancel(step.job_id)
        finish(step)

    finisher.finish = late  # type: ignore[method-assign]
    assert run(engine).status == JobStatus.CANCELLED
    assert handler.called == []
