"""The options of a start, as a person uses them: a job that waits for its time (B1, B2)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.panel import expect_status, open_create, popup, shown_job
from tests.server import Server


def test_a_job_waits_for_its_time_and_then_starts_by_itself(page: Page, server: Server) -> None:
    page.goto("/jobs")
    form = open_create(page, "swift")
    form.get_by_text("Options").click()
    form.get_by_label("Priority").fill("7")
    form.get_by_label("After a delay").check()
    form.get_by_label("Delay", exact=True).fill("5")
    page.get_by_test_id("create-submit").click()
    shown = popup(page)
    expect(shown.locator(".meta")).to_contain_text("priority 7")
    expect(shown.get_by_test_id("job-start")).to_be_enabled()
    expect(shown.locator(".notices time[data-due]")).to_have_text(re.compile(r"in \d s"))
    expect_status(shown, "DONE")
    expect(shown.get_by_test_id("job-start")).to_have_count(0)


@pytest.mark.browser_context_args(timezone_id="Asia/Kolkata")
def test_a_time_is_that_of_the_persons_own_zone(page: Page, server: Server) -> None:
    page.goto("/jobs/new?handler=swift&option.due=2040-01-01T00:00:00Z")
    form = page.get_by_test_id("create-form")
    time = form.get_by_label("Time", exact=True)
    expect(time).to_have_value("2040-01-01T05:30")
    expect(form.locator(".when-at")).to_contain_text("Asia/")
    time.fill("2040-01-01T09:00")
    page.get_by_test_id("create-submit").click()
    expect(popup(page).locator(".notices")).to_contain_text("on 1 Jan 2040, 09:00")
    job = server.api("GET", f"/jobs/{shown_job(page)}")
    assert job["due_at"] == "2040-01-01T03:30:00.000000Z"


def test_by_keyboard_a_priority_is_changed_and_the_job_let_start(
    page: Page, server: Server
) -> None:
    job_id = server.api("POST", "/jobs", {"handler": "swift", "delay": 86_400})["id"]
    page.goto(f"/jobs/{job_id}")
    shown = popup(page, job_id)
    shown.get_by_test_id("job-facts").locator("summary").press("Enter")
    shown.get_by_test_id("job-priority").press("Enter")
    priority = page.get_by_role("spinbutton", name="Priority")
    expect(priority).to_be_focused()
    priority.press("ControlOrMeta+a")
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    expect(shown.locator(".meta")).to_contain_text("priority 5")
    expect(shown.get_by_test_id("job-priority")).to_be_focused()
    shown.get_by_test_id("job-start").press("Enter")
    expect_status(shown, "DONE")
