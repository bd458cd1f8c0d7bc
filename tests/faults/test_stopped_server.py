"""SIGTERM to the real server: out within its grace time, whoever watches and whatever runs."""

from __future__ import annotations

import json
from pathlib import Path

from app.jobs import Engine
from tests.at_work import Gate
from tests.eventually import eventually
from tests.server import server_without_demo


def test_a_stop_with_open_sockets_and_long_tasks_hands_them_back(
    folder: Path, looking: Engine
) -> None:
    gate = Gate(folder / "gate")
    server = server_without_demo(folder, GRACE_SECONDS=1)
    server.start()
    try:
        server.sign_in()
        body = {"handler": "stubborn", "params": gate.params(tasks=3)}
        job_id = server.api("POST", "/jobs", body)["id"]
        sockets = [server.socket("job-updates") for _ in range(3)]
        assert all(json.loads(each.recv())["subscribed"] for each in sockets)
        eventually(lambda: looking.job(job_id).in_progress == 3, within=20)
        assert server.stop(within=15) == 0
        left = looking.job(job_id)
        assert (left.scheduled, left.in_progress) == (3, 0)
        gate.open()
        server.start()
        eventually(lambda: looking.job(job_id).is_final, within=20)
    finally:
        server.kill()
    assert [task.attempt for task in looking.tasks(job_id, limit=9)] == [1, 1, 1]
    assert looking.job(job_id).done == 3
