"""Writing a large job: in chunks, seen by nobody before it is whole (A4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.jobs import Engine, Handler, JobStatus, housekeeping
from app.jobs.errors import CreationInterrupted, JobNotFound
from app.jobs.store import creating, removing
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, recounted, sql

pytestmark = pytest.mark.conformance

WORK = Handler(name="work", run=lambda task: None, parallel_limit=None)
Tasks = Iterator[dict[str, Any]]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creating, "CHUNK", 10)


def rows(engine: Engine) -> tuple[int, ...]:
    return sql(engine.database, "SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM task)")[0]


@pytest.mark.parametrize("count", [9, 10, 11, 20, 35])
def test_a_job_of_any_number_of_chunks_is_whole(engines: Engines, count: int) -> None:
    engine = engines(WORK)
    tasks = [{"state": {"n": n}, "skip": n % 7 == 0} for n in range(count)]
    job_id = engine.start_new_job("x", None, tasks, "work")
    job = done(engine, job_id)
    assert job.counts == recounted(engine.database, job_id)
    found = engine.tasks(job_id, limit=99)
    assert [(task.index, task.state["n"]) for task in found] == [(n, n) for n in range(count)]


def test_nobody_sees_a_job_that_is_being_written(engines: Engines) -> None:
    engine = engines(WORK)
    seen: list[object] = []

    def tasks() -> Tasks:
        for number in range(35):
            if number == 30:
                (job_id,) = sql(engine.database, "SELECT id FROM job")[0]
                with pytest.raises(JobNotFound):
                    engine.job(job_id)
                with pytest.raises(JobNotFound):
                    engine.set_job_state_field(job_id, "x", 1)
                seen.extend([engine.jobs(), engine.jobs_of([job_id]), engine.active_versions()])
                assert rows(engine) == (1, 30)
            yield {"state": {}}

    job_id = engine.start_new_job("x", None, tasks(), "work")
    assert seen == [[], [], {}]
    assert done(engine, job_id).done == 35


def test_no_task_runs_before_the_last_one_is_written(engines: Engines) -> None:
    ran: list[int] = []
    engine = engines(Handler(name="work", run=lambda task: ran.append(task.index)))

    def tasks() -> Tasks:
        for number in range(35):
            if number == 30:
                other = done(engine, engine.start_new_job("other", None, blank(1), "work"))
                assert other.done == 1
                assert len(ran) == 1
            yield {"state": {}}

    done(engine, engine.start_new_job("x", None, tasks(), "work"))
    assert len(ran) == 36


def test_a_generator_that_breaks_late_leaves_nothing(engines: Engines) -> None:
    engine = engines(WORK, runs=False)

    def tasks() -> Tasks:
        yield from blank(35)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.start_new_job("x", None, tasks(), "work")
    assert rows(engine) == (0, 0)


def test_what_a_broken_generator_leaves_is_removed_in_chunks(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removing, "CHUNK", 10)
    test_a_generator_that_breaks_late_leaves_nothing(engines)


def abandoned(engine: Engine, when: str) -> int:
    """The remains of a creator that died, as its first chunks left them."""
    job_id = engine.start_new_job("x", None, blank(35), "work", auto_start=False)
    sql(
        engine.database,
        "UPDATE job SET held = false, preparing_until = :when WHERE id = :id",
        id=job_id,
        when=when,
    )
    return job_id


def test_what_a_dead_creator_left_is_removed(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    abandoned(engine, "2001-01-01T00:00:00.000000Z")
    engine.run()
    eventually(lambda: rows(engine) == (0, 0))


def test_what_may_still_be_written_is_left_alone(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    abandoned(engine, "2999-01-01T00:00:00.000000Z")
    engine.run()
    done(engine, engine.start_new_job("other", None, blank(1), "work"))
    assert rows(engine) == (2, 36)


@pytest.mark.parametrize("at", [25, 34])
def test_a_creator_whose_job_was_removed_hears_of_it(engines: Engines, at: int) -> None:
    engine = engines(WORK, runs=False)

    def tasks() -> Tasks:
        for number in range(35):
            if number == at:
                sql(engine.database, "UPDATE job SET preparing_until = '2001-01-01T00:00:00Z'")
                assert housekeeping.clean(engine.database)
            yield {"state": {}}

    with pytest.raises(CreationInterrupted, match="Nothing is stored; try again"):
        engine.start_new_job("x", None, tasks(), "work")
    assert rows(engine) == (0, 0)


def test_a_job_that_is_seen_is_never_taken_for_remains(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(35), "work")
    assert not housekeeping.clean(engine.database)
    removing.remove_preparing(engine.database, engine.start_new_job("y", None, [], "work"))
    assert [job.status for job in engine.jobs()] == [JobStatus.QUEUED] * 2
    assert engine.job(job_id).total == 35


def test_a_transaction_holds_no_more_states_than_others_can_wait_for(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creating, "CHUNK_SIZE", 100)
    written: list[int] = []
    real = creating.insert_chunk

    def insert(*chunk: Any) -> None:
        written.append(len(chunk[3]))
        real(*chunk)

    monkeypatch.setattr(creating, "insert_chunk", insert)
    engine = engines(Handler(name="work", run=lambda _: None), runs=False)
    large = ({"state": {"text": "x" * 40}} for _ in range(5))
    job_id = engine.start_new_job("x", None, large, "work")
    assert written == [2, 2, 1]
    assert [task.index for task in engine.tasks(job_id, limit=9)] == list(range(5))
