"""A job that ends with errors is started again by itself, if its handler says so (Q4, Q5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from app.config import Settings
from app.jobs import Engine, Handler, JobDetail, JobStatus, Task
from app.jobs.housekeeping import go_on
from app.jobs.store import ending
from app.jobs.store.rescheduling import follow
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.hooked import Hooked, nothing, over
from tests.jobs.looking import done, ended, recounted, sql, states
from tests.jobs.test_callbacks_and_deaths import complete, dies_in_step
from tests.jobs.test_uploads import Reading, uploaded


def fails_if_told(task: Task) -> int:
    """Fail as often in a row as the state says."""
    left: int = task.state.get("fails", 0)
    task.set_state_field("fails", left - 1)
    if left > 0:
        raise ValueError("not yet")
    return left


def again(**more: Any) -> Handler:
    """A handler whose jobs are started again at once."""
    own: dict[str, Any] = {"name": "work", "run": fails_if_told, "concurrency_limit": None}
    return Handler(**{**own, "auto_reschedule_on_failure": 0, **more})


def chain(engine: Engine) -> list[JobDetail]:
    """The jobs there are, oldest first."""
    return [engine.job(row.id) for row in reversed(engine.jobs())]


def after(engine: Engine, job_id: int) -> JobDetail:
    """The job that was made when this one ended."""
    ended(engine, job_id)
    found = eventually(lambda: [job for job in chain(engine) if job.rescheduled_from_job == job_id])
    assert len(found) == 1
    return found[0]


def test_what_failed_is_tried_by_a_job_of_its_own_after_the_delay(engines: Engines) -> None:
    engine = engines(again(auto_reschedule_on_failure=3600))
    first = engine.start_new_job(
        "Nightly",
        None,
        states({"n": 0}, {"n": 1, "fails": 1}, {"n": 2}, {"n": 3, "fails": 2}),
        "work",
        {"sum": 6},
        params={"word": "x"},
        priority=5,
        parallel_limit=2,
    )
    job = after(engine, first)
    assert (job.name, job.params, job.state) == ("Nightly", {"word": "x"}, {"sum": 6})
    assert job.input == {"word": "x"}
    assert (job.priority, job.parallel_limit, job.status) == (5, 2, JobStatus.QUEUED)
    assert [task.state for task in engine.tasks(job.id, limit=9)] == [
        {"n": 1, "fails": 0},
        {"n": 3, "fails": 1},
    ]
    assert job.counts == recounted(engine.database, job.id)
    predecessor = engine.job(first)
    assert job.is_waiting
    assert job.due_at
    assert predecessor.finished_at
    assert abs(job.due_at - predecessor.finished_at - timedelta(hours=1)) < timedelta(minutes=1)
    assert (predecessor.status, predecessor.error) == (JobStatus.DONE_WITH_ERRORS, None)


def test_it_goes_on_until_all_is_done(engines: Engines) -> None:
    engine = engines(again())
    first = engine.start_new_job("x", None, states({}, {"fails": 2}), "work")
    second = after(engine, first)
    third = after(engine, second.id)
    done(engine, third.id)
    assert [(job.total, job.failed) for job in chain(engine)] == [(2, 1), (1, 1), (1, 0)]


def test_and_no_longer_than_its_handler_allows_which_is_said(engines: Engines) -> None:
    engine = engines(again(max_reschedules=2))
    first = engine.start_new_job("x", None, states({"fails": 99}), "work")
    third = after(engine, after(engine, first).id)
    error = over(engine, third.id).error
    assert error == (
        "It is not started again: it has been 2 times, the most that max_reschedules of its "
        "handler allows. Mend what fails, then retry it."
    )
    assert len(chain(engine)) == 3


def test_what_is_said_then_comes_behind_what_its_callback_has_said(engines: Engines) -> None:
    engine = engines(again(max_reschedules=0, finish_hook=lambda *_: 1 / 0))
    first = engine.start_new_job("x", None, states({}), "work")
    said = (over(engine, first).error or "").split("\n")
    assert said[0].startswith("before_job_finish failed: ZeroDivisionError")
    assert said[1].startswith("It is not started again: it has been 0 times")


def test_without_a_bound_it_goes_on(engines: Engines) -> None:
    engine = engines(again(max_reschedules=None), runs=False)
    first = engine.start_new_job("x", None, states({"fails": 1}), "work")
    sql(engine.database, "UPDATE job SET reschedules = 1000")
    engine.run()
    done(engine, after(engine, first).id)


def test_a_job_that_ends_well_or_is_cancelled_is_not_started_again(engines: Engines) -> None:
    def cancelled_by_its_name(job: Any, _: int) -> None:
        if job.name == "cancel":
            engine.cancel(job.id)

    engine: Engine = engines(again(finish_hook=cancelled_by_its_name))
    first = engine.start_new_job("x", None, states({}), "work")
    done(engine, first)
    second = engine.start_new_job("cancel", None, states({"fails": 1}), "work")
    assert over(engine, second).status == JobStatus.CANCELLED
    assert [job.id for job in chain(engine)] == [first, second]


def test_if_only_its_callback_failed_that_is_called_again(engines: Engines) -> None:
    rounds: list[int] = []

    def fails_first(job: Any, _: int) -> None:
        rounds.append(job.id)
        if len(rounds) == 1:
            raise ValueError("not yet")

    engine = engines(again(finish_hook=fails_first))
    first = engine.start_new_job("x", None, states({}), "work")
    job = done(engine, after(engine, first).id)
    assert (job.total, rounds) == (0, [first, job.id])


def test_a_retry_that_fails_again_makes_no_second_one(engines: Engines) -> None:
    engine = engines(again(auto_reschedule_on_failure=3600))
    first = engine.start_new_job("x", None, states({"fails": 2}), "work")
    job = after(engine, first)
    engine.retry(first)
    eventually(lambda: engine.task(first, 0).attempt == 2)
    over(engine, first)
    assert [each.id for each in chain(engine)] == [first, job.id]


def test_a_worker_that_dies_at_the_end_leaves_it_to_another_one(
    engines: Engines, settings: Settings
) -> None:
    handler = Hooked(nothing, nothing, auto_reschedule_on_failure=3600)
    engine = engines(handler, runs=False)
    first = complete(engine)
    sql(engine.database, "UPDATE task SET status = 'FAILED'")
    dies_in_step(engine, settings, first)
    engine.run()
    job = after(engine, first)
    over(engine, first)
    assert (job.total, len(chain(engine))) == (1, 2)


def test_the_end_and_the_next_job_are_stored_together_or_not_at_all(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def breaks_first(connection: Connection, job_id: int, how: Any) -> int | None:
        made = follow(connection, job_id, how)
        tried.append(job_id)
        if len(tried) == 1:
            raise OperationalError("COMMIT", None, Exception("disk full"))
        return made

    monkeypatch.setattr("app.jobs.store.ending.follow", breaks_first)
    monkeypatch.setattr("app.jobs.finishing.RETRY_SECONDS", 0.01)
    engine = engines(again(auto_reschedule_on_failure=3600))
    first = engine.start_new_job("x", None, states({"fails": 1}), "work")
    job = after(engine, first)
    assert (tried, len(chain(engine))) == ([first, first], 2)
    assert job.counts == recounted(engine.database, job.id)


def test_many_tasks_are_copied_in_chunks_and_none_begins_before_all_are_there(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.store.rescheduling.CHUNK", 2)
    monkeypatch.setattr("app.jobs.housekeeping.SEARCH_SECONDS", 0.01)
    engine = engines(again(), threads=1)
    first = engine.start_new_job(
        "x", None, states(*({"fails": 1, "n": n} for n in range(6))), "work"
    )
    job = done(engine, after(engine, first).id)
    assert [task.state["n"] for task in engine.tasks(job.id, limit=9)] == list(range(6))
    assert job.counts == recounted(engine.database, job.id)


def half_copied(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> tuple[Engine, JobDetail]:
    """A job of which four tasks failed, and its successor that has two of them yet."""
    monkeypatch.setattr("app.jobs.store.rescheduling.CHUNK", 2)
    monkeypatch.setattr("app.jobs.housekeeping.SEARCH_SECONDS", 600.0)
    engine = engines(again())
    first = engine.start_new_job("x", None, states(*({"fails": 1} for _ in range(4))), "work")
    job = after(engine, first)
    assert (job.total, job.status) == (2, JobStatus.QUEUED)
    return engine, job


def test_what_is_added_meanwhile_comes_behind_them(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, job = half_copied(engines, monkeypatch)
    assert engine.add_new_tasks_to_existing_job(job.id, states({})) == [4]
    left = ending.LeftBehind("retry", job.id)
    assert go_on(engine.database, left)
    assert not go_on(engine.database, left)
    assert [task.index for task in engine.tasks(job.id, limit=9)] == [0, 1, 2, 3, 4]
    assert engine.job(job.id).counts["total"] == recounted(engine.database, job.id)["total"] == 5


def test_a_cancel_meanwhile_ends_the_copying(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, job = half_copied(engines, monkeypatch)
    assert engine.cancel(job.id).status == JobStatus.CANCELLED
    assert engine.job(job.id).counts == recounted(engine.database, job.id)


def test_the_next_job_reads_the_file_that_was_uploaded_for_the_first(engines: Engines) -> None:
    def reads_at_the_second_try(task: Task) -> str:
        if "tried" not in task.job.state:
            task.job.set_state_field("tried", True)
            raise ValueError("not yet")
        with task.job.params.file.open("r") as text:
            return str(text.read())

    engine = engines(again(run=reads_at_the_second_try, params=Reading))
    file = uploaded(engine, "hello")
    first = engine.start("work", {"file": file.id})
    job = done(engine, after(engine, first).id)
    assert engine.task(job.id, 0).result == "hello"
    engine.delete_job(first)
    assert [each.name for each in engine.files(job.id)] == ["a.csv"]
