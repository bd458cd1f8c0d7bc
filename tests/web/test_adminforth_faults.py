"""Faults that were seen in AdminForth's plugin around its web, and are not to be seen here.

Numbers are those of the list that was made when the plugin was run; see tests/jobs for the others.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from app.config import Settings
from app.jobs import Engine, JobStatus
from tests.at_work import AtWork
from tests.server import Server, server_without_demo
from tests.visitor import Visitor
from tests.web.jobs.api import refused
from tests.web.live.conftest import Listen, address, at_work, engine, gate, listen, settings

__all__ = ["address", "at_work", "engine", "gate", "listen", "settings"]

TOKEN = "ghp_a-token-that-only-superadmins-may-see"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server, which a fault of this kind would end."""
    server = server_without_demo(tmp_path_factory.mktemp("server"))
    server.start()
    server.sign_in()
    yield server
    server.kill()


@pytest.fixture
def hidden(at_work: AtWork, alice: Visitor) -> int:
    """A superadmin's job that failed over a secret, of a handler that only superadmins may see."""
    assert alice.email
    tasks = [{"state": {"token": TOKEN}}]
    state, name = {"token": TOKEN}, f"Job with {TOKEN}"
    job_id = at_work.engine.start_new_job(name, None, tasks, "secretive", state)
    at_work.ended(job_id)
    return job_id


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff" * 64,
        b"\x81\xfe\xff\xff",
        b"\x8f\x80\0\0\0\0",
        b"\xc1\x85\0\0\0\0hello",
        b"\0" * 4096,
    ],
)
def test_17_a_strangers_invalid_frame_ends_nothing(server: Server, garbage: bytes) -> None:
    upgrade = (
        f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nOrigin: {server.url}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    for cookie in ("", f"Cookie: {server.cookies()}\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as opened:
            opened.sendall(f"{upgrade}{cookie}\r\n".encode())
            assert opened.recv(12) == (b"HTTP/1.1 101" if cookie else b"HTTP/1.1 401")
            opened.sendall(garbage)
            opened.shutdown(socket.SHUT_WR)
            while opened.recv(4096):
                pass
    assert_goes_on(server)


@pytest.mark.parametrize("topic", ["constructor", "__proto__", "toString", "__class__", "{0.app}"])
def test_17_a_topic_that_a_language_knows_ends_nothing(server: Server, topic: str) -> None:
    opened = server.socket(topic, f"job-state/1/{topic}", f"view/{topic}")
    for _ in range(3):
        assert "error" in json.loads(opened.recv())
    opened.close()
    assert_goes_on(server)


def assert_goes_on(server: Server) -> None:
    """The same process answers, and was not surprised."""
    assert server.process.poll() is None
    assert server.is_ready()
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_18_nobody_reads_or_cancels_what_is_not_for_their_role(
    vera: Visitor, oscar: Visitor, engine: Engine, hidden: int, role: str
) -> None:
    visitor = {"viewer": vera, "operator": oscar}[role]
    for path in (f"/api/v1/jobs/{hidden}", f"/api/v1/jobs/{hidden}/tasks", f"/jobs/{hidden}"):
        answer = visitor.get(path)
        assert (answer.status_code, TOKEN in answer.text) == (403, False)
    for what in ("cancellation", "retry"):
        answer = visitor.send("POST", f"/api/v1/jobs/{hidden}/{what}", {})
        assert TOKEN not in refused(answer, 403, "not_allowed")["message"]
        assert visitor.post(f"/jobs/{hidden}/{what}").status_code == 403
    assert engine.job(hidden).status == JobStatus.DONE


def test_18_a_secret_is_told_to_nobody_at_all(alice: Visitor, at_work: AtWork) -> None:
    params = {"text": "abc", "password": TOKEN}
    job_id = at_work.engine.start("everything", params)
    at_work.ended(job_id)
    for path in (
        f"/api/v1/jobs/{job_id}",
        f"/api/v1/jobs/{job_id}/tasks",
        f"/jobs/{job_id}?task=0",
    ):
        assert TOKEN not in alice.get(path).text


def test_19_what_happens_is_told_to_those_who_may_see_it(
    listen: Listen, vera: Visitor, oscar: Visitor, at_work: AtWork
) -> None:
    listeners = [listen(each) for each in (vera, oscar)]
    topics = ("job-updates", "view/jobs", "view/navbar")
    for listener in listeners:
        for topic in topics:
            listener.subscribe(topic)
    hidden = at_work.engine.start_new_job(TOKEN, None, [{}], "secretive", {"token": TOKEN})
    at_work.ended(hidden)
    shown = at_work.start("swift")
    at_work.ended(shown)
    for listener in listeners:
        listener.hear_until(lambda message: f'"jobId": {shown}' in json.dumps(message))
        heard = json.dumps([each.message for each in listener.heard])
        assert TOKEN not in heard
        assert f'"jobId": {hidden}' not in heard


def test_19_the_navigation_counts_ones_own_jobs(
    listen: Listen, vera: Visitor, oscar: Visitor, engine: Engine
) -> None:
    oscar.send("POST", "/api/v1/jobs", {"handler": "swift", "name": "Of Oscar"})
    assert len(engine.jobs()) == 1
    for visitor, sees in ((vera, False), (oscar, True)):
        listener = listen(visitor, "view/navbar")
        snapshot = listener.hear_until(lambda message: "lists" in message)
        assert ("Of Oscar" in json.dumps(snapshot)) is sees


def test_19_a_stranger_may_watch_nothing(server: Server) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as refused_:
        websocket.create_connection(
            server.url.replace("http", "ws") + "/live", origin=server.url, timeout=10
        )
    assert refused_.value.status_code == 401


PATHS = [
    "x/../../../evil_dir",
    "..",
    "../evil",
    "%2e%2e%2fevil",
    "..%2fevil",
    "1/../../evil",
    "/evil",
]


@pytest.mark.parametrize("path", PATHS)
def test_20_an_id_that_is_a_path_leads_nowhere(
    alice: Visitor, engine: Engine, settings: Settings, path: str
) -> None:
    before = tree(settings.data_dir.parent)
    for address_ in ("/api/v1/jobs/{}/tasks", "/api/v1/jobs/{}", "/jobs/{}", "/jobs/{}/files/x"):
        assert alice.get(address_.format(path)).status_code in (404, 405, 308)
    job_id = engine.start("swift")
    assert alice.get(f"/jobs/{job_id}/files/{path}").status_code in (404, 308)
    assert not [each for each in tree(settings.data_dir.parent) - before if "evil" in each]


def test_20_unknown_ids_leave_nothing_open(alice: Visitor, settings: Settings) -> None:
    alice.get("/api/v1/jobs/1/tasks")
    before, files = open_files(), tree(settings.data_dir)
    for number in range(50):
        refused(alice.get(f"/api/v1/jobs/{number + 10}/tasks"), 404, "job_not_found")
        assert alice.get(f"/jobs/{number + 10}").status_code == 404
        assert alice.get(f"/jobs/{number + 10}/files/x").status_code == 404
    assert open_files() <= before + 2
    assert tree(settings.data_dir) == files


def tree(folder: Path) -> set[str]:
    """All that lies in a folder."""
    return {str(each) for each in folder.rglob("*")}


def open_files() -> int:
    """How many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("body", [{"handler": "swift"}, {"handler": "swift", "status": "DONE"}])
def test_21_a_viewer_creates_no_job(vera: Visitor, engine: Engine, body: dict[str, Any]) -> None:
    refused(vera.send("POST", "/api/v1/jobs", body), 403, "not_allowed")
    assert vera.post("/jobs", body).status_code == 403
    assert vera.get("/jobs/new").status_code == 403
    assert engine.jobs() == []


def test_21_nobody_writes_a_status(alice: Visitor, engine: Engine) -> None:
    body = {"handler": "swift", "status": "DONE", "progress": 100}
    assert set(refused(alice.send("POST", "/api/v1/jobs", body), 422, "invalid")["fields"]) == {
        "status", "progress",
    }  # fmt: skip
    job_id = engine.start("swift")
    refused(alice.send("PATCH", f"/api/v1/jobs/{job_id}", {"status": "DONE"}), 422, "invalid")
    alice.post(f"/jobs/{job_id}", {"name": "Renamed", "status": "DONE"})
    assert engine.job(job_id).status == JobStatus.QUEUED


def test_21_an_error_is_shown_to_those_who_may_see_its_job(
    vera: Visitor, listen: Listen, at_work: AtWork, hidden: int
) -> None:
    job_id = at_work.start("failing", {})
    listener = listen(vera)
    listener.subscribe("view/jobs")
    listener.subscribe("job-updates")
    at_work.ended(job_id)
    listener.hear_until(lambda message: "DONE_WITH_ERRORS" in json.dumps(message))
    assert TOKEN not in json.dumps([each.message for each in listener.heard])
    for path in ("/jobs", "/api/v1/jobs", "/jobs?status=DONE_WITH_ERRORS", f"/jobs?q={hidden}"):
        assert TOKEN not in vera.get(path).text
