"""The server on other addresses, in folders with odd names, and where nothing else is writable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import Settings
from tests.command import Run, command
from tests.eventually import eventually
from tests.server import ROOT, Server

ODD = ["why?", "a#b", "100%", "%20", "two words", "it's", 'a"b', "a&b=c;d", "Ünicode", "a:b@c"]
READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind "$JOBDECK_DATA_DIR" "$JOBDECK_DATA_DIR"
awk '{print $5}' /proc/self/mountinfo | grep -vE '^/(proc|sys)' | sort -u | while read -r each; do
    [ "$each" = "$JOBDECK_DATA_DIR" ] || mount -o remount,bind,ro "$each"
done
! touch /tmp/anything 2>/dev/null
cd /
exec "$@"
"""


@pytest.fixture
def jobdeck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    return command(Settings(data_dir=tmp_path), monkeypatch, capsys)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been executed in place of the command."""
    arguments: list[str] = []

    def execute(_program: str, given: list[str]) -> None:
        arguments[:] = given
        raise SystemExit

    monkeypatch.setattr("os.execv", execute)
    return arguments


@pytest.mark.parametrize(
    ("host", "bound", "shown"),
    [
        ("::1", "[::1]:8123", "http://[::1]:8123"),
        ("[::1]", "[::1]:8123", "http://[::1]:8123"),
        ("::", "[::]:8123", "http://[::1]:8123"),
        ("0.0.0.0", "0.0.0.0:8123", "http://127.0.0.1:8123"),
        ("localhost", "localhost:8123", "http://localhost:8123"),
    ],
)
def test_any_address_can_be_served_at_and_is_printed_as_one_enters_it(
    jobdeck: Run, served: list[str], host: str, bound: str, shown: str
) -> None:
    ended = jobdeck("serve", "--host", host, "--port", "8123")
    assert served[-2:] == ["--bind", bound]
    assert f"Jobdeck is at {shown}\n" in ended.out
    assert f"{shown}/setup/" in ended.out


@pytest.mark.parametrize("host", ["", "1:2:3", "no such host", "a" * 70])
def test_what_is_no_address_is_refused(jobdeck: Run, served: list[str], host: str) -> None:
    ended = jobdeck("serve", "--host", host)
    assert ended.code == 2
    assert "no address" in ended.err
    assert not served


def test_a_person_signs_in_and_watches_by_ipv6(tmp_path: Path) -> None:
    server = Server(tmp_path, host="::1")
    server.start()
    try:
        server.sign_in()
        socket = server.socket("job-updates")
        assert json.loads(socket.recv())["subscribed"]
        assert server.api("GET", "/jobs?limit=1")["jobs"]
    finally:
        server.kill()


@pytest.mark.parametrize("name", ODD)
def test_a_data_directory_may_have_any_name(
    jobdeck: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name / "data"
    monkeypatch.setenv("JOBDECK_DATA_DIR", str(folder))
    assert jobdeck("db", "upgrade").code == 0
    assert jobdeck("jobs", "start", "example_job_handler").code == 0
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (folder / "jobdeck.sqlite3").exists()


def test_a_server_in_such_a_folder_serves(tmp_path: Path) -> None:
    folder = tmp_path / "".join(each.replace(" ", "") for each in ODD)
    folder.mkdir()
    server = Server(folder)
    server.start()
    try:
        server.sign_in()
        assert server.upload("a.csv", "x") == 1
    finally:
        server.kill()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


@pytest.mark.parametrize("command", [["serve"], ["worker"], ["jobs", "list"], ["db", "upgrade"]])
def test_a_data_directory_that_cannot_be_written_is_refused_in_a_sentence(
    jobdeck: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("JOBDECK_DATA_DIR", str(tmp_path / "file" / "data"))
    ended = jobdeck(*command)
    assert ended.code == 1
    assert "JOBDECK_DATA_DIR" in ended.err
    assert "Traceback" not in ended.err


def test_nothing_but_the_data_directory_has_to_be_writable(tmp_path: Path) -> None:
    server = Server(tmp_path)
    said = {"JOBDECK_DATA_DIR": str(tmp_path), "JOBDECK_DEMO": "1", "HOME": "/nowhere"}
    jobdeck = [sys.executable, "-c", "from app.cli import main; main()"]
    with server.log.open("ab") as log:
        server._process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", READ_ONLY, "sh", *jobdeck,
             "serve", "--port", str(server.port)],
            env=os.environ | said | {"PYTHONPATH": str(ROOT)}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        eventually(server.is_ready, within=30)
        server.sign_in()
        file = server.upload("people.csv", "email,role\n" + "".join(
            f"person{number}@example.com,viewer\n" for number in range(30_000)
        ))  # fmt: skip
        body = {"handler": "import_admin_users", "params": {"file": file}}
        assert server.api("POST", "/jobs", body)["ok"]
        job_id = server.api("POST", "/jobs", {"handler": "export_jobs", "params": {}})["id"]
        eventually(lambda: server.api("GET", f"/jobs/{job_id}")["status"] == "DONE", within=30)
        assert server.stop() == 0
    finally:
        server.kill()
