"""The real server process: how it starts, and how it stops."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import websocket

from tests.eventually import eventually
from tests.server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.kill()


def test_from_an_empty_folder_to_a_page(server: Server) -> None:
    server.start()
    server.sign_in()
    assert "<h1>Jobs</h1>" in server.get("/jobs")
    assert server.stop(within=10) == 0
    said = server.log.read_text()
    assert "Sign in as admin@example.com with the password jobdeck-demo" in said
    assert "Traceback" not in said
    assert "ERROR" not in said


def test_open_sockets_do_not_hold_up_a_stop(server: Server) -> None:
    """gunicorn would wait GRACE_SECONDS and more for them; the page gets 1001 and comes back."""
    server.start()
    server.sign_in()
    sockets = [server.socket("job-updates") for _ in range(5)]
    for each in sockets:
        assert json.loads(each.recv())["subscribed"]
    assert server.stop(within=10) == 0
    for each in sockets:
        assert closing_code(each) in (1001, 1012)


def test_ctrl_c_stops_it_too(server: Server) -> None:
    server.start()
    server.sign_in()
    server.socket("job-updates")
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.process.wait(timeout=10) == 0
    assert "Traceback" not in server.log.read_text()


def test_a_worker_process_that_dies_is_replaced(server: Server) -> None:
    server.start()
    before = workers_of(server)
    os.kill(before[0], signal.SIGKILL)
    assert eventually(lambda: workers_of(server) != before and workers_of(server), within=10)
    eventually(server.is_ready, within=10)
    assert server.stop(within=10) == 0


def test_gunicorn_alone_refuses_a_database_that_is_not_ready(server: Server) -> None:
    server.begin_to_start_gunicorn()
    assert server.process.wait(timeout=20) == 4
    assert "run `jobdeck db upgrade`" in server.log.read_text()


def test_the_access_log_has_no_setup_link_and_no_line_that_a_stranger_wrote(tmp_path: Path) -> None:
    server = Server(tmp_path, DEMO=0)
    try:
        server.start()
        link = next(line for line in server.log.read_text().split() if "/setup/" in line)
        assert 'name="repeat"' in server.get(link.removeprefix(server.url))
        with pytest.raises(AssertionError, match="404"):
            server.get("/forged%0awritten%20by%20a%20stranger%1b[2J")
        eventually(lambda: r"/forged\nwritten by a stranger\x1b[2J" in server.log.read_text())
        assert server.log.read_text().count("/setup/") == 1
    finally:
        server.kill()


def closing_code(socket: websocket.WebSocket) -> int:
    """The code with which the server closed the socket, after whatever it still had to say."""
    while True:
        opcode, data = socket.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2], "big")


def workers_of(server: Server) -> list[int]:
    """The processes that gunicorn has made."""
    pid = server.process.pid
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
