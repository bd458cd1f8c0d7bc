"""Several web processes on PostgreSQL: each serves pages, runs jobs and follows the others."""

from __future__ import annotations

from pathlib import Path

from tests.eventually import eventually
from tests.processes.stage import Stage


def test_each_runs_jobs_and_all_stop_with_sockets_open(elsewhere: Stage, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    server = elsewhere.web(WEB_PROCESSES=2, RUN_WORKER=1, THREADS=4)
    eventually(lambda: len(elsewhere.pids()) == 2, within=30)
    job_id = elsewhere.engine.start("whereabouts", {"gate": str(gate), "tasks": 8})
    eventually(lambda: elsewhere.engine.job(job_id).in_progress == 8, within=10)
    # Whichever process each of them has come to, it hears what happens in the other one.
    sockets = [server.socket(f"job-task-updates/{job_id}") for _ in range(4)]
    gate.touch()
    for each in sockets:
        eventually(lambda: "DONE" in each.recv(), within=10)  # noqa: B023
    eventually(lambda: elsewhere.engine.job(job_id).is_final, within=10)
    assert elsewhere.ran_in(job_id) == elsewhere.pids()
    keys = list(elsewhere.settings.data_dir.glob("*secret_key*"))
    assert len(keys) == 1, "they start at once, and sign sessions with one key"
    assert server.stop(within=20) == 0
    assert elsewhere.pids() == set()
