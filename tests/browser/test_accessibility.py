"""No view of the panel has a fault that axe knows: on a desk in light, on a phone in dark."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.db import iso, now
from tests.at_work import Gate
from tests.browser.conftest import Complaints
from tests.browser.panel import LOOKS, expect_live, expect_status, open_create, popup, waiting
from tests.eventually import eventually
from tests.server import Server, server_without_demo

AXE = (Path(__file__).parent / "vendor/axe-core-4.14.1.min.js").read_text()
RUN = "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)"
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"

Faults = list[str]


def faults_of(page: Page) -> Faults:
    """What axe finds in each look; axe comes by the debugger, for the policy lets no script in."""
    debugger = page.context.new_cdp_session(page)
    debugger.send("Runtime.evaluate", {"expression": AXE})
    found: Faults = []
    asked = {"expression": RUN, "awaitPromise": True, "returnByValue": True}
    for name, look in LOOKS.items():
        page.set_viewport_size(look["viewport"])
        page.emulate_media(color_scheme=look["color_scheme"])
        page.evaluate(DRAWN)
        answer = debugger.send("Runtime.evaluate", asked)
        found += [f"{name}: {_said(each)}" for each in _value(answer)]
    return found


def _value(answer: dict[str, Any]) -> list[dict[str, Any]]:
    assert "exceptionDetails" not in answer, answer
    value: list[dict[str, Any]] = answer["result"]["value"]
    return value


def _said(violation: dict[str, Any]) -> str:
    where = [
        f"{each['html'][:150]} {each.get('failureSummary', '')}" for each in violation["nodes"]
    ]
    return f"{violation['id']} ({violation['impact']}): {violation['help']}: {where[:3]}"


def started(server: Server, handler: str, **asked: object) -> int:
    return int(server.api("POST", "/jobs", {"handler": handler, **asked})["id"])


def ended(server: Server, job_id: int) -> int:
    """The job, once it has ended."""
    eventually(lambda: server.api("GET", f"/jobs/{job_id}")["finished_at"], within=20, every=0.1)
    return job_id


def sign_in_page(page: Page, server: Server, gate: Gate) -> None:
    """The sign-in page."""
    page.context.clear_cookies()
    page.goto("/login")


def sign_in_page_with_an_error(page: Page, server: Server, gate: Gate) -> None:
    """The sign-in page after a wrong password."""
    sign_in_page(page, server, gate)
    page.get_by_label("Email").fill("nobody@example.com")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()


def full_list(page: Page, server: Server, gate: Gate) -> None:
    """A list with a job of each kind."""
    ended(server, started(server, "failing"))
    ended(server, started(server, "swift"))
    started(server, "gated", params=gate.params())
    page.goto("/jobs")
    expect_live(page)


def running_popup(page: Page, server: Server, gate: Gate) -> None:
    """The popup of a job that runs."""
    page.goto(f"/jobs/{started(server, 'gated', params=gate.params(tasks=60))}")
    expect_status(popup(page), "IN_PROGRESS")
    expect_live(page)


def failed_popup(page: Page, server: Server, gate: Gate) -> None:
    """The popup of a job that failed, with its failed task open."""
    page.goto(f"/jobs/{ended(server, started(server, 'failing'))}?task=0")
    expect(popup(page).get_by_text("Traceback")).to_be_visible()


def question(page: Page, server: Server, gate: Gate) -> None:
    """The question before a job is cancelled."""
    running_popup(page, server, gate)
    popup(page).get_by_test_id("job-cancel").click()
    expect(page.get_by_test_id("question")).to_be_visible()


def dialog_with_an_error(page: Page, server: Server, gate: Gate) -> None:
    """The dialog for another name, after one that will not do."""
    page.goto(f"/jobs/{ended(server, started(server, 'failing'))}")
    popup(page).get_by_test_id("job-rename").click()
    page.get_by_label("Name", exact=True).fill(" ")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Write a name.")).to_be_visible()


def menu_of_retries(page: Page, server: Server, gate: Gate) -> None:
    """What else can be tried again."""
    tasks = [{"state": {"well": well}} for well in (True, False)]
    page.goto(f"/jobs/{ended(server, started(server, 'failing', tasks=tasks))}?task=1")
    popup(page).get_by_test_id("job-retry-more").click()
    expect(page.get_by_role("button", name="Retry all 2 tasks")).to_be_visible()


def cancelling_popup(page: Page, server: Server, gate: Gate) -> None:
    """The popup of a job whose tasks do not look whether they are cancelled."""
    job_id = started(server, "stubborn", params=gate.params())
    eventually(lambda: waiting(server, job_id) == 3)
    server.api("POST", f"/jobs/{job_id}/cancellation", {})
    page.goto(f"/jobs/{job_id}?task=0")
    expect(popup(page).get_by_text("Waiting for 3 running tasks to end.")).to_be_visible()


def own_jobs(page: Page, server: Server, gate: Gate) -> None:
    """The list of one's own jobs."""
    ended(server, started(server, "failing"))
    running_popup(page, server, gate)
    page.goto("/jobs")
    page.get_by_test_id("navbar-jobs").click()
    expect(page.locator("#navbar-jobs-rows li").first).to_be_visible()


