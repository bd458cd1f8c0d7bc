"""A real server process of the tests: started, visited, stopped, and killed with -9."""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from http.client import HTTPConnection, HTTPException
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import websocket

from app import schema
from app.db import Database
from app.users.setup import DEMO_EMAIL, DEMO_PASSWORD
from tests.eventually import eventually

ROOT = Path(__file__).parent.parent
DATABASE = "jobdeck.sqlite3"


class Server:
    """`jobdeck serve` in a process group of its own, as a demo in the given folder."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", **settings: object) -> None:
        self.port = free_port()
        self.host = host
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        self.log = folder / "server.log"
        self._settings = {"DATA_DIR": folder, "DEMO": 1} | settings
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets: list[websocket.WebSocket] = []
        self._cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self._cookies))

    def start(self) -> None:
        """Start, and wait until it is ready."""
        self.begin_to_start()
        eventually(self.is_ready, within=30)

    def begin_to_start(self) -> None:
        """Start, and do not wait."""
        asked = ["--host", self.host, "--port", str(self.port)]
        self.run("-c", "from app.cli import main; main()", "serve", *asked)

    def begin_to_start_gunicorn(self) -> None:
        """Start gunicorn by itself, without what `serve` does before."""
        self.run("-m", "gunicorn", "--bind", f"127.0.0.1:{self.port}")

    def run(self, *arguments: str) -> None:
        """Run Python with these arguments, and do not wait."""
        said = {f"JOBDECK_{name}": str(value) for name, value in self._settings.items()}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT, env=os.environ | said, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def is_ready(self) -> bool:
        """Whether it answers that it is."""
        assert self.process.poll() is None, self.log.read_text()
        connection = HTTPConnection(self.host, self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    def ask_to_stop(self) -> None:
        """Send SIGTERM, as a service manager does."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self, within: float = 30) -> int:
        """Stop it in peace, and return its exit code."""
        self.ask_to_stop()
        return self.process.wait(timeout=within)

    def kill(self) -> None:
        """Kill every process of it with SIGKILL, at once, and close what was open to it."""
        while self._sockets:
            self._sockets.pop().shutdown()  # type: ignore[no-untyped-call]
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def sign_in(self) -> None:
        """Sign in as the demo's superadmin."""
        form = {"email": DEMO_EMAIL, "password": DEMO_PASSWORD, "remember": "1"}
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/login"))
        assert token
        body = urlencode({**form, "csrf_token": token[1]}).encode()
        self._open(Request(f"{self.url}/login", body))

    def get(self, path: str) -> str:
        """The text of a page."""
        return self._open(Request(self.url + path))

    def api(self, method: str, path: str, body: object = None) -> Any:
        """What the API answers; an error of it is an assertion that failed."""
        headers = {"X-CSRFToken": self.token(), "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        asked = Request(f"{self.url}/api/v1{path}", data, headers, method=method)
        return json.loads(self._open(asked))

    def upload(self, name: str, content: str) -> int:
        """Upload a file, and return the number of the upload."""
        head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        kind = "multipart/form-data; boundary=x"
        headers = {"X-CSRFToken": self.token(), "Content-Type": kind}
        body = f"{head}{content}\r\n--x--\r\n".encode()
        return int(json.loads(self._open(Request(f"{self.url}/api/v1/files", body, headers)))["id"])

    def token(self) -> str:
        """The CSRF token of this session, as a page tells it to its scripts."""
        found = re.search(r'<meta name="csrf-token" content="([^"]+)"', self.get("/jobs"))
        assert found
        return found[1]

    def socket(self, *topics: str) -> websocket.WebSocket:
        """An open websocket of the person who is signed in."""
        address, cookie = self.url.replace("http", "ws") + "/live", self.cookies()
        opened = websocket.create_connection(address, cookie=cookie, origin=self.url, timeout=10)
        self._sockets.append(opened)
        for topic in topics:
            opened.send(json.dumps({"subscribe": topic}))
        return opened

    def cookies(self) -> str:
        """What a browser of the person who is signed in would send."""
        return "; ".join(f"{each.name}={each.value}" for each in self._cookies)

    def cookie_jar(self) -> list[dict[str, str]]:
        """The same, in the form in which Playwright takes cookies."""
        place = {"domain": "127.0.0.1", "path": "/"}
        return [{"name": each.name, "value": each.value or "", **place} for each in self._cookies]

    def _open(self, asked: Request) -> str:
        try:
            with self._opener.open(asked, timeout=30) as answer:
                return str(answer.read().decode())
        except HTTPError as error:
            with error:
                said = error.read().decode()
            raise AssertionError(f"{asked.full_url}: {error.code} {said}") from None


def server_without_demo(folder: Path, **settings: Any) -> Server:
    """A server with the demo's superadmin and handlers of the tests, but no jobs of the demo."""
    if not settings.get("DATABASE_URL") and not (folder / DATABASE).exists():
        shutil.copy(migrated(), folder)  # to migrate is a third of a start
    known: dict[str, Any] = {"DEMO": 0, "ADMIN_EMAIL": DEMO_EMAIL, "ADMIN_PASSWORD": DEMO_PASSWORD}
    return Server(folder, **known | {"HANDLERS": "tests.outside"} | settings)


@cache
def migrated() -> Path:
    """An SQLite file with the newest schema and no rows, to be copied."""
    folder = Path(tempfile.mkdtemp(prefix="jobdeck-migrated-"))
    atexit.register(shutil.rmtree, folder)
    database = Database(f"sqlite:///{folder / DATABASE}")
    schema.upgrade(database)
    with database.reading() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return folder / DATABASE


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
