"""Jobs that are deleted, and jobs that get another name (A17)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app.jobs import Handler, Task
from app.jobs.errors import InvalidParams, JobNotEnded, JobNotFound
from app.jobs.store import removing
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended, running, sql

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}
WORK = Handler(name="work", run=lambda task: task.log("ran"), **FREE)


def test_a_job_goes_with_its_tasks_its_attempts_and_its_log(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.log("about to fail")
        raise ValueError

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(3), "work")
    kept = engine.start_new_job("kept", None, blank(1), "work")
    for each in (job_id, kept):
        ended(engine, each)
    heard: list[int] = []
    with engine.bus.watching(heard.extend):
        engine.delete_job(job_id)
    assert heard.count(job_id) == 1, "besides it, the last word of the other job may come"
    with pytest.raises(JobNotFound):
        engine.job(job_id)
    assert [job.id for job in engine.jobs()] == [kept]
    assert engine.tasks(job_id, limit=9) == []
    for table in ("job", "task", "attempt", "log_line"):
        assert sql(engine.database, f"SELECT count(*) FROM {table}") == [(1,)]


def test_no_job_gets_the_id_of_a_deleted_one(engines: Engines) -> None:
    engine = engines(WORK)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    done(engine, job_id)
    engine.delete_job(job_id)
    assert engine.start_new_job("x", None, blank(1), "work") > job_id


@pytest.mark.parametrize("starts", [False, True])
def test_a_job_that_has_not_ended_is_refused(
    engines: Engines, gate: threading.Event, starts: bool
) -> None:
    engine = engines(Handler(name="work", run=lambda _: gate.wait(20)))
    job_id = engine.start_new_job("x", None, blank(1), "work", auto_start=starts)
    if starts:
        running(engine, job_id, 1)
        engine.cancel(job_id)
    before = engine.job(job_id)
    with pytest.raises(JobNotEnded, match=r"it cannot be deleted\. Wait for its end, or cancel it"):
        engine.delete_job(job_id)
    # Its worker may have said something of it meanwhile; what it consists of is as it was.
    after = engine.job(job_id)
    assert (after.status, after.counts) == (before.status, before.counts)


def test_there_must_be_a_job_and_it_is_deleted_once(engines: Engines) -> None:
    engine = engines(WORK)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    done(engine, job_id)
    engine.delete_job(job_id)
    for each in (job_id, 77):
        with pytest.raises(JobNotFound):
            engine.delete_job(each)


def test_a_large_one_is_gone_at_once_and_its_rows_by_and_by(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removing, "CHUNK", 10)
    monkeypatch.setattr("app.jobs.housekeeping.PATIENCE_SECONDS", 0)
    monkeypatch.setattr("app.jobs.housekeeping.CLEAN_SECONDS", 0.02)
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(95), "work")
    engine.cancel(job_id)
    engine.delete_job(job_id)
    assert (engine.jobs(), engine.active_versions()) == ([], {})
    assert sql(engine.database, "SELECT count(*) FROM task") == [(85,)]
    for change in (
        lambda: engine.retry(job_id, "all"),
        lambda: engine.cancel(job_id),
        lambda: engine.rename_job(job_id, "y"),
        lambda: engine.set_job_state_field(job_id, "a", 1),
        lambda: engine.add_new_tasks_to_existing_job(job_id, blank(1)),
        lambda: engine.delete_tasks_from_existing_job(job_id, [1]),
        lambda: engine.delete_job(job_id),
    ):
        with pytest.raises(JobNotFound):
            change()
    engine.run()
    eventually(lambda: sql(engine.database, "SELECT id FROM job UNION SELECT id FROM task") == [])


def test_a_job_gets_another_name_whatever_it_does(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    version, heard = engine.job(job_id).version, list[int]()
    with engine.bus.watching(heard.extend):
        job = engine.rename_job(job_id, "  Größe <b>\0 ")
    assert (job.name, job.version > version, heard) == ("Größe <b>\\0", True, [job_id])
    engine.run()
    done(engine, job_id)
    assert engine.rename_job(job_id, "y" * 500).name == "y" * 500


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("two\r\nlines\t\x1b[2J", "two lines [2J"),
        ("turned \u202eround", "turned round"),
        ("team 👩\u200d🔧", "team 👩\u200d🔧"),
        ("\u200b \u3000\x07", "Work"),
    ],
)
def test_a_name_is_one_line_in_which_something_is_seen(
    engines: Engines, given: str, kept: str
) -> None:
    engine = engines(WORK, runs=False)
    assert engine.job(engine.start("work", name=given)).name == kept


@pytest.mark.parametrize(
    ("name", "said"), [(" \n\u200b\u202e", "Write a name."), ("x" * 501, "at most 500")]
)
def test_a_name_must_be_one(engines: Engines, name: str, said: str) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    with pytest.raises(InvalidParams) as refused:
        engine.rename_job(job_id, name)
    assert said in refused.value.fields["name"][0]
    assert engine.job(job_id).name == "x"
    with pytest.raises(JobNotFound):
        engine.rename_job(77, "y")
