"""A web process that runs nothing, beside worker processes that are told at once (B6, B8, A9)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.eventually import eventually
from tests.jobs.looking import sql
from tests.processes.stage import Stage
from tests.server import Server


@pytest.fixture(scope="module")
def web(shared: Stage) -> Server:
    """A web process that runs no jobs."""
    return shared.web()


@pytest.fixture(scope="module", autouse=True)
def _workers(shared: Stage, web: Server) -> None:
    """Two worker processes, begun after a job for which there was nobody."""
    job_id = web.api("POST", "/jobs", {"handler": "tally"})["id"]
    assert "No worker" in web.get(f"/jobs/{job_id}")
    shared.workers(2)
    eventually(lambda: status(web, job_id) == "DONE", within=20)


def status(web: Server, job_id: int) -> str:
    return str(web.api("GET", f"/jobs/{job_id}")["status"])


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def started(web: Server, handler: str, **params: Any) -> int:
    return int(web.api("POST", "/jobs", {"handler": handler, "params": params})["id"])


def test_a_job_begins_at_once_and_its_end_is_told(web: Server) -> None:
    socket = web.socket("job-updates")
    for _ in range(5):
        job_id = started(web, "tally")
        eventually(lambda: is_told_done(json.loads(socket.recv()), job_id), within=10)  # noqa: B023


def is_told_done(message: dict[str, Any], job_id: int) -> bool:
    told = message.get("data", [])
    jobs = told if isinstance(told, list) else [told]
    return any(job["jobId"] == job_id and job["status"] == "DONE" for job in jobs)


def test_two_processes_share_the_tasks_of_a_job(shared: Stage, web: Server, gate: Path) -> None:
    job_id = started(web, "whereabouts", gate=str(gate), tasks=8)
    eventually(lambda: shared.engine.job(job_id).in_progress == 8, within=10)
    gate.touch()
    eventually(lambda: status(web, job_id) == "DONE", within=10)
    assert shared.ran_in(job_id) == shared.pids()


def test_a_cancel_reaches_what_runs_elsewhere(web: Server, gate: Path) -> None:
    job_id = started(web, "whereabouts", gate=str(gate), tasks=8)
    eventually(lambda: status(web, job_id) == "IN_PROGRESS", within=10)
    web.api("POST", f"/jobs/{job_id}/cancellation")
    eventually(lambda: status(web, job_id) == "CANCELLED", within=10)
    gate.touch()
    web.api("POST", f"/jobs/{job_id}/retry", {"tasks": "all"})
    eventually(lambda: status(web, job_id) == "DONE", within=10)


def test_a_state_that_all_change_at_once_loses_nothing(
    shared: Stage, web: Server, gate: Path
) -> None:
    job_id = started(web, "tally", gate=str(gate), tasks=300)
    at_work = "SELECT DISTINCT worker_id FROM task WHERE job_id = :job AND status = 'IN_PROGRESS'"
    eventually(lambda: len(sql(shared.engine.database, at_work, job=job_id)) == 2, within=10)
    gate.touch()
    for _ in range(20):
        shared.engine.update_job_fields_atomically(
            job_id, lambda state: state.update(n=state.get("n", 0) + 1)
        )
    eventually(lambda: status(web, job_id) == "DONE", within=30)
    assert shared.engine.get_job_state(job_id) == {"n": 320}
    assert len(shared.ran_in(job_id)) == 2
