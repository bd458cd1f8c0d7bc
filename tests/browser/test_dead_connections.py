"""A connection that is dead without anybody having said so is noticed, and replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, WebSocketRoute, expect

from tests.at_work import Gate
from tests.browser.conftest import Complaints
from tests.browser.dropping import DroppingProxy, dropping_proxy
from tests.browser.panel import expect_live, expect_status, row
from tests.eventually import eventually
from tests.server import Server, server_without_demo

#: Counts the sockets that a page has opened.
COUNT = """
window.opened = 0;
window.WebSocket = class extends WebSocket { constructor(...a) { super(...a); window.opened++; } };
"""


@pytest.fixture
def proxy(server: Server) -> Iterator[DroppingProxy]:
    """A proxy before the server."""
    with dropping_proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def live(page: Page, proxy: DroppingProxy, complaints: Complaints) -> Page:
    """The list of jobs, live through the proxy, with a clock of the test's own."""
    complaints.expect("WebSocket|ERR_")
    page.clock.install()
    page.add_init_script(COUNT)
    page.goto(f"http://127.0.0.1:{proxy.port}/jobs")
    expect_live(page)
    assert page.evaluate("opened") == 1
    return page


def expect_another_socket(page: Page) -> None:
    eventually(lambda: page.evaluate("opened") == 2)
    expect_live(page)


def test_a_minute_of_silence_is_not_live(
    live: Page, proxy: DroppingProxy, server: Server, gate: Gate
) -> None:
    proxy.drop()
    params = {"handler": "gated", "name": "Unheard", "params": gate.params()}
    job_id = server.api("POST", "/jobs", params)["id"]
    live.clock.run_for(50_000)
    assert live.evaluate("opened") == 1
    live.clock.run_for(16_000)
    expect_another_socket(live)
    gate.open()
    expect_status(row(live, job_id), "DONE")


def test_a_computer_that_slept_connects_anew(live: Page, proxy: DroppingProxy) -> None:
    proxy.drop()
    live.clock.fast_forward(45_000)
    live.clock.run_for(6_000)
    expect_another_socket(live)


@pytest.mark.parametrize("event", ["online", "offline"])
def test_another_network_is_another_connection(live: Page, event: str) -> None:
    live.evaluate("event => dispatchEvent(new Event(event))", event)
    expect_another_socket(live)


def test_a_page_that_is_looked_at_again_connects_anew_unless_it_has_just_heard(
    live: Page, proxy: DroppingProxy
) -> None:
    looked_at = "document.dispatchEvent(new Event('visibilitychange'))"
    live.evaluate(looked_at)
    assert live.evaluate("opened") == 1
    proxy.drop()  # jobs of other tests may have something to say
    live.clock.run_for(6_000)
    live.evaluate(looked_at)
    expect_another_socket(live)


def test_a_page_that_comes_back_from_the_cache_connects_anew(live: Page) -> None:
    live.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect_another_socket(live)


@pytest.mark.parametrize(
    ("reason", "state"), [("Ping/Pong timeout", "live"), ("Send JSON objects", "off")]
)
def test_a_ping_that_a_sleeping_page_missed_is_no_refusal(
    page: Page, reason: str, state: str
) -> None:
    opened: list[WebSocketRoute] = []

    def close_the_first(socket: WebSocketRoute) -> None:
        opened.append(socket)
        if len(opened) == 1:
            socket.close(code=1008, reason=reason)
        else:
            socket.connect_to_server()

    page.route_web_socket("**/live", close_the_first)
    page.goto("/jobs")
    expect_live(page, state)


def test_what_cannot_be_reached_is_not_live_meanwhile(live: Page, context: BrowserContext) -> None:
    context.set_offline(True)
    expect_live(live, "offline")
    expect(live.get_by_test_id("live-indicator")).to_have_text("Offline")
    context.set_offline(False)
    expect_live(live)


@pytest.fixture(params=[(28, "You have 2 live pages open"), (26, "Too many live pages are open")])
def full(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """A server on which no place is left, for one person or for anybody, and its sentence."""
    threads, sentence = request.param
    server = server_without_demo(tmp_path, WEB_THREADS=threads)
    server.start()
    server.sign_in()
    yield server, sentence
    server.kill()


def test_a_page_without_a_place_says_so_and_tries_again(
    context: BrowserContext, full: tuple[Server, str], complaints: Complaints
) -> None:
    server, sentence = full
    complaints.expect("WebSocket|status of (429|503)")
    context.add_cookies([{**each} for each in server.cookie_jar()])  # type: ignore[typeddict-item]
    page = context.new_page()
    page.route("**/static/js/connection.js", _try_again_soon)
    others = [server.socket() for _ in range(2)]
    page.goto(f"{server.url}/jobs")
    expect_live(page, "refused")
    expect(page.get_by_test_id("live-indicator")).to_have_text("Not live")
    reason = page.get_by_test_id("live-reason")
    expect(reason).to_contain_text(sentence)
    with page.expect_response("**/live") as asked:
        pass
    assert asked.value.status in {429, 503}
    expect(reason).to_contain_text(sentence)
    for each in others:
        each.close()
    expect_live(page)
    expect(reason).to_be_hidden()


def _try_again_soon(route: Route) -> None:
    answer = route.fetch()
    text = answer.text().replace("refused: 15_000", "refused: 200")
    assert text != answer.text()
    route.fulfill(response=answer, body=text)
