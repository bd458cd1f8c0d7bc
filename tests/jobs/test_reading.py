"""Looking at jobs: pages in both directions, filters, capped counts, single tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.db import Database, iso, now
from app.jobs import Engine, Handler, JobFilter, JobStatus, Task, TaskStatus
from app.jobs.errors import JobNotFound, TaskNotFound
from app.users.people import add_user
from app.users.permissions import Role
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended, running, sql, states

QUIET = {"work": Handler(name="work", run=lambda _: None), "mow": Handler(name="mow", run=print)}


@pytest.fixture
def engine(engines: Engines) -> Engine:
    """An engine that runs nothing."""
    return engines(*QUIET.values(), runs=False)


def jobs_of(engine: Engine, count: int, handler: str = "work") -> list[int]:
    return [engine.start_new_job(f"job {n}", None, [], handler) for n in range(count)]


def ids(jobs: Any) -> list[int]:
    return [job.id for job in jobs]


def test_jobs_are_listed_newest_first_and_by_pages_in_both_directions(engine: Engine) -> None:
    made = jobs_of(engine, 10)[::-1]
    assert ids(engine.jobs()) == made
    assert ids(engine.jobs(limit=4)) == made[:4]
    assert ids(engine.jobs(limit=4, after=made[3])) == made[4:8]
    assert ids(engine.jobs(limit=4, before=made[8])) == made[4:8]
    assert ids(engine.jobs(limit=4, before=made[2])) == made[:2]
    assert ids(engine.jobs(after=made[-1])) == []


def test_a_filter_narrows_the_list(engine: Engine) -> None:
    work, mow = jobs_of(engine, 3), jobs_of(engine, 2, "mow")
    sql(engine.database, "UPDATE job SET status = 'DONE' WHERE id = :id", id=work[0])
    assert ids(engine.jobs(JobFilter(handler="mow"))) == mow[::-1]
    assert ids(engine.jobs(JobFilter(status="DONE"))) == work[:1]
    assert ids(engine.jobs(JobFilter(status="DONE", handler="mow"))) == []
    assert ids(engine.jobs(JobFilter(hidden=frozenset({"mow"})))) == work[::-1]


def test_a_persons_active_jobs_are_counted_without_those_that_he_may_not_see(
    engine: Engine,
) -> None:
    person = add_user(engine.database, "ann@example.com", Role.OPERATOR, "a long password")
    mine = [engine.start_new_job("x", person, [], name) for name in ("work", "work", "mow")]
    jobs_of(engine, 2)
    assert engine.count_active_jobs(person.id) == 3
    assert engine.count_active_jobs(person.id, frozenset({"mow"})) == 2
    engine.cancel(mine[0])
    assert engine.count_active_jobs(person.id) == 2
    assert engine.count_active_jobs(person.id + 1) == 0


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("grass", ["grass 100%"]),
        ("GRASS", ["grass 100%"]),
        ("100%", ["grass 100%"]),
        ("0_", []),
        ("mow", ["grass 100%"]),
        ("2", ["roses 2", "by id"]),
        ("#2", ["by id"]),
        ("9" * 30, []),
        ("'; DROP TABLE job; --", []),
    ],
)
def test_a_search_looks_at_names_handlers_and_ids(
    engine: Engine, search: str, found: list[str]
) -> None:
    engine.start_new_job("grass 100%", None, [], "mow")
    engine.start_new_job("by id", None, [], "work")
    engine.start_new_job("roses 2", None, [], "work")
    assert [job.name for job in engine.jobs(JobFilter(search=search))] == found


def test_some_jobs_are_read_by_their_ids(engine: Engine) -> None:
    first, _, third = jobs_of(engine, 3)
    assert ids(engine.jobs_of([third, first, 99])) == [first, third]
    assert engine.jobs_of([]) == []


def test_counts_stop_above_a_thousand(engine: Engine) -> None:
    jobs_of(engine, 1)
    sql(
        engine.database,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) "
        "INSERT INTO job (name, handler, status, created_at) "
        "SELECT 'x', 'mow', 'DONE', '2026-01-01T00:00:00.000000Z' FROM n",
    )
    counts = engine.count_jobs(JobFilter(), JobStatus)
    assert (counts["QUEUED"], counts["DONE"], counts["CANCELLED"]) == (1, 1001, 0)
    assert engine.count_jobs(JobFilter(handler="work"), ["DONE"]) == {"DONE": 0}


def test_a_job_tells_who_cancels_it(engine: Engine, database: Database) -> None:
    user = add_user(database, "anna@example.com", Role.OPERATOR, "correct horse battery")
    (job_id,) = jobs_of(engine, 1)
    sql(
        database,
        "UPDATE job SET cancel_requested_at = '2026-01-02T03:04:05.000006Z', "
        "cancel_requested_by = :user",
        user=user.id,
    )
    job = engine.job(job_id)
    assert job.is_cancelling
    assert job.cancel_requested_by is not None
    assert job.cancel_requested_by.email == "anna@example.com"
    assert job.cancel_requested_at is not None
    assert job.cancel_requested_at.isoformat() == "2026-01-02T03:04:05.000006+00:00"


def test_a_job_without_a_living_worker_says_so_until_one_comes(engines: Engines) -> None:
    clerk = engines(*QUIET.values(), runs=False)
    job_id = clerk.start_new_job("x", None, blank(1), "work")
    assert clerk.job(job_id).no_worker
    assert clerk.jobs()[0].no_worker
    engines(QUIET["work"])
    eventually(lambda: not clerk.job(job_id).no_worker)


def test_a_worker_that_was_silent_past_its_lease_is_none(engines: Engines) -> None:
    engines(QUIET["work"]).stop()
    clerk = engines(*QUIET.values(), runs=False)
    job_id = clerk.start_new_job("x", None, blank(1), "work")
    sql(clerk.database, "UPDATE worker SET alive = true, expires_at = :at", at=iso(now()))
    assert clerk.job(job_id).no_worker


@pytest.fixture
def mixed(engine: Engine) -> tuple[Engine, int, list[int], list[int]]:
    """A job of 30 tasks; its id, the indexes of those that failed, and of the others."""
    job_id = engine.start_new_job("x", None, states(*[{"n": n} for n in range(30)]), "work")
    failed = [2, 3, 11, 17, 29]
    sql(engine.database, "UPDATE task SET status = 'FAILED' WHERE idx IN (2, 3, 11, 17, 29)")
    sql(engine.database, "UPDATE task SET status = 'DONE' WHERE idx IN (4, 5, 6)")
    return engine, job_id, failed, [n for n in range(30) if n not in failed]


Mixed = tuple[Engine, int, list[int], list[int]]


def indexes(tasks: Any) -> list[int]:
    return [task.index for task in tasks]


@pytest.mark.parametrize("limit", [1, 2, 5, 7, 30])
def test_failed_tasks_come_first_page_by_page_there_and_back(mixed: Mixed, limit: int) -> None:
    engine, job_id, failed, others = mixed
    order = failed + others
    pages, after = [], None
    while page := engine.tasks_failed_first(job_id, limit=limit, after=after):
        pages.append(indexes(page))
        after = (page[-1].status == "FAILED", page[-1].index)
    assert [index for page in pages for index in page] == order
    before = (False, 10**6)
    back: list[int] = []
    while page := engine.tasks_failed_first(job_id, limit=limit, before=before):
        back = indexes(page) + back
        before = (page[0].status == "FAILED", page[0].index)
    assert back == order


def test_tasks_are_read_by_index_status_and_version(mixed: Mixed) -> None:
    engine, job_id, failed, others = mixed
    assert indexes(engine.tasks(job_id, limit=3, first=10)) == [10, 11, 12]
    assert indexes(engine.tasks(job_id, limit=3, before=10)) == [7, 8, 9]
    assert indexes(engine.tasks(job_id, limit=9, status="FAILED")) == failed
    assert indexes(engine.tasks(job_id, limit=99, but_status="FAILED")) == others
    assert indexes(engine.tasks(job_id, limit=2, status="FAILED", first=4)) == [11, 17]
    assert engine.tasks(99, limit=5) == []
    with pytest.raises(ValueError, match="not a valid TaskStatus"):
        engine.tasks(job_id, limit=5, status="X' OR 1=1 --")


def test_only_what_changed_since_is_read(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None, parallel_limit=1))
    job_id = engine.start_new_job("x", None, blank(5), "work")
    version = done(engine, job_id).version
    assert indexes(engine.tasks(job_id, limit=9, newer_than=version)) == []
    assert indexes(engine.tasks(job_id, limit=9, newer_than=0)) == [0, 1, 2, 3, 4]


def test_tasks_of_a_status_are_read_by_offset(mixed: Mixed) -> None:
    engine, job_id, failed, _ = mixed
    found = engine.tasks_by_offset(job_id, status="FAILED", offset=1, limit=2)
    assert indexes(found) == failed[1:3]
    assert engine.tasks_by_offset(job_id, status="FAILED", offset=9, limit=2) == []


def test_a_component_reads_tasks_by_page_and_only_the_fields_it_names(mixed: Mixed) -> None:
    engine, job_id, _, _ = mixed
    assert indexes(engine.get_job_tasks(job_id)) == list(range(10))
    assert indexes(engine.get_job_tasks(job_id, limit=2, offset=28)) == [28, 29]
    assert engine.get_job_tasks(job_id, 2, 4, ["index", "state", "status", "nonsense"]) == [
        {"index": 4, "state": {"n": 4}, "status": "DONE"},
        {"index": 5, "state": {"n": 5}, "status": "DONE"},
    ]
    assert engine.get_job_tasks(job_id, 1, 0, ["attempts", "result"]) == [
        {"attempts": 0, "result": None}
    ]
    assert engine.get_job_tasks(job_id, 1, 0, ["nonsense"]) == []


def test_a_task_that_is_not_there_is_named(mixed: Mixed) -> None:
    engine, job_id, _, _ = mixed
    with pytest.raises(TaskNotFound, match=f"Job {job_id} has no task 30"):
        engine.task(job_id, 30)
    assert engine.task(job_id, 0).attempts == []


def test_a_task_that_runs_shows_its_attempt(engines: Engines, gate: Any) -> None:
    engine = engines(Handler(name="work", run=lambda _: gate.wait(20)))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    running(engine, job_id, 1)
    (attempt,) = engine.task(job_id, 0).attempts
    assert (attempt.number, attempt.status, attempt.finished_at) == (1, "IN_PROGRESS", None)
    assert not engine.task(job_id, 0).is_final


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1])
def test_an_id_of_any_size_is_an_unknown_job(engine: Engine, number: int) -> None:
    looks: list[Callable[[int], object]] = [
        engine.job,
        engine.get_job_state,
        lambda job_id: engine.set_job_state_field(job_id, "a", 1),
    ]
    for look in looks:
        with pytest.raises(JobNotFound):
            look(number)


def test_times_are_aware_and_in_utc(engines: Engines) -> None:
    engine = engines(QUIET["work"])
    job = ended(engine, engine.start_new_job("x", None, blank(1), "work"))
    for moment in (job.created_at, job.started_at, job.finished_at):
        assert moment is not None
        assert moment.utcoffset() is not None
        assert not moment.utcoffset()


def test_counts_are_told_by_name(engine: Engine) -> None:
    (job_id,) = jobs_of(engine, 1)
    assert set(engine.job(job_id).counts) == {"total", *(each.lower() for each in TaskStatus)}


def test_a_handler_that_reads_its_own_job_sees_itself_running(engines: Engines) -> None:
    def body(task: Task) -> list[object]:
        row = mirror.job(task.job.id)
        return [row.status, row.in_progress, task.job.name]

    mirror = engines(Handler(name="work", run=body))
    job_id = mirror.start_new_job("Mirror", None, blank(1), "work")
    done(mirror, job_id)
    assert mirror.task(job_id, 0).result == ["IN_PROGRESS", 1, "Mirror"]
