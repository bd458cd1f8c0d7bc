"""Trying a job again that has ended: the failed tasks, all, or chosen ones (P7)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from app.jobs import Engine, Handler, JobStatus, Task
from app.jobs.errors import InvalidParams, JobNotEnded, JobNotFound, NothingToRetry, TaskNotFound
from app.jobs.store import reopening
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.hooked import Hooked, nothing, over
from tests.jobs.looking import blank, done, ended, recounted, running, statuses

pytestmark = pytest.mark.conformance

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}


def fails_once(task: Task) -> int:
    """Fail at the first try of every third task."""
    task.set_state_field("tries", task.get_state_field("tries", 0) + 1)
    if task.index % 3 == 0 and task.attempt == 1:
        raise ValueError("not yet")
    return task.attempt


def failed_job(engines: Engines, tasks: int = 6, **more: Any) -> tuple[Engine, int]:
    """An engine, and a job of which every third task has failed."""
    engine = engines(Handler(name="work", **{"run": fails_once, **FREE, **more}))
    job_id = engine.start_new_job("x", None, blank(tasks), "work")
    assert ended(engine, job_id).status == JobStatus.DONE_WITH_ERRORS
    return engine, job_id


def results(engine: Engine, job_id: int) -> list[Any]:
    return [task.result for task in engine.tasks(job_id, limit=99)]


def test_only_the_failed_ones_run_again_and_the_job_is_done(engines: Engines) -> None:
    engine, job_id = failed_job(engines)
    job = engine.retry(job_id)
    assert (job.status in ("QUEUED", "IN_PROGRESS", "DONE"), job.total) == (True, 6)
    job = done(engine, job_id)
    assert results(engine, job_id) == [2, 1, 1, 2, 1, 1]
    assert job.counts == recounted(engine.database, job_id)
    assert (job.progress, job.error) == (100, None)


def test_it_is_as_if_it_had_not_ended(engines: Engines) -> None:
    engine, job_id = failed_job(engines)
    engine.begin_stop()
    job = engine.retry(job_id)
    assert (job.status, job.progress, job.is_final) == (JobStatus.QUEUED, 66, False)
    assert (job.started_at, job.finished_at) == (None, None)
    assert statuses(engine, job_id) == ["SCHEDULED", "DONE", "DONE"] * 2
    task = engine.task(job_id, 0)
    assert (task.error, task.result, task.started_at, task.finished_at) == (None,) * 4
    assert (task.state, task.attempt) == ({"tries": 1}, 1)


def test_attempts_are_kept_and_states_too(engines: Engines) -> None:
    engine, job_id = failed_job(engines)
    engine.retry(job_id)
    done(engine, job_id)
    second, first = engine.task(job_id, 0).attempts
    assert (first.number, first.status, first.error) == (1, "FAILED", "ValueError: not yet")
    assert "in fails_once" in (first.traceback or "")
    assert (second.number, second.status, second.error) == (2, "DONE", None)
    assert engine.task(job_id, 0).state == {"tries": 2}


def test_all_run_again_and_those_that_went_well_keep_their_attempts_too(engines: Engines) -> None:
    engine, job_id = failed_job(engines)
    before = engine.task(job_id, 1)
    engine.retry(job_id, "all")
    done(engine, job_id)
    assert results(engine, job_id) == [2] * 6
    second, first = engine.task(job_id, 1).attempts
    assert (first.number, first.status) == (1, "DONE")
    assert (first.started_at, first.finished_at) == (before.started_at, before.finished_at)
    assert first.worker == second.worker
    engine.retry(job_id, "all")
    done(engine, job_id)
    assert [each.number for each in engine.task(job_id, 1).attempts] == [3, 2, 1]


def test_chosen_ones_run_again_whatever_became_of_them(engines: Engines) -> None:
    engine, job_id = failed_job(engines)
    engine.retry(job_id, [4, 0, 4])
    job = ended(engine, job_id)
    assert results(engine, job_id) == [2, 1, 1, None, 2, 1]
    # One that failed is left as it was.
    assert job.status == JobStatus.DONE_WITH_ERRORS
    assert job.counts == recounted(engine.database, job_id)


def test_a_skipped_one_runs_only_if_it_is_chosen(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda task: task.attempt, **FREE))
    tasks = [*blank(2), {"state": {}, "skip": True}]
    job_id = engine.start_new_job("x", None, tasks, "work")
    done(engine, job_id)
    engine.retry(job_id, "all")
    done(engine, job_id)
    assert statuses(engine, job_id) == ["DONE", "DONE", "SKIPPED"]
    engine.retry(job_id, [2])
    done(engine, job_id)
    assert results(engine, job_id) == [2, 2, 1]


def cancelled_job(engines: Engines) -> tuple[Engine, int]:
    """A job of which one task failed, one was stopped while it ran, and three never began."""

    begun = threading.Event()

    def body(task: Task) -> int:
        if task.attempt == 1 and task.index == 0:
            raise ValueError("not yet")
        if task.attempt == 1 and task.index == 1:
            begun.set()
            task.sleep(60)
        return task.attempt

    engine = engines(Handler(name="work", run=body, parallel_limit=1))
    job_id = engine.start_new_job("x", None, blank(5), "work")
    assert begun.wait(20)
    engine.cancel(job_id)
    assert ended(engine, job_id).counts["cancelled"] == 4
    return engine, job_id


def test_unfinished_ones_are_those_that_failed_or_were_cancelled(engines: Engines) -> None:
    engine, job_id = cancelled_job(engines)
    assert engine.job(job_id).unfinished == 5
    job = engine.retry(job_id, "unfinished")
    assert (job.is_cancelling, job.cancel_requested_at) == (False, None)
    done(engine, job_id)
    # Those that were cancelled before they began are at their first try.
    assert results(engine, job_id) == [2, 2, 1, 1, 1]
    assert [each.status for each in engine.task(job_id, 1).attempts] == ["DONE", "CANCELLED"]


def test_the_failed_one_of_a_cancelled_job_may_be_tried_again_alone(engines: Engines) -> None:
    engine, job_id = cancelled_job(engines)
    engine.retry(job_id, "failed")
    job = ended(engine, job_id)
    assert statuses(engine, job_id) == ["DONE"] + ["CANCELLED"] * 4
    # Nobody cancelled this run, but not all of its tasks are done.
    assert job.status == JobStatus.DONE_WITH_ERRORS


def test_a_job_tried_again_can_be_cancelled_again(engines: Engines) -> None:
    engine, job_id = failed_job(engines)
    engine.begin_stop()
    engine.retry(job_id, "all")
    job = engine.cancel(job_id)
    assert (job.status, job.cancelled) == (JobStatus.CANCELLED, 6)
    assert [each.status for each in engine.task(job_id, 0).attempts] == ["FAILED"]
    assert [each.status for each in engine.task(job_id, 1).attempts] == ["DONE"]


def test_callbacks_are_called_again_from_the_first_attempt(engines: Engines) -> None:
    def before(job: Any, attempt: int) -> None:
        if attempt == 1:
            job.add_tasks(blank(1))

    handler = Hooked(before, nothing)
    engine = engines(handler)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    over(engine, job_id)
    engine.retry(job_id, [0])
    eventually(lambda: handler.called.count("after") == 2)
    assert over(engine, job_id).total == 3
    assert handler.called == ["before 1", "before 2", "after"] * 2


def test_the_error_of_a_callback_is_forgotten(engines: Engines) -> None:
    handler = Hooked(lambda *_: 1 / (len(handler.called) - 1))
    engine = engines(handler)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert "ZeroDivisionError" in (over(engine, job_id).error or "")
    engine.retry(job_id, "all")
    assert done(engine, job_id).error is None


def test_a_job_that_has_not_ended_cannot_be_tried_again(
    engines: Engines, gate: threading.Event
) -> None:
    engine = engines(Handler(name="work", run=lambda _: gate.wait(20)), runs=False)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    with pytest.raises(JobNotEnded, match="cannot be tried again"):
        engine.retry(job_id, "all")
    engine.run()
    running(engine, job_id, 1)
    engine.cancel(job_id)
    before = engine.job(job_id)
    with pytest.raises(JobNotEnded, match="Wait for its end, or cancel it first"):
        engine.retry(job_id, "all")
    assert engine.job(job_id) == before


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ("failed", "No task of job 1 failed, so there is nothing to try again."),
        ("unfinished", "No task of job 1 failed or was cancelled, so there"),
        ([], "No task of job 1 was chosen, so there is nothing to try again."),
    ],
)
def test_there_must_be_something_to_try_again(
    engines: Engines, tasks: str | Sequence[int], said: str
) -> None:
    engine = engines(Handler(name="work", run=lambda _: None))
    job_id = engine.start_new_job("x", None, blank(2), "work")
    before = done(engine, job_id)
    with pytest.raises(NothingToRetry, match=said):
        engine.retry(job_id, tasks)
    assert engine.job(job_id) == before


def test_a_job_without_tasks_has_nothing_that_has_run(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None))
    job_id = engine.start_new_job("x", None, [], "work")
    done(engine, job_id)
    with pytest.raises(NothingToRetry, match="No task of job 1 has run, so there"):
        engine.retry(job_id, "all")


@pytest.mark.parametrize("index", [6, -1, 2**40])
def test_one_that_is_not_there_is_named_and_nothing_runs_again(
    engines: Engines, index: int
) -> None:
    engine, job_id = failed_job(engines)
    before = engine.job(job_id)
    with pytest.raises(TaskNotFound, match=rf"no task {index}\."):
        engine.retry(job_id, [0, index])
    assert engine.job(job_id) == before
    with pytest.raises(JobNotFound):
        engine.retry(77)


def test_two_who_ask_at_once_try_it_again_once(engines: Engines) -> None:
    engine, job_id = failed_job(engines)
    engine.begin_stop()
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(engine.retry(job_id).status)
        except JobNotEnded:
            answers.append("refused")

    both = [threading.Thread(target=ask) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert sorted(map(str, answers)) == ["QUEUED", "refused"]


@pytest.mark.parametrize("tasks", ["failed", "unfinished", "all", list(range(0, 45, 3))])
def test_large_ones_are_reopened_in_chunks(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, tasks: Any
) -> None:
    monkeypatch.setattr(reopening, "CHUNK", 10)
    engine, job_id = failed_job(engines, tasks=45)
    chunks: list[object] = []
    reopen = reopening.reopen_chunk

    def noted(*about: Any) -> bool:
        chunks.append(job_id)
        return reopen(*about)

    monkeypatch.setattr(reopening, "reopen_chunk", noted)
    engine.retry(job_id, tasks)
    job = done(engine, job_id)
    assert len(chunks) >= (5 if tasks == "all" else 2)
    assert results(engine, job_id) == ([2] * 45 if tasks == "all" else [2, 1, 1] * 15)
    assert job.counts == recounted(engine.database, job_id)


def test_one_that_was_held_starts_by_itself_when_it_is_tried_again(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None))
    job_id = engine.start_new_job("x", None, blank(1), "work", auto_start=False)
    engine.cancel(job_id)
    engine.retry(job_id, "unfinished")
    done(engine, job_id)


def test_it_waits_its_turn_when_all_slots_are_taken(
    engines: Engines, gate: threading.Event
) -> None:
    def body(task: Task) -> int:
        if task.job.name == "slow":
            assert gate.wait(20)
        return fails_once(task)

    engine, job_id = failed_job(engines, run=body, concurrency_limit=1)
    slow = engine.start_new_job("slow", None, blank(1), "work")
    eventually(lambda: engine.job(slow).in_progress)
    engine.retry(job_id)
    assert engine.job(job_id).status == JobStatus.QUEUED
    gate.set()
    done(engine, job_id)


def test_a_retry_from_another_process_runs_here(engines: Engines) -> None:
    engine, job_id = failed_job(engines)
    engines(runs=False).retry(job_id)
    done(engine, job_id)


def test_who_watches_hears_of_it(engines: Engines) -> None:
    engine, job_id = failed_job(engines)
    engine.begin_stop()
    heard: list[int] = []
    with engine.bus.watching(heard.extend):
        engine.retry(job_id)
    assert heard == [job_id]


def test_a_word_that_means_no_tasks_is_refused_with_those_that_do(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda task: None))
    job_id = engine.start_new_job("x", None, [{}], "work")
    done(engine, job_id)
    with pytest.raises(InvalidParams, match="Write one of failed, unfinished, all"):
        engine.retry(job_id, "bogus")
