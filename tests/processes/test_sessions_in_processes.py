"""Handlers, their generators and their validators have db.session in every kind of process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.jobs.looking import done, sql
from tests.processes.stage import KINDS, Stage
from tests.server import ROOT


@pytest.mark.parametrize("host", ["worker", "web"])
def test_each_process_hands_handlers_a_session(stage: Stage, host: str) -> None:
    if host == "worker":
        stage.workers()
    else:
        stage.web(RUN_WORKER=1)
    said = start(stage, "exports nothing")
    assert "There is no such row" in said.stderr
    job_id = json.loads(start(stage, "rewrite").stdout)["id"]
    done(stage.engine, job_id)
    assert stage.engine.task(job_id, 0).result == "app"
    (row,) = sql(stage.engine.database, "SELECT roles FROM handler WHERE name = 'rewrite'")
    assert json.loads(row[0]) == {"view": "viewer"}


def start(stage: Stage, name: str) -> subprocess.CompletedProcess[str]:
    """Start a job by the command line, whose generator and validator read the database."""
    said = {"JOBDECK_DATA_DIR": str(stage.settings.data_dir), "JOBDECK_HANDLERS": KINDS}
    command = [sys.executable, "-c", "from app.cli import main; main()", "jobs", "start", "rewrite"]
    return subprocess.run(
        [*command, "--json", "--params", json.dumps({"name": name})],
        cwd=ROOT, env=os.environ | said, capture_output=True, text=True,
    )  # fmt: skip
