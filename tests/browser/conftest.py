"""A real Chromium in front of a real server; a test fails on whatever the browser complains of."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, expect

from tests.at_work import Gate
from tests.server import Server, server_without_demo

#: The first of these that is here: without the parts of a browser that nobody sees it is as real,
#: and the tests take half the time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), NAMES[0])
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
]  # fmt: skip
TELL_OF_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
  console.error(`Content-Security-Policy: ${violatedDirective} ${blockedURI}`));
"""

expect.set_options(timeout=10_000)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's Chromium, which asks nobody outside for anything."""
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": QUIET}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that most tests share."""
    server = server_without_demo(tmp_path_factory.mktemp("server"))
    server.start()
    server.sign_in()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def base_url(server: Server) -> str:
    """Where paths begin."""
    return server.url


@pytest.fixture
def gate(server: Server, tmp_path: Any) -> Iterator[Gate]:
    """What gated jobs wait for; open at the end, so that none waits for ever."""
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.open()


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any], server: Server) -> dict[str, Any]:
    """Signed in as the superadmin, on a desk, with nothing moving."""
    return {
        **browser_context_args,
        "storage_state": {"cookies": server.cookie_jar(), "origins": []},
        "viewport": {"width": 1280, "height": 800},
        "reduced_motion": "reduce",
        "locale": "en-GB",
    }


class Complaints:
    """What the browser complains about, but for what a test expects."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._expected: list[str] = []

    def expect(self, pattern: str) -> None:
        """Let complaints pass in which this regular expression is found."""
        self._expected.append(pattern)

    def listen_to(self, context: BrowserContext) -> None:
        """Hear everything on the pages of this context."""
        context.add_init_script(TELL_OF_VIOLATIONS)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.heard.append(f"error: {error.error}"))
        context.on("requestfailed", lambda request: self.heard.append(_failed(request)))

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.heard.append(said.text)

    @property
    def unexpected(self) -> list[str]:
        """What is left."""
        return [
            each
            for each in self.heard
            if not any(re.search(pattern, each) for pattern in self._expected)
        ]


def _failed(request: Request) -> str:
    return f"failed: {request.url} {request.failure}"


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Fails the test when the browser complained."""
    complaints = Complaints()
    # A page that is left while it loads gives up what it had asked for.
    complaints.expect("net::ERR_ABORTED")
    yield complaints
    assert complaints.unexpected == []


@pytest.fixture
def context(context: BrowserContext, complaints: Complaints) -> BrowserContext:
    """A browser of one person, whose complaints are heard."""
    complaints.listen_to(context)
    return context


@pytest.fixture
def stranger(context: BrowserContext, page: Page) -> Page:
    """A page of somebody who is not signed in."""
    context.clear_cookies()
    return page
