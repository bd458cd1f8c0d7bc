"""Faults that were seen in AdminForth's plugin for background jobs, and are not to be seen here.

Numbers are those of the list that was made when the plugin was run, killed and looked at. Faults
of killed processes are in tests/faults, those of the web in tests/web.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.jobs import Engine, Handler, JobStatus, Task
from app.jobs.errors import JobEnded, JobNotEnded, JobNotFound, TaskBegun
from app.jobs.store import creating, keeping
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.locking import locked
from tests.jobs.looking import blank, done, recounted, sql

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}
WORK = Handler(name="work", run=lambda task: task.index, **FREE)


def die(engine: Engine) -> None:
    """Do to a running engine what its death and its next life would do."""
    for (worker_id,) in sql(engine.database, "SELECT id FROM worker WHERE alive"):
        keeping.bury(engine.database, worker_id, keeping.Death(ran=(), blames_tasks=False))


def test_1_a_creation_that_is_cut_short_leaves_no_smaller_job(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creating, "CHUNK", 10)
    engine = engines(WORK)

    def cut_short() -> Iterator[dict[str, Any]]:
        yield from blank(55)
        raise SystemExit

    with pytest.raises(SystemExit):
        engine.start_new_job("x", None, cut_short(), "work")
    assert sql(engine.database, "SELECT id FROM job UNION ALL SELECT id FROM task") == []


def test_2_and_4_deaths_lose_no_task_and_run_no_finished_one_again(engines: Engines) -> None:
    ran: list[int] = []

    def body(task: Task) -> None:
        was_done = engine.task(task.job.id, task.index).status == "DONE"
        for number in range(5):
            task.set_state_field("n", number)
        if was_done:
            # A thread of a worker that is taken for dead may look late: it may say nothing more.
            task.flush()
            ran.append(-1)
        ran.append(task.index)

    engine = engines(Handler(name="work", run=body, **FREE), heartbeat_seconds=0.02)
    job_id = engine.start_new_job("x", None, blank(300), "work")
    least = 0
    for share in range(1, 7):
        eventually(lambda share=share: engine.job(job_id).done >= 40 * share)  # type: ignore[misc]
        assert engine.job(job_id).done >= least
        least = engine.job(job_id).done
        die(engine)
    job = done(engine, job_id)
    assert set(ran) == set(range(300))
    assert job.counts == recounted(engine.database, job_id)
    assert all(task.state == {"n": 4} for task in engine.tasks(job_id, limit=300))


def test_3_every_look_at_the_tasks_of_a_running_job_shows_them_all(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.set_state_field("n", task.index)
        task.sleep(0.001)

    engine = engines(Handler(name="work", run=body, **FREE))
    job_id = engine.start_new_job("x", None, blank(400), "work")
    looks = 0
    while not engine.job(job_id).is_final:
        found = [task.index for task in engine.get_job_tasks(job_id, limit=400)]
        assert found == list(range(400))
        looks += 1
    assert looks > 3


def test_5_deleting_tasks_leaves_no_other_behind_also_across_a_restart(engines: Engines) -> None:
    engine = engines(WORK, runs=False)
    job_id = engine.start_new_job("x", None, blank(30), "work")
    engine.delete_tasks_from_existing_job(job_id, [3, 7])
    engine.run()
    eventually(lambda: engine.job(job_id).done)
    engine.stop()
    engine.run()
    job = done(engine, job_id)
    assert (job.done, job.total, job.progress) == (28, 28, 100)
    found = engine.tasks(job_id, limit=99)
    assert [task.result for task in found] == [n for n in range(30) if n not in (3, 7)]


def test_5_a_running_task_is_not_deleted(engines: Engines, gate: threading.Event) -> None:
    engine = engines(Handler(name="work", run=lambda _: gate.wait(20), **FREE))
    job_id = engine.start_new_job("x", None, [{"state": {"a": 1}}], "work")
    eventually(lambda: engine.job(job_id).in_progress)
    with pytest.raises(TaskBegun):
        engine.delete_tasks_from_existing_job(job_id, [0])
    gate.set()
    done(engine, job_id)
    assert engine.task(job_id, 0).state == {"a": 1}


def test_6_a_job_started_while_the_engine_boots_runs_once(engines: Engines) -> None:
    ran: list[int] = []
    work = Handler(name="work", run=lambda task: ran.append(task.index), **FREE)
    for _ in range(6):
        engine = engines(work, runs=False)
        boot = threading.Thread(target=engine.run)
        boot.start()
        job_id = engine.start_new_job("x", None, blank(40), "work")
        boot.join()
        done(engine, job_id)
        assert sorted(ran) == list(range(40))
        ran.clear()


def test_7_three_who_add_ten_tasks_at_once_add_thirty(engines: Engines) -> None:
    engine = engines(WORK)
    job_id = engine.start_new_job("x", None, blank(1), "work", auto_start=False)
    add = engine.add_new_tasks_to_existing_job
    adders = [threading.Thread(target=add, args=[job_id, blank(10)]) for _ in range(3)]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    engine.start_next_queued_job("work")
    job = done(engine, job_id)
    assert (job.total, job.done) == (31, 31)
    assert job.counts == recounted(engine.database, job_id)


def test_8_a_job_with_tasks_to_skip_ends(engines: Engines) -> None:
    engine = engines(WORK)
    tasks = [{"state": {}, "skip": True}] * 10 + blank(1)
    assert done(engine, engine.start_new_job("x", None, tasks, "work")).skipped == 10


def test_9_no_cancel_that_was_answered_well_is_of_a_job_that_ends_well(engines: Engines) -> None:
    engine = engines(WORK)
    for pause in range(40):
        job_id = engine.start_new_job("x", None, blank(3), "work")
        for _ in range(pause):
            engine.job(job_id)
        try:
            engine.cancel(job_id)
        except JobEnded:
            assert engine.job(job_id).status == JobStatus.DONE
        else:
            eventually(lambda job_id=job_id: engine.job(job_id).is_final)  # type: ignore[misc]
            assert engine.job(job_id).status == JobStatus.CANCELLED


def test_10_a_job_whose_tasks_are_still_written_does_not_run(engines: Engines) -> None:
    ran: list[int] = []
    engine = engines(Handler(name="work", run=lambda task: ran.append(task.index), **FREE))

    def tasks() -> Iterator[dict[str, Any]]:
        for number in range(6_000):
            if number == 5_500:
                done(engine, engine.start_new_job("other", None, blank(1), "work"))
                assert ran == [0]
            yield {"state": {}}

    assert done(engine, engine.start_new_job("x", None, tasks(), "work")).done == 6_000


def test_10_the_error_of_a_task_stays_out_of_the_state_of_its_job(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda task: 1 / task.index, **FREE))
    job_id = engine.start_new_job("x", None, blank(2), "work", {"error": "the author's own"})
    eventually(lambda: engine.job(job_id).is_final)
    assert engine.job(job_id).state == {"error": "the author's own"}
    assert engine.task(job_id, 0).error == "ZeroDivisionError: division by zero"


@pytest.mark.about_sqlite("the backup of PostgreSQL is its own affair")
def test_11_a_backup_of_the_database_has_the_tasks_too(engines: Engines, tmp_path: Path) -> None:
    engine = engines(WORK)
    done(engine, engine.start_new_job("x", None, blank(25), "work"))
    copy = sqlite3.connect(tmp_path / "copy")
    original = sqlite3.connect(str(engine.database.url.database))
    original.backup(copy)
    assert copy.execute("SELECT count(*) FROM task WHERE status = 'DONE'").fetchone() == (25,)
    assert copy.execute("PRAGMA synchronous").fetchone() == (2,)
    original.close()
    copy.close()


def test_12_a_running_job_is_not_deleted(engines: Engines, gate: threading.Event) -> None:
    engine = engines(Handler(name="work", run=lambda _: gate.wait(20), **FREE))
    job_id = engine.start_new_job("x", None, blank(2), "work")
    eventually(lambda: engine.job(job_id).in_progress)
    with pytest.raises(JobNotEnded):
        engine.delete_job(job_id)
    gate.set()
    done(engine, job_id)


def test_12_a_running_job_whose_row_is_deleted_by_hand_stops_nothing_else(
    engines: Engines, gate: threading.Event
) -> None:
    begun: list[int] = []
    heard: list[str] = []

    def body(task: Task) -> None:
        if task.job.name == "deleted":
            begun.append(task.index)
            assert gate.wait(20)
            task.set_state_field("a", 1)
            task.log("gone")
            task.flush()
            with pytest.raises(JobNotFound):
                task.job.set_state_field("a", 1)
            heard.append("went on")

    engine = engines(Handler(name="work", run=body, **FREE))
    job_id = engine.start_new_job("deleted", None, blank(9), "work")
    eventually(lambda: len(begun) == 4)
    beside = engine.start_new_job("beside", None, blank(9), "work", auto_start=False)
    sql(engine.database, "DELETE FROM job WHERE id = :id", id=job_id)
    gate.set()
    eventually(lambda: heard)
    engine.start_queued_jobs("work")
    done(engine, beside)
    next_id = engine.start_new_job("next", None, blank(9), "work")
    assert next_id > job_id
    done(engine, next_id)
    assert sql(engine.database, "SELECT running FROM handler WHERE name = 'work'") == [(0,)]


def test_13_a_database_locked_by_another_program_stops_nothing(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engines.LOCK_SECONDS", 0.05)
    engine = engines(WORK)
    job_id = engine.start_new_job("x", None, blank(2_000), "work")
    with locked(engine.database):
        eventually(lambda: engine.trouble)
    done(engine, job_id)


def test_14_a_second_process_starts_beside_the_first_and_helps(engines: Engines) -> None:
    ran: list[int] = []
    work = Handler(name="work", run=lambda task: ran.append(task.index), **FREE)
    engine = engines(work)
    job_id = engine.start_new_job("x", None, blank(800), "work")
    engines(work)
    done(engine, job_id)
    assert sorted(ran) == list(range(800))


def test_15_finished_jobs_hold_no_file_open(engines: Engines) -> None:
    engine = engines(WORK)

    def run(jobs: int) -> int:
        for job_id in [engine.start_new_job("x", None, blank(1), "work") for _ in range(jobs)]:
            done(engine, job_id)
        return len(os.listdir("/proc/self/fd"))

    before = run(20)
    assert run(100) <= before + 8


def test_16_a_job_whose_handler_is_gone_says_so_and_blocks_nobody(engines: Engines) -> None:
    gone = engines(Handler(name="gone", run=print), runs=False)
    stuck = gone.start_new_job("stuck", None, blank(2), "gone")
    sql(gone.database, "UPDATE job SET status = 'IN_PROGRESS' WHERE id = :id", id=stuck)
    engine = engines(Handler(name="work", run=lambda _: None, concurrency_limit=1))
    done(engine, engine.start_new_job("x", None, blank(3), "work"))
    assert engine.job(stuck).no_worker
    engines(Handler(name="gone", run=lambda _: None))
    done(engine, stuck)


def test_16_a_row_put_in_progress_by_hand_holds_no_slot_for_ever(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None, concurrency_limit=1))
    sql(
        engine.database,
        "INSERT INTO job (name, handler, status, created_at) "
        "VALUES ('by hand', 'work', 'IN_PROGRESS', '2026-01-01T00:00:00.000000Z')",
    )
    done(engine, engine.start_new_job("x", None, blank(3), "work"))
    assert [job.status for job in engine.jobs()] == [JobStatus.DONE] * 2


def test_20_asking_for_a_job_that_is_not_there_makes_no_file(
    engines: Engines, settings: Settings
) -> None:
    engine = engines(WORK)
    before = sorted(settings.data_dir.rglob("*"))
    for job_id in (0, -1, 10**9):
        assert engine.tasks(job_id, limit=5) == []
        with pytest.raises(JobNotFound):
            engine.job(job_id)
    assert sorted(settings.data_dir.rglob("*")) == before


def test_22_progress_reaches_100_and_never_falls(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda task: 1 / (task.index % 3), **FREE))
    assert done(engine, engine.start_new_job("empty", None, [], "work")).progress == 100
    job_id = engine.start_new_job("x", None, blank(500), "work")
    seen = [0]
    while not engine.job(job_id).is_final:
        seen.append(engine.job(job_id).progress)
    assert seen == sorted(seen)
    assert engine.job(job_id).progress == 100
