"""A callback that raises is told on its job, and never leaves it hanging (A11)."""

from __future__ import annotations

from typing import Any

import pytest

from app.jobs import Handler, JobStatus
from tests.jobs.conftest import Engines
from tests.jobs.hooked import Hooked, Params, nothing, over, run
from tests.jobs.looking import blank, done, sql


class Mute(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("error", [ValueError("no\0 good"), SystemExit(3), Mute()], ids=type)
def test_one_that_raises_before_is_recorded_and_the_job_ends_with_errors(
    engines: Engines, error: BaseException
) -> None:
    def before(job: Any, _: int) -> None:
        job.add_tasks(blank(3))  # which are not added by one that fails
        raise error

    handler = Hooked(before, nothing)
    job = run(engines(handler))
    assert (job.status, job.total) == (JobStatus.DONE_WITH_ERRORS, 2)
    said = f"before_job_finish failed: {type(error).__name__}"
    assert (job.error or "").startswith(said)
    assert f"({__file__}, line " in (job.error or "")
    assert handler.called == ["before 1", "after"]


def test_one_that_raises_after_the_end_is_recorded_and_the_job_has_ended(engines: Engines) -> None:
    job = run(engines(Hooked(after=lambda _: 1 / 0)))
    assert job.status == JobStatus.DONE
    assert (job.error or "").startswith("on_all_tasks_done failed: ZeroDivisionError: division")


def test_when_both_raise_both_are_recorded(engines: Engines) -> None:
    job = run(engines(Hooked(lambda *_: 1 / 0, lambda job: job.state["x"])))
    first, second = (job.error or "").splitlines()
    assert first.startswith("before_job_finish failed: ZeroDivisionError")
    assert second.startswith("on_all_tasks_done failed: KeyError: 'x'")
    assert job.status == JobStatus.DONE_WITH_ERRORS


def test_what_it_raises_tells_no_secret(engines: Engines) -> None:
    def before(job: Any, _: int) -> None:
        raise ValueError(f"cannot sign in with {job.params.token.get_secret_value()}")

    engine = engines(Hooked(before, params=Params))
    job = over(engine, engine.start("work", {"word": "x", "token": "hush-token"}))
    assert "cannot sign in with ••••••" in (job.error or "")
    assert "hush" not in repr(sql(engine.database, "SELECT error FROM job"))


def test_tasks_that_others_add_meanwhile_wait_for_its_end_and_run_then(engines: Engines) -> None:
    ran: list[int] = []

    def before(job: Any, attempt: int) -> None:
        if attempt == 1:
            engine.add_new_tasks_to_existing_job(job.id, blank(3))
            other = engine.start_new_job("other", None, [], "other")
            done(engine, other)  # so the scheduler has looked
            assert len(ran) == 2

    handler = Hooked(before, nothing, run=lambda task: ran.append(task.index))
    engine = engines(handler, Handler(name="other", run=nothing))
    assert run(engine).done == 5
    assert handler.called == ["before 1", "before 2", "after"]


def test_one_that_raises_while_others_add_tasks_is_recorded_when_those_have_ended(
    engines: Engines,
) -> None:
    def before(job: Any, _: int) -> None:
        if job.counts["total"] == 2:
            engine.add_new_tasks_to_existing_job(job.id, blank(1))
            raise ValueError("bad")

    handler = Hooked(before, nothing)
    engine = engines(handler)
    job = run(engine)
    assert (job.status, job.done) == (JobStatus.DONE_WITH_ERRORS, 3)
    assert "ValueError: bad" in (job.error or "")
    assert handler.called == ["before 1", "before 1", "after"]
