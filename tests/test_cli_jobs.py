"""`jobdeck jobs cancel, retry, rename, delete`: what they do, and with which code they end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from app.config import Settings
from app.db import Database
from app.jobs import Engine, Handler, Registry, Task
from tests.command import Run
from tests.eventually import eventually

FAST = '{"steps": 2, "seconds": 0}'


def fail_at_first(task: Task) -> None:
    """Fail, unless it was tried before."""
    if task.attempt == 1:
        raise ValueError("at first")


@pytest.fixture
def running(database: Database, settings: Settings) -> Iterator[Engine]:
    """An engine that runs jobs, as a server beside the command line."""
    handler = Handler(name="moody", run=fail_at_first, concurrency_limit=None)
    engine = Engine(database, settings, Registry([handler]))
    engine.run()
    yield engine
    engine.begin_stop()
    engine.stop()


@pytest.fixture
def failed(running: Engine) -> int:
    """A job of three tasks, all of which failed."""
    job_id = running.start_new_job("Three", None, [{}, {}, {}], "moody")
    eventually(lambda: running.job(job_id).is_final)
    return job_id


@pytest.fixture
def waiting(jobdeck: Run, database: Database) -> int:
    """A job that nobody runs."""
    assert database.is_sqlite
    started = jobdeck("jobs", "start", "example_job_handler", "--params", FAST, "--json")
    job_id: int = json.loads(started.out)["id"]
    return job_id


def test_a_job_that_waits_is_cancelled(jobdeck: Run, waiting: int) -> None:
    ended = jobdeck("jobs", "cancel", str(waiting))
    assert (ended.code, ended.out) == (0, f"Job {waiting} is cancelled.\n")
    again = jobdeck("jobs", "cancel", str(waiting), "--json")
    assert again.code == 0
    assert json.loads(again.out)["status"] == "CANCELLED"


def test_a_job_that_runs_is_said_to_be_cancelling(
    jobdeck: Run, database: Database, waiting: int
) -> None:
    with database.writing() as connection:
        # As if a worker of another machine had begun.
        connection.exec_driver_sql("UPDATE job SET status = 'IN_PROGRESS', started_at = created_at")
        connection.exec_driver_sql("UPDATE task SET status = 'IN_PROGRESS' WHERE idx = 0")
        connection.exec_driver_sql("UPDATE job SET scheduled = scheduled - 1, in_progress = 1")
    ended = jobdeck("jobs", "cancel", str(waiting))
    assert (ended.code, ended.out) == (0, f"Cancelling job {waiting}; tasks that still run: 1.\n")


def test_a_job_that_has_ended_cannot_be_cancelled(jobdeck: Run, failed: int) -> None:
    ended = jobdeck("jobs", "cancel", str(failed))
    assert ended.code == 1
    assert "has ended already (DONE_WITH_ERRORS)" in ended.err


@pytest.mark.parametrize(
    ("tasks", "attempts"),
    [([], [2, 2, 2]), (["--tasks", "failed"], [2, 2, 2]), (["--tasks", "0,2"], [2, 1, 2])],
)
def test_failed_or_chosen_tasks_run_again(
    jobdeck: Run, running: Engine, failed: int, tasks: list[str], attempts: list[int]
) -> None:
    ended = jobdeck("jobs", "retry", str(failed), *tasks)
    assert (ended.code, ended.out) == (0, f"Trying job {failed} again.\n")
    eventually(lambda: running.job(failed).is_final)
    assert [task.attempt for task in running.tasks(failed, limit=9)] == attempts


def test_the_end_of_another_try_can_be_waited_for(jobdeck: Run, failed: int) -> None:
    ended = jobdeck("jobs", "retry", str(failed), "--tasks", "1", "--wait", "--json")
    assert (ended.code, json.loads(ended.out)["status"]) == (1, "DONE_WITH_ERRORS")
    ended = jobdeck("jobs", "retry", str(failed), "--tasks", "unfinished", "--wait")
    assert ended.code == 0
    assert "DONE" in ended.out


def test_a_job_gets_another_name(jobdeck: Run, waiting: int) -> None:
    ended = jobdeck("jobs", "rename", str(waiting), "Better so")
    assert (ended.code, ended.out) == (0, f"Job {waiting} is now named Better so.\n")
    ended = jobdeck("jobs", "rename", str(waiting), "Best so", "--json")
    assert json.loads(ended.out)["name"] == "Best so"


def test_a_job_that_has_ended_is_deleted_once_that_is_confirmed(
    jobdeck: Run, running: Engine, failed: int
) -> None:
    ended = jobdeck("jobs", "delete", str(failed), stdin="n\n")
    assert ended.code == 1
    assert f"Delete job {failed}, Three, for good?" in ended.out
    assert running.job(failed).total == 3
    assert jobdeck("jobs", "delete", str(failed), stdin="y\n").code == 0
    ended = jobdeck("jobs", "show", str(failed))
    assert (ended.code, ended.err) == (
        1,
        f"Error: There is no job {failed}; it may have been deleted.\n",
    )


def test_a_script_deletes_without_being_asked(jobdeck: Run, failed: int) -> None:
    ended = jobdeck("jobs", "delete", str(failed), "--yes")
    assert (ended.code, ended.out) == (0, f"Job {failed} is deleted.\n")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["cancel", "7"], 1, "There is no job 7"),
        (["cancel", "x"], 2, "x"),
        (["cancel"], 2, "ID"),
        (["retry", "7"], 1, "There is no job 7"),
        (["retry", "{id}"], 1, "has not ended yet"),
        (["retry", "{id}", "--tasks", "some"], 2, "Write failed, unfinished, all, or indexes"),
        (["retry", "{id}", "--tasks", ""], 2, "Write failed"),
        (["retry", "{id}", "--tasks", "1,,2"], 2, "Write failed"),
        (["retry", "{id}", "--tasks", "-1"], 2, "Write failed"),
        (["retry", "{id}", "--tasks", "99999999999"], 2, "Write failed"),
        (["rename", "7", "x"], 1, "There is no job 7"),
        (["rename", "{id}", " "], 1, "Write a name"),
        (["rename", "{id}"], 2, "NAME"),
        (["delete", "7", "--yes"], 1, "There is no job 7"),
        (["delete", "{id}", "--yes"], 1, "has not ended yet"),
        (["delete", "0"], 2, "0"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    jobdeck: Run, waiting: int, arguments: list[str], code: int, sentence: str
) -> None:
    ended = jobdeck("jobs", *[each.format(id=waiting) for each in arguments])
    assert ended.code == code
    assert sentence in ended.err
    assert ended.out == ""


def test_a_job_says_why_it_does_not_run(jobdeck: Run, waiting: int) -> None:
    shown = jobdeck("jobs", "show", str(waiting))
    assert "waits: No worker runs at all." in shown.out
    told = json.loads(jobdeck("jobs", "show", str(waiting), "--json").out)
    assert told["waiting_for"]["code"] == "no_worker"
    jobdeck("jobs", "cancel", str(waiting))
    assert "waits:" not in jobdeck("jobs", "show", str(waiting)).out
