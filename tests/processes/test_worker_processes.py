"""`jobdeck worker`: what becomes of its processes when one dies, hangs, or all are to stop."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from app.jobs.views import TaskRow
from tests.eventually import eventually
from tests.jobs.looking import done, recounted, running, sql
from tests.processes.stage import KINDS, Stage


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def test_one_that_is_killed_is_replaced_and_the_other_goes_on(stage: Stage, gate: Path) -> None:
    workers = stage.workers(2)
    job_id = stage.engine.start("whereabouts", {"gate": str(gate), "tasks": 16})
    begun(stage, job_id, 8)
    first, second = stage.pids()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: len(stage.pids() - {first, second}) == 1, within=30)
    begun(stage, job_id, 8)
    gate.touch()
    done(stage.engine, job_id)
    assert second in stage.ran_in(job_id)
    assert crashes(stage, job_id) == 4
    assert "was ended by SIGKILL; another one takes its place." in workers.log.read_text()
    assert workers.stop() == 0


def begun(stage: Stage, job_id: int, count: int) -> None:
    """Wait until so many tasks of a job run and have begun: a claimed one may wait for a thread."""
    running(stage.engine, job_id, count)
    eventually(lambda: sum("process" in each.state for each in ran(stage, job_id)) == count)


def ran(stage: Stage, job_id: int) -> list[TaskRow]:
    """The tasks of a job that run."""
    return stage.engine.tasks(job_id, status="IN_PROGRESS", limit=100)


def crashes(stage: Stage, job_id: int) -> int:
    """How many tries of a job's tasks a dead process is blamed for."""
    statement = "SELECT sum(crashes) FROM task WHERE job_id = :id"
    return int(sql(stage.engine.database, statement, id=job_id)[0][0])


def test_when_the_supervisor_is_killed_all_die_and_no_task_is_blamed(
    stage: Stage, gate: Path
) -> None:
    workers = stage.workers(1)
    job_id = stage.engine.start("whereabouts", {"gate": str(gate), "tasks": 4})
    running(stage.engine, job_id, 4)
    (child,) = stage.pids()
    workers.process.kill()
    eventually(lambda: not is_alive(child))
    stage.workers(1)
    gate.touch()
    done(stage.engine, job_id)
    assert crashes(stage, job_id) == 0


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be taken note of does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_waits_for_the_grace_time_and_hands_back_the_rest(
    stage: Stage, gate: Path, number: signal.Signals
) -> None:
    workers = stage.workers(1)
    job_id = stage.engine.start("deaf", {"gate": str(gate), "tasks": 9})
    running(stage.engine, job_id, 4)
    os.killpg(workers.process.pid, number)
    assert workers.process.wait(timeout=30) == 0
    counts = recounted(stage.engine.database, job_id)
    assert (counts["scheduled"], counts["in_progress"]) == (9, 0)
    assert stage.pids() == set()
    assert crashes(stage, job_id) == 0
    assert list((stage.settings.data_dir / "hints").iterdir()) == []


def test_one_whose_thread_hangs_ends_and_is_replaced(stage: Stage, gate: Path) -> None:
    workers = stage.workers(1)
    before = stage.pids()
    job_id = stage.engine.start("hanging", {"gate": str(gate)})
    eventually(lambda: stage.engine.job(job_id).is_final, within=20)
    assert stage.engine.job(job_id).failed == 1
    eventually(lambda: stage.pids() and not stage.pids() & before, within=30)
    assert "A thread hangs beyond the timeout of its task" in workers.log.read_text()
    assert workers.stop() == 0


def test_one_that_cannot_work_any_more_ends_all(stage: Stage) -> None:
    workers = stage.workers(1)
    sql(stage.engine.database, "UPDATE alembic_version SET version_num = 'of tomorrow'")
    os.kill(stage.pids().pop(), signal.SIGKILL)
    assert workers.process.wait(timeout=30) == 1
    assert "that this version of Jobdeck does not know" in workers.log.read_text()


def test_one_without_some_of_its_handlers_says_so_and_runs_the_others(stage: Stage) -> None:
    stage.workers(HANDLERS=f"nowhere.to.be.found,{KINDS}")
    done(stage.engine, stage.engine.start("tally"))
    log = (stage.settings.data_dir / "workers.log").read_text()
    assert "The handler module 'nowhere.to.be.found' cannot be loaded: ModuleNotFoundError" in log