def finished_popup(page: Page, server: Server, gate: Gate) -> None:
    """The popup of a job that is done, everything in it unfolded."""
    asked = {"steps": 3, "seconds": 0}
    page.goto(f"/jobs/{ended(server, started(server, 'example_job_handler', params=asked))}?task=1")
    for fold in popup(page).locator("summary").all():
        fold.click()


def choice_of_handlers(page: Page, server: Server, gate: Gate) -> None:
    """The first step of the create dialog."""
    page.goto("/jobs/new")
    expect(page.get_by_test_id("handler-choice")).to_be_visible()


def create_form(page: Page, server: Server, gate: Gate) -> None:
    """The second step, with every kind of field."""
    page.goto("/jobs/new?handler=everything")
    expect(page.get_by_test_id("create-form")).to_be_visible()


def create_form_with_errors(page: Page, server: Server, gate: Gate) -> None:
    """The second step, after what did not fit."""
    page.goto("/jobs")
    open_create(page, "everything").get_by_label("Count").fill("99")
    page.get_by_test_id("create-submit").click()
    expect(page.locator("[aria-invalid=true]")).to_have_count(2)


def options_with_errors(page: Page, server: Server, gate: Gate) -> None:
    """The options of a start, after what did not fit."""
    page.goto("/jobs/new?handler=swift&option.when=at&option.retries=-1&option.priority=1.5")
    page.get_by_test_id("create-submit").click()
    expect(page.locator("[aria-invalid=true]")).to_have_count(3)


def waiting_popup(page: Page, server: Server, gate: Gate) -> None:
    """A job that is not due yet, with its options unfolded."""
    page.goto(f"/jobs/{started(server, 'swift', delay=86_400, priority=7)}")
    popup(page).get_by_test_id("job-facts").locator("summary").click()
    expect(popup(page).get_by_test_id("job-priority")).to_be_visible()


def error_page(page: Page, server: Server, gate: Gate) -> None:
    """A page that says what went wrong."""
    page.goto("/jobs/987654")
    expect(page.get_by_text("There is no job 987654")).to_be_visible()


def menu(page: Page, server: Server, gate: Gate) -> None:
    """The menu of the person who is signed in."""
    page.goto("/jobs")
    page.get_by_role("button", name="admin@example.com").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def handlers_with_a_pause(page: Page, server: Server, gate: Gate) -> None:
    """The page of the handlers, while one is paused that no other test asks for."""
    until = iso(now() + timedelta(seconds=20))
    asked = {"reason": "The disk is full", "until": until}
    server.api("POST", "/handlers/checksum_files/pause", asked)
    server.api("PATCH", "/handlers/checksum_files", {"parallel_limit": 7})
    page.goto("/handlers")
    expect_live(page)
    expect(page.get_by_test_id("pause")).to_be_visible()


def dialog_of_a_pause(page: Page, server: Server, gate: Gate) -> None:
    """The dialog that asks why, after nothing was said."""
    page.goto("/handlers")
    page.get_by_test_id("pause-everything").click()
    page.get_by_test_id("confirm").click()
    expect(page.get_by_label("Why")).to_have_attribute("aria-invalid", "true")


def dialog_of_limits(page: Page, server: Server, gate: Gate) -> None:
    """The dialog with the limits of a handler."""
    page.goto("/handlers")
    page.get_by_test_id("handler-limits").first.click()
    expect(page.get_by_test_id("limits-form")).to_be_visible()


VIEWS: list[Callable[[Page, Server, Gate], None]] = [
    sign_in_page, sign_in_page_with_an_error, full_list, running_popup,
    failed_popup, finished_popup, cancelling_popup, question, dialog_with_an_error,
    menu_of_retries, own_jobs, choice_of_handlers, create_form,
    create_form_with_errors, options_with_errors, waiting_popup, error_page, menu,
    handlers_with_a_pause, dialog_of_a_pause, dialog_of_limits,
]  # fmt: skip


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_axe_finds_no_fault(
    page: Page,
    server: Server,
    gate: Gate,
    complaints: Complaints,
    view: Callable[[Page, Server, Gate], None],
) -> None:
    complaints.expect("status of 4(01|04|22)")
    view(page, server, gate)
    assert faults_of(page) == []


def test_axe_finds_no_fault_on_the_first_pages(page: Page, tmp_path: Path) -> None:
    """A server to which nobody has come yet: its setup page, and then its empty list."""
    fresh = server_without_demo(tmp_path, ADMIN_EMAIL="", ADMIN_PASSWORD="")
    fresh.start()
    try:
        page.goto(next(each for each in fresh.log.read_text().split() if "/setup/" in each))
        assert faults_of(page) == []
        page.get_by_label("Email").fill("first@example.com")
        page.locator("#password").fill("correct horse battery")
        page.locator("#repeat").fill("correct horse battery")
        page.get_by_role("button").click()
        expect(page.get_by_text("No jobs yet")).to_be_visible()
        assert faults_of(page) == []
    finally:
        fresh.kill()
