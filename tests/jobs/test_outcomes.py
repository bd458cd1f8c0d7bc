"""How a task ends: well with a result, or badly with its error and traceback (A7)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic.fields import FieldInfo

from app.jobs import Handler, JobStatus, Task, TaskStatus
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, ended, recounted, statuses


def job_of(engines: Engines, body: Any, tasks: int = 1) -> tuple[Any, int]:
    """An engine, and a job of these tasks that has ended."""
    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(tasks), "work")
    ended(engine, job_id)
    return engine, job_id


@pytest.mark.parametrize("result", [None, 0, "", "ä", [1, {"a": None}], {"b": 1.5}, True])
def test_what_a_handler_returns_is_kept(engines: Engines, result: object) -> None:
    engine, job_id = job_of(engines, lambda _: result)
    task = engine.task(job_id, 0)
    assert (task.status, task.result, task.error) == (TaskStatus.DONE, result, None)
    assert [each.status for each in task.attempts] == ["DONE"]
    assert task.attempts[0].worker.endswith(str(__import__("os").getpid()))


def test_a_task_that_fails_tells_why_and_where_and_the_others_go_on(engines: Engines) -> None:
    def body(task: Task) -> None:
        if task.index == 1:
            raise ValueError("the second one is bad")

    engine, job_id = job_of(engines, body, tasks=3)
    assert statuses(engine, job_id) == [TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.DONE]
    assert engine.job(job_id).status == JobStatus.DONE_WITH_ERRORS
    task = engine.task(job_id, 1)
    assert task.error == "ValueError: the second one is bad"
    (attempt,) = task.attempts
    assert (attempt.number, attempt.status, attempt.error) == (1, "FAILED", task.error)
    assert attempt.traceback.startswith("Traceback (most recent call last):\n  File")
    assert 'in body\n    raise ValueError("the second one is bad")' in attempt.traceback
    assert "executor.py" not in attempt.traceback


def test_all_failed_is_done_with_errors_at_100_percent(engines: Engines) -> None:
    engine, job_id = job_of(engines, lambda task: 1 / 0, tasks=5)
    job = engine.job(job_id)
    assert (job.status, job.progress, job.failed) == (JobStatus.DONE_WITH_ERRORS, 100, 5)
    assert job.counts == recounted(engine.database, job_id)


class Mute(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (Mute(), "Mute"),
        (ValueError("half \ud800, \0 and\nlines"), "ValueError: half \\ud800, \\0 and\nlines"),
        (ExceptionGroup("two", [ValueError(1), KeyError(2)]), "ExceptionGroup: two (2 sub-exc"),
        (RecursionError("deep"), "RecursionError: deep"),
    ],
)
def test_whatever_a_handler_raises_fails_its_task_only(
    engines: Engines, error: BaseException, said: str
) -> None:
    def body(task: Task) -> None:
        if task.index == 0:
            raise error

    engine, job_id = job_of(engines, body, tasks=9)
    assert statuses(engine, job_id) == [TaskStatus.FAILED] + [TaskStatus.DONE] * 8
    assert (engine.task(job_id, 0).error or "").startswith(said)


def test_a_traceback_that_cannot_be_made_is_said_to_be_so(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> list[str]:
        raise RuntimeError

    monkeypatch.setattr("traceback.format_exception", broken)
    engine, job_id = job_of(engines, lambda _: 1 / 0)
    assert engine.task(job_id, 0).attempts[0].traceback == (
        "ZeroDivisionError (its traceback cannot be shown)"
    )


def test_an_endless_error_is_kept_at_both_ends(engines: Engines) -> None:
    def body(_: Task) -> None:
        raise ValueError("a" + "x" * 100_000 + "z")

    engine, job_id = job_of(engines, body)
    error = engine.task(job_id, 0).error or ""
    assert len(error) < 20_100
    assert error.startswith("ValueError: ax")
    assert error.endswith("xz")
    assert "characters left out" in error


@pytest.mark.parametrize("result", [float("nan"), {1, 2}, object(), "\ud800", "x" * 300_000])
def test_a_result_that_cannot_be_kept_fails_the_task_with_a_sentence(
    engines: Engines, result: object
) -> None:
    engine, job_id = job_of(engines, lambda _: result)
    assert (engine.task(job_id, 0).error or "").startswith("ValueNotStorable: The result ")
    assert "Traceback" in (engine.task(job_id, 0).attempts[0].traceback or "")


def test_what_a_failing_task_wrote_before_is_kept(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.set_state_field("got", 1)
        task.log("before")
        raise ValueError("late")

    engine, job_id = job_of(engines, body)
    task = engine.task(job_id, 0)
    assert (task.status, task.state) == (TaskStatus.FAILED, {"got": 1})
    assert [line.message for line in task.log] == ["before"]


def test_params_that_do_not_fit_any_more_fail_the_task_with_a_sentence(engines: Engines) -> None:
    from pydantic import BaseModel

    class Params(BaseModel):
        needed: int

    engine = engines(Handler(name="work", run=lambda task: task.job.params.needed, params=Params))
    job_id = engine.start_new_job("x", None, blank(1), "work", params={"needed": 1}, delay=0.3)
    Params.model_fields["later"] = FieldInfo(annotation=str)  # as its next version would have it
    ended(engine, job_id)
    assert engine.task(job_id, 0).error == (
        "StoredParamsOutdated: The params of this job were stored by another version of its "
        "handler's code, and this one cannot read them (KeyError: 'later'). Run the job again, to "
        "enter them anew."
    )


def test_times_of_a_task_lie_in_order(engines: Engines) -> None:
    engine, job_id = job_of(engines, lambda _: None)
    job, task = engine.job(job_id), engine.task(job_id, 0)
    assert job.created_at <= job.started_at <= task.started_at <= task.finished_at
    assert task.finished_at <= job.finished_at


def test_a_handler_may_be_called_by_a_test_of_its_own() -> None:
    handler = Handler(name="work", run=lambda task: task)
    assert handler("anything") == "anything"  # type: ignore[arg-type]
