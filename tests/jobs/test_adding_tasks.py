"""Tasks that join a job which is under way: all or none, and seen by all (A10)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.jobs import Handler, JobStatus, Task
from app.jobs.errors import JobEnded, JobNotFound, NestedChange, TaskLost, ValueNotStorable
from app.jobs.store import adding, creating, keeping
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended, recounted, sql, states

pytestmark = pytest.mark.conformance

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}
WORK = Handler(name="work", run=lambda task: dict(task.state), **FREE)


@pytest.fixture
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creating, "CHUNK", 10)


def test_they_join_a_queued_job_and_run_with_it(engines: Engines) -> None:
    engine = engines(WORK)
    job_id = engine.start_new_job("x", None, states({"n": 0}), "work", auto_start=False)
    tasks = [*states({"n": 1}, {"n": 2}), {"state": {}, "skip": True}]
    assert engine.add_new_tasks_to_existing_job(job_id, tasks) == [1, 2, 3]
    job = engine.job(job_id)
    assert (job.total, job.scheduled, job.skipped, job.progress) == (4, 3, 1, 25)
    engine.start_queued_jobs("work")
    job = done(engine, job_id)
    found = engine.tasks(job_id, limit=9)
    assert [task.result for task in found] == [{"n": 0}, {"n": 1}, {"n": 2}, None]
    assert job.counts == recounted(engine.database, job_id)


def test_they_join_a_job_that_runs(engines: Engines, gate: threading.Event) -> None:
    engine = engines(Handler(name="work", run=lambda _: gate.wait(20)))
    job_id = engine.start_new_job("x", None, blank(2), "work")
    eventually(lambda: engine.job(job_id).in_progress == 2)
    assert engine.add_new_tasks_to_existing_job(job_id, blank(2)) == [2, 3]
    gate.set()
    assert done(engine, job_id).done == 4


@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize("count", [0, 9, 10, 11, 35])
def test_any_number_joins_as_a_whole(engines: Engines, count: int) -> None:
    engine = engines(WORK)
    job_id = engine.start_new_job("x", None, blank(3), "work", auto_start=False)
    tasks = [{"state": {"n": n}, "skip": n % 7 == 0} for n in range(count)]
    assert engine.add_new_tasks_to_existing_job(job_id, tasks) == list(range(3, 3 + count))
    assert engine.job(job_id).counts == recounted(engine.database, job_id)
    engine.start_queued_jobs("work")
    job = done(engine, job_id)
    assert (job.total, job.end_index) == (3 + count, 3 + count)
    assert [task.state["n"] for task in engine.tasks(job_id, limit=99)[3:]] == list(range(count))


@pytest.mark.usefixtures("_small_chunks")
def test_nobody_sees_or_runs_them_before_all_are_there(
    engines: Engines, gate: threading.Event
) -> None:
    ran: list[int] = []

    def body(task: Task) -> None:
        ran.append(task.index)
        assert task.job.name == "other" or gate.wait(20)

    engine = engines(Handler(name="work", run=body, **FREE))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    eventually(lambda: ran)

    def tasks() -> Iterator[Any]:
        for number in range(35):
            if number == 30:
                assert sql(engine.database, "SELECT count(*) FROM task") == [(31,)]
                assert engine.job(job_id).total == len(engine.tasks(job_id, limit=99)) == 1
                done(engine, engine.start_new_job("other", None, blank(1), "work"))
                assert ran == [0, 0]
            yield {"state": {}}

    engine.add_new_tasks_to_existing_job(job_id, tasks())
    gate.set()
    assert done(engine, job_id).done == 36


@pytest.mark.usefixtures("_small_chunks")
def test_a_generator_that_breaks_adds_none(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work")

    def tasks() -> Iterator[Any]:
        yield from blank(25)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.add_new_tasks_to_existing_job(job_id, tasks())
    with pytest.raises(ValueNotStorable, match="state of task 25"):
        engine.add_new_tasks_to_existing_job(job_id, [*blank(25), {"state": {"x": b""}}])
    assert engine.job(job_id).total == 3
    assert sql(engine.database, "SELECT count(*) FROM task") == [(3,)]
    assert engine.add_new_tasks_to_existing_job(job_id, blank(1)) == [3]


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.usefixtures("_small_chunks")
def test_concurrent_adders_lose_nothing(engines: Engines, many: bool) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    places: list[int] = []

    def add(number: int) -> None:
        count = 25 if many or number == 0 else 5
        for turn in range(4):
            tasks = [{"state": {"by": number, "turn": turn, "n": n}} for n in range(count)]
            places.extend(engine.add_new_tasks_to_existing_job(job_id, tasks))

    adders = [threading.Thread(target=add, args=[number]) for number in range(4)]
    for each in adders:
        each.start()
    for each in adders:
        each.join()
    total = 400 if many else 160
    assert sorted(places) == list(range(1, total + 1))
    assert engine.job(job_id).counts == recounted(engine.database, job_id)
    found = engine.tasks(job_id, limit=999)[1:]
    assert len({tuple(task.state.values()) for task in found}) == total


def test_the_end_of_the_job_is_not_reached_before_what_joins_in_time(engines: Engines) -> None:
    engine = engines(WORK)
    for _ in range(30):
        job_id = engine.start_new_job("x", None, blank(1), "work")
        try:
            engine.add_new_tasks_to_existing_job(job_id, blank(2))
        except JobEnded:
            assert ended(engine, job_id).done == 1
        else:
            assert done(engine, job_id).done == 3


def test_a_job_that_has_ended_takes_none(engines: Engines) -> None:
    engine = engines(WORK)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    done(engine, job_id)
    with pytest.raises(JobEnded, match=r"ended already \(DONE\); it cannot be extended"):
        engine.add_new_tasks_to_existing_job(job_id, blank(1))
    with pytest.raises(JobNotFound):
        engine.add_new_tasks_to_existing_job(77, blank(1))
    assert sql(engine.database, "SELECT count(*) FROM task") == [(1,)]


@pytest.mark.usefixtures("_small_chunks")
def test_a_job_that_is_cancelled_while_many_are_written_takes_none(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work")

    def tasks() -> Iterator[Any]:
        yield from blank(25)
        engine.cancel(job_id)
        yield from blank(10)

    with pytest.raises(JobEnded, match=r"\(CANCELLED\); it cannot be extended"):
        engine.add_new_tasks_to_existing_job(job_id, tasks())
    assert (engine.job(job_id).total, engine.job(job_id).status) == (3, JobStatus.CANCELLED)
    assert sql(engine.database, "SELECT count(*) FROM task") == [(3,)]


@pytest.mark.usefixtures("_small_chunks")
def test_a_job_that_is_cancelled_just_before_they_are_shown_takes_none(
    engines: Engines, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines(Handler(name="work", run=lambda _: gate.wait(20)))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    eventually(lambda: engine.job(job_id).in_progress)
    hidden = adding.add_hidden

    def cancelled(*about: Any) -> adding.Added | None:
        added = hidden(*about)
        engine.cancel(job_id)
        return added

    monkeypatch.setattr(adding, "add_hidden", cancelled)
    with pytest.raises(JobEnded, match="Job 1 is being cancelled; it cannot be extended"):
        engine.add_new_tasks_to_existing_job(job_id, blank(35))
    assert sql(engine.database, "SELECT count(*) FROM task") == [(1,)]


def test_who_watches_hears_of_it_and_finds_them(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(2), "work")
    seen = engine.job(job_id)
    heard: list[int] = []
    with engine.bus.watching(heard.extend):
        engine.add_new_tasks_to_existing_job(job_id, blank(2))
    assert heard == [job_id]
    assert engine.job(job_id).version > seen.version
    new = engine.tasks(job_id, limit=9, newer_than=seen.version, unseen_from=seen.end_index)
    assert [task.index for task in new] == [2, 3]


# By a task of the job


def growing(task: Task) -> list[int]:
    """Add two tasks for each number in the state, in one go."""
    count = task.get_state_field("adds", 0)
    return task.job.add_tasks({"state": {"child": n}} for n in range(count))


def test_a_task_adds_tasks_to_its_own_job(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=growing, parallel_limit=1))
    job_id = engine.start_new_job("x", None, states({"adds": 2}, {"adds": 3}), "work")
    job = done(engine, job_id)
    found = engine.tasks(job_id, limit=99)
    assert [task.result for task in found] == [[2, 3], [4, 5, 6], [], [], [], [], []]
    assert job.counts == recounted(engine.database, job_id)


@pytest.mark.usefixtures("_small_chunks")
def test_a_task_adds_many(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=growing, **FREE))
    job_id = engine.start_new_job("x", None, states(*[{"adds": 25}] * 4), "work")
    job = done(engine, job_id)
    assert job.done == 104
    assert job.counts == recounted(engine.database, job_id)


@pytest.mark.parametrize("count", [1, 35])
@pytest.mark.usefixtures("_small_chunks")
def test_a_task_that_is_lost_to_others_adds_none(
    engines: Engines, gate: threading.Event, count: int
) -> None:
    refused: list[TaskLost] = []

    def body(task: Task) -> None:
        if task.attempt > 1 or refused:
            return
        for (worker_id,) in sql(engine.database, "SELECT id FROM worker WHERE alive"):
            keeping.bury(engine.database, worker_id, keeping.Death(ran=(task.id,)))
        with pytest.raises(TaskLost) as found:
            task.job.add_tasks(blank(count))
        refused.append(found.value)

    engine = engines(Handler(name="work", run=body), heartbeat_seconds=0.2)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert done(engine, job_id).total == 1
    assert refused
    assert sql(engine.database, "SELECT count(*) FROM task") == [(1,)]


def test_no_task_is_added_within_a_change(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.job.update_fields_atomically(lambda _: task.job.add_tasks(blank(1)))

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    ended(engine, job_id)
    assert (engine.task(job_id, 0).error or "").startswith(NestedChange.__name__)
    assert engine.job(job_id).total == 1
