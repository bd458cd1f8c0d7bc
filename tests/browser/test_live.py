"""The page while things change: what a person does is kept, what is shown is true again soon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.at_work import Gate
from tests.browser.conftest import Complaints
from tests.browser.panel import expect_live, expect_progress, expect_status, popup, row
from tests.server import Server, server_without_demo


def start(server: Server, handler: str, name: str, **params: object) -> int:
    asked = {"handler": handler, "name": name, "params": params}
    return int(server.api("POST", "/jobs", asked)["id"])


def test_a_new_job_appears_and_moves_in_the_list(page: Page, server: Server, gate: Gate) -> None:
    page.goto("/jobs")
    expect_live(page)
    job_id = start(server, "gated", "Comes by itself", **gate.params())
    expect(row(page, job_id)).to_contain_text("Comes by itself")
    expect_status(row(page, job_id), "IN_PROGRESS")
    gate.open()
    expect_status(row(page, job_id), "DONE")
    expect_progress(row(page, job_id), 100)


def test_a_reload_in_the_middle_shows_the_truth(page: Page, server: Server, gate: Gate) -> None:
    job_id = start(server, "gated", "Loaded twice", **gate.params())
    page.goto(f"/jobs/{job_id}")
    expect_status(popup(page), "IN_PROGRESS")
    page.reload()
    expect_status(popup(page), "IN_PROGRESS")
    expect_live(page)
    gate.open()
    expect_status(popup(page), "DONE")


def test_a_task_that_failed_counts_down_to_its_next_try(
    page: Page, server: Server, gate: Gate
) -> None:
    job_id = start(server, "wavering", "Again and again", gate=str(gate.path))
    page.goto(f"/jobs/{job_id}?task=0")
    task = popup(page).get_by_role("article")
    expect(task).to_contain_text("Next try in 1 s. It is retry")
    expect(task.get_by_text("Attempt 2")).to_be_visible()
    expect(popup(page).get_by_test_id("task-row")).to_contain_text(
        "Next try in 1 s · ConnectionErr"
    )
    gate.open()
    expect_status(popup(page), "DONE")
    expect(task).not_to_contain_text("Next try")


def test_what_a_person_does_survives_the_updates(page: Page, server: Server, gate: Gate) -> None:
    job_id = start(server, "gated", "Kept", **gate.params(tasks=30))
    page.goto(f"/jobs/{job_id}")
    expect_status(popup(page), "IN_PROGRESS")
    popup(page).get_by_text("Parameters").click()
    link = popup(page).get_by_role("link", name="Task 3", exact=True)
    link.focus()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#job-popup h2'))")
    gate.open()
    expect_status(popup(page), "DONE")
    expect(popup(page).get_by_text("gate", exact=True)).to_be_visible()
    expect(link).to_be_focused()
    assert page.evaluate("String(getSelection())") == "Kept"


BURST = """async (id) => {
  const { receive } = await import("/static/js/live.js");
  const topic = document.getElementById("job-popup").dataset.live;
  const part = document.getElementById(id);
  const list = document.querySelector("[id$=task-rows]");
  const seen = [];
  new MutationObserver(() => seen.push(part.textContent)).observe(part, { childList: true });
  for (let n = 1; n <= 30; n++) {
    receive({ topic, html: { [id]: `<section id="${id}">${n}</section>` } });
  }
  for (const row of ["first", "second"]) {
    const html = { [row]: `<li id="${row}">${row}</li>` };
    receive({ topic, lists: { [list.id]: { order: ["first", "second"], html } } });
  }
  await new Promise((done) => setTimeout(() => setTimeout(done)));
  return [...seen, ...[...list.children].map((row) => row.textContent)];
}"""


def test_what_comes_faster_than_it_is_shown_is_shown_once_and_whole(
    page: Page, server: Server
) -> None:
    page.goto(f"/jobs/{start(server, 'swift', 'Told at once')}")
    expect_status(popup(page), "DONE")
    expect_live(page)
    job_id = popup(page).get_attribute("data-job-id")
    assert page.evaluate(BURST, f"job-{job_id}-component") == ["30", "first", "second"]


def test_what_is_typed_survives_the_updates(page: Page, server: Server, gate: Gate) -> None:
    page.goto("/jobs")
    expect_live(page)
    search = page.get_by_label("Search jobs")
    search.fill("typed in")
    job_id = start(server, "gated", "Typed in meanwhile", **gate.params())
    expect(row(page, job_id)).to_be_visible()
    expect(search).to_have_value("typed in")
    expect(search).to_be_focused()
    expect(page.get_by_test_id("job-row")).to_have_count(1)


def test_signing_out_elsewhere_leads_to_the_sign_in(page: Page, server: Server) -> None:
    page.context.clear_cookies()
    sign_in(page)
    expect_live(page)
    other = page.context.new_page()
    other.goto("/jobs")
    other.get_by_role("button", name="admin@example.com").click()
    other.get_by_role("button", name="Sign out").click()
    # An idle page would learn it after some seconds, one with news at once.
    start(server, "writing", "News", times=40, rest=0.05)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=8_000)


def sign_in(page: Page) -> None:
    page.goto("/login")
    page.get_by_label("Email").fill("admin@example.com")
    page.get_by_label("Password").fill("jobdeck-demo")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/jobs")


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """A server that may be killed."""
    server = server_without_demo(tmp_path, GRACE_SECONDS=1)
    server.start()
    server.sign_in()
    yield server
    server.kill()


def test_a_killed_server_comes_back_and_the_job_goes_on(
    context: BrowserContext, mortal: Server, gate: Gate, complaints: Complaints
) -> None:
    complaints.expect("ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|WebSocket connection|ERR_EMPTY")
    context.add_cookies([{**each} for each in mortal.cookie_jar()])  # type: ignore[typeddict-item]
    page = context.new_page()
    job_id = start(mortal, "gated", "Goes on", **gate.params(tasks=5))
    page.goto(f"{mortal.url}/jobs/{job_id}")
    expect_status(popup(page), "IN_PROGRESS")
    expect_live(page)
    mortal.kill()
    expect_live(page, "reconnecting")
    expect(page.get_by_test_id("live-indicator")).to_have_text("Reconnecting")
    mortal.start()
    expect_live(page)
    gate.open()
    expect_status(popup(page), "DONE")
    expect_progress(popup(page), 100)
