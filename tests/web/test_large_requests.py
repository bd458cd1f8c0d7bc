"""A hundred megabytes sent to a real server: a sentence, nothing kept, and the process goes on."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import Server, server_without_demo

MEGABYTE = b"x" * 2**20
HUNDRED = 100
BOUNDARY = "-----of-the-tests"
BEGIN = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="big.csv"\r\n'
    "Content-Type: text/csv\r\n\r\n"
).encode()
END = f"\r\n--{BOUNDARY}--\r\n".encode()
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes files of ten megabytes."""
    server = server_without_demo(tmp_path_factory.mktemp("server"), MAX_UPLOAD_MB=10)
    server.start()
    server.sign_in()
    yield server
    server.kill()


def content(kind: str, megabytes: int) -> Iterator[bytes]:
    """The body of a request, piece by piece."""
    yield BEGIN if kind == MULTIPART else b'{"name": "'
    for _ in range(megabytes):
        yield MEGABYTE
    yield END if kind == MULTIPART else b'"}'


def send(
    server: Server, path: str, kind: str, *, chunked: bool, signed_in: bool = True
) -> tuple[int, str]:
    """Send a hundred megabytes, and return the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Content-Type": kind}
    if signed_in:
        headers |= {"Cookie": server.cookies(), "X-CSRFToken": server.token()}
    if not chunked:
        headers["Content-Length"] = str(sum(map(len, content(kind, HUNDRED))))
    try:
        connection.request("POST", path, content(kind, HUNDRED), headers, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/api/v1/files", MULTIPART, 413),
        ("/api/v1/jobs", "application/json", 413),
        ("/api/v1/jobs", MULTIPART, 415),
        ("/api/v1/jobs/1/cancellation", "application/json", 404),
        ("/jobs", MULTIPART, 413),
        ("/jobs/1/retry", MULTIPART, 404),
        ("/login", MULTIPART, 413),
        ("/nothing", MULTIPART, 404),
    ],
)
def test_what_is_far_too_large_is_refused_in_a_sentence(
    server: Server, path: str, kind: str, status: int, chunked: bool
) -> None:
    got, said = send(server, path, kind, chunked=chunked)
    assert got in (status, 413), said
    if path.startswith("/api/"):
        assert json.loads(said)["error"]["message"].endswith(".")
    assert_unharmed(server)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/api/v1/files", "/api/v1/jobs", "/jobs", "/login", "/live"])
def test_a_stranger_gets_no_further_with_it(server: Server, path: str, chunked: bool) -> None:
    got, _ = send(server, path, MULTIPART, chunked=chunked, signed_in=False)
    assert got in (303, 400, 401, 405, 413)
    assert_unharmed(server)


def assert_unharmed(server: Server) -> None:
    """The same process goes on, has kept nothing, and saw nothing to be surprised at."""
    assert server.process.poll() is None
    assert server.is_ready()
    assert "Traceback" not in server.log.read_text()
    assert kept(server.log.parent) < 2**20
    assert memory_of(server) < 400


def kept(folder: Path) -> int:
    """How many bytes lie in the folder of files."""
    return sum(each.stat().st_size for each in (folder / "files").rglob("*") if each.is_file())


def memory_of(server: Server) -> int:
    """How many megabytes the largest of the server's processes has taken at most."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except (FileNotFoundError, ProcessLookupError):  # another one's, that has just ended
            continue
        if f"\nNSpgid:\t{server.process.pid}\n" in text and "VmHWM" in text:
            found.append(int(text.split("VmHWM:")[1].split()[0]) // 1024)
    assert found
    return max(found)


BROKEN = [
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello and more\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe",
    b"Transfer-Encoding: chunked\r\n\r\n",
    b"Content-Length: 500\r\n\r\n{",
    b"Content-Length: -1\r\n\r\n{}",
    b"Content-Length: many\r\n\r\n{}",
]


ANSWERS = {f"HTTP/1.1 {status} " for status in (400, 404, 415, 422)}


@pytest.mark.parametrize("rest", BROKEN)
@pytest.mark.parametrize(
    "kind", ["application/json", MULTIPART, "application/x-www-form-urlencoded"]
)
def test_a_request_that_breaks_off_is_a_bad_one(server: Server, kind: str, rest: bytes) -> None:
    token = server.token()
    for path in ("/api/v1/jobs", "/jobs", "/api/v1/files", "/jobs/1/retry"):
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n"
            f"Cookie: {server.cookies()}\r\nX-CSRFToken: {token}\r\nContent-Type: {kind}\r\n"
        )
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as opened:
            opened.sendall(head.encode() + rest)
            opened.shutdown(socket.SHUT_WR)
            said = opened.makefile("rb").read().decode()
        assert said[:13] in ANSWERS, (path, said[:200])
    assert_unharmed(server)
