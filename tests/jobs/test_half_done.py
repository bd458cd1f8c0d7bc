"""What somebody began and did not end, for his process died: others go on with it, or remove it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from app.jobs import Engine, Handler, JobStatus, housekeeping
from app.jobs.errors import AddingInterrupted
from app.jobs.store import adding, creating, ending, removing, reopening
from app.jobs.store.adding import Adder
from app.jobs.store.creating import NewTask
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended, recounted, sql

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}
WORK = Handler(name="work", run=lambda task: task.index, **FREE)
OTHER = Handler(name="other", run=lambda task: task.index, **FREE)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (creating, ending, removing, reopening):
        monkeypatch.setattr(module, "CHUNK", 10)
    monkeypatch.setattr("app.jobs.housekeeping.SEARCH_SECONDS", 0.02)
    monkeypatch.setattr("app.jobs.housekeeping.CLEAN_SECONDS", 0.02)


Dies = Callable[[], Engine]


@pytest.fixture
def dies(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> Dies:
    """Makes an engine of a process that dies after the first chunk of whatever it does."""

    def make() -> Engine:
        monkeypatch.setattr("app.jobs.housekeeping.work_off", lambda _: None)
        return engines(WORK, runs=False)

    return make


def test_a_cancel_goes_on_also_where_nobody_has_the_handler(engines: Engines, dies: Dies) -> None:
    dead = dies()
    job_id = dead.start_new_job("x", None, blank(35), "work")
    answer = dead.cancel(job_id)
    assert (answer.is_cancelling, answer.cancelled, answer.scheduled) == (True, 10, 25)
    engines(OTHER)
    job = ended(dead, job_id)
    assert (job.status, job.cancelled) == (JobStatus.CANCELLED, 35)
    assert job.counts == recounted(dead.database, job_id)


def test_a_cancel_that_is_asked_for_again_goes_on_as_well(dies: Dies) -> None:
    dead = dies()
    job_id = dead.start_new_job("x", None, blank(15), "work")
    dead.cancel(job_id)
    assert dead.cancel(job_id).status == JobStatus.CANCELLED


def test_a_large_cancel_takes_a_second_of_the_caller_at_most(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "PATIENCE_SECONDS", 0)
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(95), "work")
    assert engine.cancel(job_id).cancelled == 20
    engines(OTHER)
    assert ended(engine, job_id).status == JobStatus.CANCELLED


@pytest.mark.parametrize("tasks", ["all", "unfinished", list(range(35))])
def test_a_retry_goes_on_and_nothing_runs_before_it_is_whole(
    engines: Engines, dies: Dies, tasks: Any
) -> None:
    dead = dies()
    job_id = dead.start_new_job("x", None, blank(35), "work")
    while dead.cancel(job_id).is_cancelling:
        pass
    answer = dead.retry(job_id, tasks)
    assert (answer.status, answer.scheduled) == (JobStatus.QUEUED, 10)
    with dead.database.reading() as connection:
        assert [each.what for each in ending.left_behind(connection, [])] == ["retry"]
    engine = engines(WORK)
    job = done(engine, job_id)
    assert job.done == 35
    assert job.counts == recounted(engine.database, job_id)


def test_a_retry_that_is_cut_short_is_over_when_the_job_is_cancelled(dies: Dies) -> None:
    dead = dies()
    job_id = dead.start_new_job("x", None, blank(35), "work")
    while dead.cancel(job_id).is_cancelling:
        pass
    dead.retry(job_id, "all")
    while dead.cancel(job_id).is_cancelling:
        pass
    assert dead.job(job_id).status == JobStatus.CANCELLED
    with dead.database.writing() as connection:
        assert not reopening.reopen_chunk(connection, job_id)
    assert dead.job(job_id).cancelled == 35


def test_a_deletion_goes_on(engines: Engines, dies: Dies) -> None:
    dead = dies()
    job_id = dead.start_new_job("x", None, blank(35), "work")
    while dead.cancel(job_id).is_cancelling:
        pass
    dead.delete_job(job_id)
    assert dead.jobs() == []
    assert sql(dead.database, "SELECT count(*) FROM task") == [(35,)]
    engines(OTHER)
    eventually(lambda: sql(dead.database, "SELECT id FROM job UNION SELECT id FROM task") == [])


def half_added(engine: Engine, job_id: int) -> adding.Added:
    """Tasks that somebody has written, who died before they were shown."""
    tasks = [NewTask() for _ in range(25)]
    added = adding.add_hidden(engine.database, Adder(job_id=job_id), tasks)
    assert added
    return added


OVERDUE = "UPDATE job SET adding_until = '2001-01-01T00:00:00.000000Z'"


def overdue(engine: Engine) -> None:
    """Let the time of whoever adds be over."""
    sql(engine.database, OVERDUE)


def test_tasks_of_an_adder_that_died_are_never_seen_nor_run_and_are_removed(
    engines: Engines,
) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work")
    half_added(engine, job_id)
    assert [task.index for task in engine.tasks(job_id, limit=99)] == [0, 1, 2]
    assert [task.index for task in engine.get_job_tasks(job_id, limit=99)] == [0, 1, 2]
    assert engine.job(job_id).counts == recounted(engine.database, job_id)
    assert recounted(engine.database, job_id)["total"] == 3
    overdue(engine)
    engine.run()
    assert done(engine, job_id).done == 3
    eventually(lambda: sql(engine.database, "SELECT count(*) FROM task") == [(3,)])
    assert sql(engine.database, "SELECT adding_until FROM job") == [(None,)]


def test_who_wants_to_add_does_not_wait_for_one_that_died(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work")
    half_added(engine, job_id)
    overdue(engine)
    assert engine.add_new_tasks_to_existing_job(job_id, blank(2)) == [3, 4]
    assert sql(engine.database, "SELECT count(*) FROM task") == [(5,)]


def test_who_was_taken_for_dead_while_it_added_hears_of_it_and_adds_nothing(
    engines: Engines,
) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work")

    def tasks() -> Any:
        for number in range(35):
            if number == 25:
                overdue(engine)
                assert engine.add_new_tasks_to_existing_job(job_id, blank(1)) == [3]
            yield {"state": {}}

    with pytest.raises(AddingInterrupted, match="Try again"):
        engine.add_new_tasks_to_existing_job(job_id, tasks())
    assert engine.job(job_id).total == 4
    assert sql(engine.database, "SELECT count(*) FROM task") == [(4,)]


def test_who_was_taken_for_dead_just_before_its_tasks_were_shown_hears_of_it(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work")
    show = adding.show

    def late(connection: Connection, *about: Any) -> bool:
        monkeypatch.setattr(adding, "show", show)
        connection.exec_driver_sql(OVERDUE)
        return show(connection, *about)

    monkeypatch.setattr(adding, "show", late)
    with pytest.raises(AddingInterrupted):
        engine.add_new_tasks_to_existing_job(job_id, blank(35))
    assert engine.job(job_id).total == 3
    assert engine.add_new_tasks_to_existing_job(job_id, blank(35)) == list(range(3, 38))
    assert sql(engine.database, "SELECT count(*) FROM task") == [(38,)]


def test_nothing_is_left_behind_where_all_is_well(engines: Engines) -> None:
    engine = engines(WORK)
    done(engine, engine.start_new_job("x", None, blank(35), "work"))
    with engine.database.reading() as connection:
        assert ending.left_behind(connection, ["work"]) == []
