"""The real server killed with -9 in the middle of a job of files, and started again (A6)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.eventually import eventually
from tests.server import Server

FILES = 1_500


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with many files, each with other content."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number:04}").write_bytes(b"%d" % number * (number % 50 + 1))
    return folder


def test_checksums_go_on_after_a_kill_and_count_each_file_once(folder: Path, files: Path) -> None:
    server = Server(folder)
    server.start()
    try:
        server.sign_in()
        body = {"handler": "checksum_files", "params": {"folder": str(files)}}
        job_id = server.api("POST", "/jobs", body)["id"]
        for share in (1, 2, 3):
            eventually(partial(has_done, server, job_id, share * 200), within=30)
            before = done(server, job_id)
            server.kill()
            server.start()
            assert done(server, job_id) >= before
        job = eventually(lambda: ended(server, job_id), within=60)
    finally:
        server.kill()
    sizes = [path.stat().st_size for path in files.iterdir()]
    assert (job["status"], job["counts"]["done"]) == ("DONE", FILES)
    assert (job["state"]["files"], job["state"]["bytes"]) == (FILES, sum(sizes))
    assert job["state"]["largest"][0]["bytes"] == max(sizes)


def done(server: Server, job_id: int) -> int:
    return int(server.api("GET", f"/jobs/{job_id}")["counts"]["done"])


def has_done(server: Server, job_id: int, count: int) -> bool:
    return done(server, job_id) >= count


def ended(server: Server, job_id: int) -> Any:
    job = server.api("GET", f"/jobs/{job_id}")
    return job if job["finished_at"] else None
