"""A connection that breaks, or a server that restarts, loses nothing and repeats nothing."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from app.db import Database
from app.jobs import Handler, Task
from app.jobs.store import claiming, keeping, recording
from app.jobs.store.claiming import Order
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.locking import cut_connections
from tests.jobs.looking import blank, done, recounted, sql

pytestmark = pytest.mark.about_servers("SQLite's connections cannot be cut")

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}
WORK = Handler(name="work", run=print)


def count(state: dict[str, Any]) -> None:
    state["sum"] = state.get("sum", 0) + 1


def test_every_task_runs_once_and_counts_once_however_often_connections_break(
    engines: Engines,
) -> None:
    ran: list[int] = []

    def body(task: Task) -> int:
        ran.append(task.index)
        task.log("said")
        task.job.update_fields_atomically(count)
        return task.attempt

    engine = engines(Handler(name="work", run=body, **FREE), threads=8)
    job_id = engine.start_new_job("x", None, blank(300), "work")
    looker = engines(WORK, runs=False)
    for many in range(20, 220, 20):
        eventually(lambda many=many: len(ran) >= many, within=30)  # type: ignore[misc]
        cut_connections(looker.database)
    job = done(looker, job_id, within=60)
    assert sorted(ran) == list(range(300))
    assert job.counts == recounted(looker.database, job_id)
    assert (job.done, job.state) == (300, {"sum": 300})
    assert sql(looker.database, "SELECT count(*) FROM log_line") == [(300,)]


class Broken:
    """Lets something be done and its answer be lost, once."""

    def __init__(self, act: Any) -> None:
        self._act = act
        self.is_broken = False

    def __call__(self, *about: Any) -> Any:
        answer = self._act(*about)
        if not self.is_broken:
            self.is_broken = True
            raise OperationalError("COMMIT", None, Exception("the connection is lost"))
        return answer


def test_a_claim_whose_answer_is_lost_runs(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Broken(claiming.claim)
    engine = engines(Handler(name="work", run=lambda task: task.attempt, **FREE), runs=False)
    job_id = engine.start_new_job("x", None, blank(9), "work")
    monkeypatch.setattr(claiming, "claim", claim)
    engine.run()
    done(engine, job_id)
    assert {task.result for task in engine.tasks(job_id, limit=9)} == {1}


def test_a_group_whose_answer_is_lost_is_written_once(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body(task: Task) -> None:
        task.log("said")
        task.job.update_fields_atomically(count)

    monkeypatch.setattr(recording, "write_group", Broken(recording.write_group))
    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert done(engine, job_id).state == {"sum": 1}
    assert len(engine.log(job_id)) == 1


def test_a_handler_whose_read_breaks_reads_again(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "job_state", Broken(recording.job_state))
    engine = engines(
        Handler(name="work", run=lambda task: task.job.update_fields_atomically(count))
    )
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert done(engine, job_id).state == {"sum": 1}


@pytest.fixture
def worker_id(database: Database) -> int:
    """A worker that lives."""
    about = keeping.NewWorker(host="here", pid=1, mark="m", handlers=["work"], lease=60)
    with database.writing() as connection:
        return keeping.register(connection, about)


def test_an_order_that_comes_too_late_is_not_carried_out(
    engines: Engines, worker_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    with engine.database.writing() as connection:
        keeping.declare_handlers(connection, {"work": keeping.Declared()})

    def claimed(number: int, order: Order) -> str:
        monkeypatch.setattr(claiming, "next_number", lambda: number)
        with engine.database.writing_once() as connection:
            claiming.claim(connection, worker_id, order)
        return str(engine.job(job_id).status)

    assert claimed(2, Order()) == "QUEUED"
    assert claimed(1, Order(start=[(job_id, 1)])) == "QUEUED"
    assert claimed(3, Order(start=[(job_id, 1)])) == "IN_PROGRESS"


def test_the_clock_of_a_host_ends_no_lease(
    database: Database, worker_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stepped in ("2001-01-01T00:00:00Z", "2101-01-01T00:00:00Z"):
        monkeypatch.setattr(keeping, "iso", lambda _, stepped=stepped: stepped)
        with database.writing_once() as connection:
            assert keeping.renew(connection, worker_id, 60)
            (row,) = keeping.living(connection, but=0)
        assert not row.is_late
