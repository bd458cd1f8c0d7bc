"""The socket on the server as it is deployed: gunicorn in a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from tests.eventually import eventually
from tests.server import ROOT, Server, server_without_demo

#: Whatever holds up a stop does so for the grace time, and longer.
SOON = 9.0
#: A gunicorn that waits half a minute, not two seconds, for what idle connections might yet ask.
PATIENT = """
from gunicorn.app.wsgiapp import run
from gunicorn.workers import gthread
gthread.STOP_KEEPALIVE_LINGER = 30
run()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that leave it as it was; places for two sockets."""
    server = server_without_demo(tmp_path_factory.mktemp("server"), WEB_THREADS=26)
    server.start()
    server.sign_in()
    yield server
    server.kill()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, to be stopped and killed."""
    server = server_without_demo(tmp_path)
    server.start()
    server.sign_in()
    yield server
    server.kill()


def hear_until(opened: websocket.WebSocket, word: str) -> dict[str, Any]:
    """Go on hearing until a message has this word in it."""
    while True:
        text = str(opened.recv())
        if word in text:
            message: dict[str, Any] = json.loads(text)
            return message


def closing_code(opened: websocket.WebSocket) -> int:
    """The code with which the server closes the socket."""
    while True:
        opcode, data = opened.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2], "big")


def jobdeck(server: Server, *arguments: str) -> Any:
    """Run the command line beside the server, and read the JSON that it writes."""
    said = {"JOBDECK_DATA_DIR": str(server.log.parent), "JOBDECK_HANDLERS": "tests.outside"}
    command = [sys.executable, "-c", "from app.cli import main; main()", *arguments, "--json"]
    ran = subprocess.run(command, cwd=ROOT, env=os.environ | said, capture_output=True, check=True)
    return json.loads(ran.stdout)


def test_a_job_is_watched_to_its_end(server: Server) -> None:
    opened = server.socket("job-updates")
    assert hear_until(opened, "subscribed")["subscribed"] is True
    job_id = server.api("POST", "/jobs", {"handler": "swift"})["id"]
    told = hear_until(opened, f'"jobId":{job_id},"name":"Swift","handler":"swift","status":"DONE"')
    assert told["topic"] == "job-updates"
    opened.close()


def test_a_job_that_another_process_started_is_seen(server: Server) -> None:
    opened = server.socket("job-updates")
    hear_until(opened, '"data"')
    job_id = jobdeck(server, "jobs", "start", "swift", "--name", "From a shell")["id"]
    assert hear_until(opened, "From a shell")["data"][-1]["jobId"] == job_id
    opened.close()


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"origin": "{url}"}, 401),
        ({"origin": "http://evil.example", "cookie": "{cookie}"}, 403),
        ({"suppress_origin": True, "cookie": "{cookie}"}, 403),
    ],
)
def test_who_may_not_is_refused_before_the_upgrade(
    server: Server, options: dict[str, Any], status: int
) -> None:
    known = {"url": server.url, "cookie": server.cookies()}
    said: dict[str, Any] = {
        k: v.format(**known) if isinstance(v, str) else v for k, v in options.items()
    }
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(server.url.replace("http", "ws") + "/live", **said)
    assert refused.value.status_code == status


def test_when_the_places_are_taken_it_is_503_and_pages_answer(server: Server) -> None:
    taken = [server.socket("job-updates") for _ in range(2)]
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        server.socket()
    assert refused.value.status_code == 503
    assert "<h1>Jobs</h1>" in server.get("/jobs")
    for each in taken:
        assert hear_until(each, "subscribed")
        each.close()


def test_twenty_sockets_keep_no_page_waiting_and_no_stop(
    own_server: Server,
) -> None:
    sockets = [own_server.socket("job-updates") for _ in range(20)]
    for each in sockets:
        hear_until(each, '"data"')
    for _ in range(5):
        own_server.get("/jobs")
    assert own_server.stop(within=SOON) == 0
    assert {closing_code(each) for each in sockets} == {1012}


def test_a_browsers_idle_connection_does_not_hold_up_a_stop(own_server: Server) -> None:
    own_server.kill()
    own_server.run("-c", PATIENT, "--bind", f"127.0.0.1:{own_server.port}")
    eventually(own_server.is_ready, within=30)
    idle = http.client.HTTPConnection(own_server.url.removeprefix("http://"))
    idle.request("GET", "/healthz")
    idle.getresponse().read()
    assert own_server.stop(within=SOON) == 0
    idle.close()


def test_after_a_kill_a_snapshot_with_another_boot_tells_how_things_are(
    own_server: Server, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    opened = own_server.socket("job-updates")
    params = {"gate": str(gate), "tasks": 3}
    job_id = own_server.api("POST", "/jobs", {"handler": "gated", "params": params})["id"]
    before = hear_until(opened, '"status":"IN_PROGRESS"')["boot"]
    own_server.kill()
    with pytest.raises((websocket.WebSocketException, OSError)):
        hear_until(opened, "nothing")
    own_server.start()
    again = own_server.socket(f"job-task-updates/{job_id}", "job-updates")
    snapshot = hear_until(again, '"data"')
    assert snapshot["boot"] != before
    assert len(snapshot["data"]) == 3
    gate.touch()
    hear_until(again, '"status":"DONE","progress":100')
