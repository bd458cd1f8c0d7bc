"""Lists of jobs: by person, day and order; counts that look at few rows and say so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.db import iso
from app.jobs import Engine, Handler, JobFilter
from app.jobs.store import listing
from app.users.people import create_user
from tests.jobs.conftest import Engines
from tests.jobs.looking import sql

DAY = datetime(2026, 3, 1, tzinfo=UTC)
Make = Callable[..., int]


@pytest.fixture
def engine(engines: Engines) -> Engine:
    """An engine that runs nothing."""
    return engines(Handler(name="work", run=print), runs=False)


@pytest.fixture
def make(engine: Engine) -> Make:
    """Writes a job as it is given."""

    def made(**row: Any) -> int:
        job_id = engine.start("work", tasks=[{}])
        for name, value in row.items():
            if isinstance(value, datetime):
                value = iso(value)
            sql(
                engine.database,
                f"UPDATE job SET {name} = :value WHERE id = :id",
                value=value,
                id=job_id,
            )
        return job_id

    return made


def ids(engine: Engine, which: JobFilter | None = None, **more: Any) -> list[int]:
    return [job.id for job in engine.jobs(which, **more)]


def test_jobs_of_a_person(engine: Engine, make: Make) -> None:
    person = create_user(engine.database, email="p@example.com", role="viewer")
    make()
    own = make(started_by=person.id)
    assert ids(engine, JobFilter(started_by=person.id)) == [own]
    assert ids(engine, JobFilter(started_by=0)) == []


def test_jobs_of_some_days(engine: Engine, make: Make) -> None:
    made = [make(created_at=DAY + timedelta(days=number)) for number in (2, 0, 1)]
    in_order = [made[0], made[2], made[1]]
    from_the_second = JobFilter(created_from=DAY + timedelta(days=1))
    assert ids(engine, from_the_second) == in_order[:2]
    assert ids(engine, JobFilter(created_to=DAY + timedelta(days=1))) == in_order[2:]
    both = JobFilter(created_from=DAY, created_to=DAY + timedelta(days=3), status="QUEUED")
    assert ids(engine, both) == in_order
    assert ids(engine, both, after=in_order[0]) == in_order[1:]
    assert ids(engine, both, before=in_order[2], limit=1) == in_order[1:2]
    assert ids(engine, both, sort="created") == in_order[::-1]


@pytest.mark.parametrize("many", [False, True])
def test_jobs_in_another_order(
    engine: Engine, make: Make, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    if many:  # then the order is walked along, else what matches is sorted
        monkeypatch.setattr(listing, "COUNT_CAP", 1)
    first = make(name="b", finished_at=DAY)
    second = make(name="a")
    third = make(name="c", finished_at=DAY - timedelta(days=1), status="DONE")
    assert ids(engine, sort="created") == [first, second, third]
    assert ids(engine, sort="name") == [second, first, third]
    assert ids(engine, sort="-name") == [third, first, second]
    assert ids(engine, sort="finished") == [second, third, first]
    assert ids(engine, sort="-finished", limit=2) == [first, third]
    assert ids(engine, sort="-finished", after=third) == [second]
    queued = JobFilter(status="QUEUED", handler="work")
    assert ids(engine, queued, sort="name") == [second, first]
    assert ids(engine, queued, sort="name", after=second) == [first]


def test_a_tally_counts_each_status(engine: Engine, make: Make) -> None:
    make()
    make(status="DONE")
    make(status="DONE", name="red")
    counts = engine.tally_jobs(JobFilter())
    assert counts["DONE"] == (2, False)
    assert counts["CANCELLED"] == (0, False)
    assert engine.tally_jobs(JobFilter(search="red"))["DONE"] == (1, False)
    assert engine.tally_jobs(JobFilter(search="red"))["QUEUED"] == (0, False)
    assert engine.tally_jobs(JobFilter(hidden=frozenset({"work"})))["DONE"] == (0, False)


def test_a_tally_looks_at_few_rows_and_says_so(
    engine: Engine, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LOOKED_AT", 2)
    monkeypatch.setattr(listing, "COUNT_CAP", 2)
    person = create_user(engine.database, email="p@example.com", role="viewer").id
    for _ in range(2):
        make(status="DONE", name="old", started_by=person, created_at=DAY)
    for _ in range(2):
        make(status="DONE", started_by=person, created_at=DAY)
    make()
    assert engine.tally_jobs(JobFilter())["DONE"] == (3, True)
    assert engine.tally_jobs(JobFilter())["QUEUED"] == (1, False)
    assert engine.tally_jobs(JobFilter(search="old"))["DONE"] == (0, True)
    for which in (
        JobFilter(started_by=person),
        JobFilter(created_to=DAY + timedelta(days=1)),
        JobFilter(started_by=person, handler="work", created_from=DAY),
    ):
        assert engine.tally_jobs(which)["DONE"] == (2, True)
        assert engine.tally_jobs(which)["CANCELLED"] == (0, True)
    of_handler = engine.tally_jobs(JobFilter(handler="work"))
    assert (of_handler["QUEUED"], of_handler["DONE"]) == ((1, True), (1, True))
    assert engine.tally_jobs(JobFilter(handler="gone"))["DONE"] == (0, False)
