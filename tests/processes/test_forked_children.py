"""Children that a handler has forked: they end with their server, and hold nothing of it."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.eventually import eventually
from tests.processes.forking import WAYS
from tests.processes.stage import Stage
from tests.server import Server, server_without_demo

FORKING = "tests.processes.forking"
#: A worker whose lock is held is believed to live for so long.
LONG = {"HEARTBEAT_SECONDS": 60, "LEASE_SECONDS": 120}


@pytest.fixture
def server(tmp_path: Path) -> Any:
    server = server_without_demo(tmp_path, HANDLERS=FORKING, GRACE_SECONDS=2, **LONG)
    server.start()
    server.sign_in()
    yield server
    server.kill()


def started(web: Server, handler: str, **params: Any) -> int:
    return int(web.api("POST", "/jobs", {"handler": handler, "params": params})["id"])


def first_task(web: Server, job_id: int) -> Any:
    return web.api("GET", f"/jobs/{job_id}/tasks")["tasks"][0]


def children(web: Server, job_id: int) -> list[int]:
    return list(first_task(web, job_id)["state"].get("pids", []))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def are_dead(pids: list[int]) -> bool:
    return not [pid for pid in pids if is_alive(pid)]


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_was_killed_comes_back_at_once(server: Server, way: str) -> None:
    job_id = started(server, "forks", way=way)
    pids = eventually(lambda: children(server, job_id), within=30)
    assert [pid for pid in pids if is_alive(pid)] == pids
    os.kill(server.process.pid, signal.SIGKILL)  # and nobody else
    server.process.wait()
    eventually(lambda: are_dead(pids), within=10)
    server.start()
    eventually(lambda: first_task(server, job_id)["status"] == "DONE", within=20)


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_a_killed_worker_process_leaves_nothing_behind(stage: Stage, way: str) -> None:
    web = stage.web(HANDLERS=FORKING, **LONG)
    workers = stage.workers(HANDLERS=FORKING, **LONG)
    job_id = started(web, "forks", way=way)
    pids = eventually(lambda: children(web, job_id), within=30)
    os.kill(workers.process.pid, signal.SIGKILL)  # which watches over the others
    workers.process.wait()
    eventually(lambda: are_dead(pids), within=10)
    stage.workers(HANDLERS=FORKING, **LONG)
    eventually(lambda: first_task(web, job_id)["status"] == "DONE", within=20)


def test_pools_end_and_outlive_the_thread_that_made_them(server: Server) -> None:
    job_id = started(server, "pools")
    eventually(lambda: ended(server, job_id), within=60)
    tasks = server.api("GET", f"/jobs/{job_id}/tasks")["tasks"]
    assert [(task["status"], task["result"]) for task in tasks] == [("DONE", [1, 2])] * 12


def test_connections_to_a_server_outlive_the_children(elsewhere: Stage) -> None:
    web = elsewhere.web(HANDLERS=FORKING, RUN_WORKER=1)
    for _ in range(2):
        job_id = started(web, "pools")
        eventually(lambda: ended(web, job_id), within=60)  # noqa: B023
        assert web.api("GET", f"/jobs/{job_id}")["status"] == "DONE"
    assert "ERROR" not in web.log.read_text()


def test_a_pool_does_not_keep_a_server_from_stopping(server: Server) -> None:
    job_id = started(server, "forks", way="pool")
    pids = eventually(lambda: children(server, job_id), within=30)
    assert server.stop(within=20) == 0
    eventually(lambda: are_dead(pids), within=10)


def test_a_child_keeps_no_connection_open(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
        assert client.recv(10_000).startswith(b"HTTP/1.1 200")
        job_id = started(server, "forks", way="bare")
        eventually(lambda: children(server, job_id), within=30)
        while said := client.recv(10_000):  # the server closes it after some seconds
            assert said


@pytest.mark.parametrize(("how", "code"), [("return", 0), ("raise", 1), ("exit", 3)])
def test_a_child_ends_with_the_code_of_its_author(server: Server, how: str, code: int) -> None:
    for handler in ("leaves_in_a_fork", "leaves_a_coroutine"):
        job_id = started(server, handler, how=how)
        eventually(lambda: ended(server, job_id), within=20)  # noqa: B023
        assert first_task(server, job_id)["result"] == code
        if handler == "leaves_in_a_fork":
            assert first_task(server, job_id)["state"] == {"code": code}
            assert eventually(lambda: state_of(server, job_id)) == {"code": code}  # noqa: B023


def state_of(web: Server, job_id: int) -> Any:
    return web.api("GET", f"/jobs/{job_id}")["state"]


def test_a_child_that_speaks_for_its_task_is_refused(server: Server) -> None:
    job_id = started(server, "speaks_in_a_fork")
    eventually(lambda: ended(server, job_id), within=20)
    said = str(first_task(server, job_id)["result"]).split()
    assert said == ["TaskUsedAfterFork"] * 2 + ["DatabaseUsedAfterFork"] * 2


def ended(web: Server, job_id: int) -> Any:
    job = web.api("GET", f"/jobs/{job_id}")
    return job if job["finished_at"] else None
