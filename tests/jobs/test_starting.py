"""Starting a job: from given tasks or from params, whole or not at all (A4, A16)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, Field

from app.db import Database
from app.jobs import Engine, Handler, JobsError, JobStatus, Task, TaskStatus
from app.jobs.errors import InvalidParams, TasksNotMade, UnknownHandler, ValueNotStorable
from app.users.people import add_user
from app.users.permissions import Role
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, sql, states, statuses


class Params(BaseModel):
    """How many tasks, and what each is called."""

    count: int = Field(2, ge=0, le=9)
    word: str = "x"


def work(task: Task) -> str:
    return f"{task.state.get('word', '')}{task.index}"


def make_tasks(params: Params) -> Iterator[dict[str, Any]]:
    for _ in range(params.count):
        yield {"word": params.word}


def broken_by(error: Exception) -> Handler:
    """A handler whose second task cannot be made."""

    def make(_: Any) -> Iterator[dict[str, Any]]:
        yield {}
        raise error

    return Handler(name="work", run=work, make_tasks=make)


WORK = Handler(name="work", run=work, params=Params, make_tasks=make_tasks)


def nothing_is_stored(engine: Engine) -> bool:
    return sql(
        engine.database, "SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM task)"
    ) == [(0,)]


def test_a_job_of_given_tasks_runs_them_all(engines: Engines) -> None:
    engine = engines(WORK)
    job_id = engine.start_new_job("Three", None, states({"word": "a"}, {}, {"word": "c"}), "work")
    job = done(engine, job_id)
    assert (job.name, job.handler, job.progress, job.total) == ("Three", "work", 100, 3)
    assert [task.result for task in engine.tasks(job_id, limit=9)] == ["a0", "1", "c2"]
    assert job.created_at <= job.started_at <= job.finished_at  # type: ignore[operator]


def test_params_make_the_tasks(engines: Engines) -> None:
    engine = engines(WORK)
    job_id = engine.start("work", {"count": 3, "word": "w"})
    job = done(engine, job_id)
    assert [task.result for task in engine.tasks(job_id, limit=9)] == ["w0", "w1", "w2"]
    assert (job.name, job.params) == ("Work", {"count": 3, "word": "w"})


def test_defaults_of_params_are_stored_with_the_job(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    assert engine.job(engine.start("work")).params == {"count": 2, "word": "x"}


def test_given_tasks_take_the_place_of_the_generator_and_params_are_checked_still(
    engines: Engines,
) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start("work", {"word": "w"}, tasks=blank(4))
    assert engine.job(job_id).total == 4
    with pytest.raises(InvalidParams):
        engine.start("work", {"count": 99}, tasks=blank(4))


def test_a_handler_without_a_generator_makes_one_task(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=work))
    job_id = engine.start("work", {"any": ["thing"]})
    done(engine, job_id)
    assert [task.result for task in engine.tasks(job_id, limit=9)] == ["0"]


def test_a_job_tells_who_started_it(engines: Engines, database: Database) -> None:
    seen: list[object] = []
    engine = engines(
        Handler(
            name="work",
            run=lambda task: seen.append(task.job.started_by and task.job.started_by.id),
        )
    )
    anna = add_user(database, "anna@example.com", Role.OPERATOR, "correct horse battery")
    done(engine, engine.start_new_job("By id", anna.id, blank(1), "work"))
    job = done(engine, engine.start_new_job("By person", anna, blank(1), "work"))
    done(engine, engine.start_new_job("By nobody", None, blank(1), "work"))
    assert seen == [anna.id, anna.id, None]
    assert job.started_by is not None
    assert job.started_by.email == "anna@example.com"


def test_an_unknown_handler_is_named_with_those_that_exist(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    starts: list[Callable[[], object]] = [
        lambda: engine.start("walk"),
        lambda: engine.start_new_job("x", None, blank(1), "walk"),
        lambda: engine.start_next_queued_job("walk"),
    ]
    for start in starts:
        with pytest.raises(UnknownHandler, match=r"named 'walk'.*exist: work"):
            start()
    assert nothing_is_stored(engine)


def test_wrong_params_are_said_field_by_field(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    with pytest.raises(InvalidParams) as refused:
        engine.start("work", {"count": 10, "word": None})
    assert refused.value.fields == {
        "count": ["Input should be less than or equal to 9."],
        "word": ["Input should be a valid string."],
    }
    assert str(refused.value).startswith("count: Input should be")
    assert nothing_is_stored(engine)


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (ValueError("no such shop"), TasksNotMade),
        (FileNotFoundError(2, "No such file", "/x"), TasksNotMade),
        (RuntimeError("a mistake of the author"), TasksNotMade),
    ],
)
def test_a_generator_that_raises_leaves_nothing(
    engines: Engines, error: Exception, seen: type[Exception]
) -> None:
    engine = engines(broken_by(error), runs=False)
    with pytest.raises(seen, match=r"no such shop|No such file|a mistake"):
        engine.start("work")
    assert nothing_is_stored(engine)


@pytest.mark.parametrize("state", [[1], "text", 5, True, {1: 2}, {"x": float("nan")}])
def test_a_task_whose_state_cannot_be_kept_is_named_and_nothing_is_stored(
    engines: Engines, state: object
) -> None:
    engine = engines(WORK, runs=False)
    with pytest.raises(ValueNotStorable, match="state of task 1"):
        engine.start_new_job("x", None, [{"state": {}}, {"state": state}], "work")
    assert nothing_is_stored(engine)


def test_a_job_without_tasks_is_done_at_100_percent(engines: Engines) -> None:
    engine = engines(WORK)
    job = done(engine, engine.start("work", {"count": 0}))
    assert (job.progress, job.total, job.final) == (100, 0, 0)


def test_a_task_to_skip_never_runs_and_counts_as_ended(engines: Engines) -> None:
    ran: list[int] = []
    engine = engines(Handler(name="work", run=lambda task: ran.append(task.index)))
    tasks = [{"state": {}, "skip": index % 2 == 0} for index in range(6)]
    job_id = engine.start_new_job("Half", None, tasks, "work")
    job = done(engine, job_id)
    assert statuses(engine, job_id) == [TaskStatus.SKIPPED, TaskStatus.DONE] * 3
    assert (sorted(ran), job.progress, job.skipped, job.done) == ([1, 3, 5], 100, 3, 3)


def test_a_job_of_skipped_tasks_only_is_done(engines: Engines) -> None:
    engine = engines(WORK)
    job_id = engine.start_new_job("None", None, [{"state": {}, "skip": True}] * 3, "work")
    assert done(engine, job_id).progress == 100


def test_the_initial_state_is_there_from_the_start(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda task: task.job.state["sum"]))
    job_id = engine.start_new_job("x", None, blank(1), "work", {"sum": 7})
    assert done(engine, job_id).state == {"sum": 7}
    assert engine.task(job_id, 0).result == 7


def test_a_held_job_waits_until_it_is_let_go(engines: Engines) -> None:
    engine = engines(WORK)
    first = engine.queue_new_job("First", None, blank(1), "work")
    second = engine.start_new_job("Second", None, blank(1), "work", auto_start=False)
    third = done(engine, engine.start_new_job("Third", None, blank(1), "work"))
    assert engine.job(first).status == engine.job(second).status == JobStatus.QUEUED
    assert engine.start_next_queued_job("work") == first
    done(engine, first)
    assert engine.start_queued_jobs("work") == [second]
    done(engine, second)
    assert engine.start_next_queued_job("work") is None
    assert third.status == JobStatus.DONE


def test_no_more_held_jobs_start_than_there_are_slots(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=work, concurrency_limit=2), runs=False)
    waiting = [engine.queue_new_job("x", None, blank(1), "work") for _ in range(4)]
    assert engine.start_queued_jobs("work") == waiting[:2]
    assert engine.start_queued_jobs("work") == []
    assert engine.start_next_queued_job("work") is None


def test_all_held_jobs_start_where_there_is_no_limit(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=work, concurrency_limit=None))
    waiting = [engine.queue_new_job("x", None, blank(1), "work") for _ in range(4)]
    assert engine.start_queued_jobs("work") == waiting
    for job_id in waiting:
        done(engine, job_id)


def test_a_name_is_cut_and_cleaned_rather_than_refused(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    long = engine.start_new_job("n" * 600, None, [], "work")
    odd = engine.start("work", name="half \ud800 and \0")
    assert engine.job(long).name == "n" * 500
    assert engine.job(odd).name == "half \\ud800 and \\0"


def test_an_engine_that_does_not_run_starts_jobs_for_others(engines: Engines) -> None:
    clerk = engines(WORK, runs=False)
    job_id = clerk.start("work")
    assert clerk.trouble is None
    engines(WORK)
    done(clerk, job_id)


def test_running_twice_is_running_once(engines: Engines) -> None:
    engine = engines(WORK)
    engine.run()
    done(engine, engine.start("work"))
    assert sql(engine.database, "SELECT count(*) FROM worker") == [(1,)]


def test_every_error_of_the_core_is_a_sentence() -> None:
    for error in (UnknownHandler("x", []), TasksNotMade(), InvalidParams({"": ["No."]})):
        assert isinstance(error, JobsError)
        assert str(error).endswith(".")
