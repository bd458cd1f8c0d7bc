"""Handlers are paused, limited and resumed on their page, and all other pages hear of it (B11)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.at_work import Gate
from tests.browser.conftest import Complaints
from tests.browser.panel import expect_live, expect_status, in_each_look, popup
from tests.server import Server

REASON = "The disk is full"


@pytest.fixture(autouse=True)
def _resumed(server: Server) -> Iterator[None]:
    """Whatever a test pauses goes on after it."""
    yield
    for name in ("swift", "*"):
        server.api("POST", f"/handlers/{name}/resume", {})
    server.api("PATCH", "/handlers/swift", dict.fromkeys(LIMITS, "declared"))


LIMITS = ("parallel_limit", "concurrency_limit")


def row(page: Page) -> Locator:
    """The row of the handler that these tests pause."""
    return page.locator('[data-testid="handler-row"][data-handler="swift"]')


@in_each_look
def test_a_handler_is_paused_and_resumed(
    page: Page, context: BrowserContext, server: Server, look: str
) -> None:
    other = context.new_page()
    other.goto("/jobs")
    expect_live(other)
    page.goto("/handlers")
    row(page).get_by_test_id("handler-pause").click()
    expect(page.get_by_label("Why")).to_be_focused()
    page.get_by_label("Why").fill(REASON)
    page.get_by_label("For how long").select_option("hour")
    page.get_by_test_id("confirm").click()
    expect(row(page)).to_contain_text("Paused")
    expect(page.get_by_test_id("pause")).to_contain_text(REASON)
    expect(other.get_by_test_id("pause")).to_contain_text("swift is paused by admin@example.com")
    row(page).get_by_test_id("handler-resume").click()
    expect(row(page)).not_to_contain_text("Paused")
    expect(other.get_by_test_id("pause")).to_have_count(0)


def test_a_job_of_a_paused_handler_waits_and_says_why(page: Page, server: Server) -> None:
    server.api("POST", "/handlers/swift/pause", {"reason": REASON})
    job_id = int(server.api("POST", "/jobs", {"handler": "swift"})["id"])
    page.goto(f"/jobs/{job_id}")
    expect_status(popup(page), "QUEUED")
    expect(popup(page).get_by_test_id("pause")).to_contain_text(
        f"until somebody resumes it: {REASON}"
    )
    server.api("POST", "/handlers/swift/resume", {})
    expect_status(popup(page), "DONE")
    expect(popup(page).get_by_test_id("pause")).to_have_count(0)


def test_everything_is_paused_by_keyboard_alone(page: Page, complaints: Complaints) -> None:
    complaints.expect("status of 422")
    page.goto("/handlers")
    expect_live(page)
    page.get_by_test_id("pause-everything").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Why")).to_be_focused()
    page.keyboard.press("Enter")  # without a reason
    expect(page.get_by_label("Why")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Why")).to_be_focused()
    page.keyboard.type("Maintenance")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("pause")).to_contain_text("Everything is paused")
    page.get_by_test_id("resume-everything").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("pause")).to_have_count(0)


def test_limits_are_set_and_what_others_set_is_seen_at_once(page: Page, server: Server) -> None:
    page.goto("/handlers")
    expect_live(page)
    row(page).get_by_test_id("handler-limits").click()
    page.get_by_label("Jobs at once").fill("4")
    page.get_by_test_id("confirm").click()
    expect(row(page)).to_contain_text("declared: no limit")
    expect_live(page)
    server.api("PATCH", "/handlers/swift", {"concurrency_limit": 23})
    expect(row(page)).to_contain_text("23")


def test_a_dialog_is_left_and_changes_nothing(page: Page, server: Server) -> None:
    page.goto("/handlers")
    expect_live(page)
    row(page).get_by_test_id("handler-pause").click()
    expect(page.get_by_test_id("pause-form")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("pause-form")).to_have_count(0)
    expect(row(page).get_by_test_id("handler-pause")).to_be_focused()


def test_a_running_job_gets_its_own_limit(page: Page, server: Server, gate: Gate) -> None:
    asked = {"handler": "gated", "params": gate.params(tasks=12)}
    job_id = int(server.api("POST", "/jobs", asked)["id"])
    page.goto(f"/jobs/{job_id}")
    popup(page).get_by_test_id("job-limit").click()
    page.get_by_label("Tasks at once").fill("11")
    page.get_by_test_id("confirm").click()
    expect(page.get_by_test_id("toast")).to_contain_text("The limit")
    assert server.api("GET", f"/jobs/{job_id}")["parallel_limit"] == 11
