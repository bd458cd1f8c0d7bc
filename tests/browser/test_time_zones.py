"""Time zones as a person meets them: the browser tells its own, and live updates keep to it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.panel import popup
from tests.server import Server


@pytest.mark.browser_context_args(timezone_id="Australia/Lord_Howe")
def test_a_live_page_tells_times_in_the_zone_of_the_browser(page: Page, server: Server) -> None:
    page.goto("/jobs")
    expect(page.locator(".page-zone")).to_contain_text("those of Australia/Lord_Howe")
    job_id = server.api("POST", "/jobs", {"handler": "swift", "due": "2040-01-01T00:00Z"})["id"]
    due = page.locator(f"#job-row-{job_id} time[data-due]")
    expect(due).to_have_attribute("title", "2040-01-01 11:00:00 UTC+11:00")
    page.goto(f"/jobs/{job_id}")
    shown = popup(page, job_id)
    expect(shown.locator(".notices")).to_contain_text("on 1 Jan 2040, 11:00 UTC+11:00")
    server.api("PATCH", f"/jobs/{job_id}", {"priority": 7})
    expect(shown.locator(".meta")).to_contain_text("priority 7")
    expect(shown.locator(".notices")).to_contain_text("on 1 Jan 2040, 11:00 UTC+11:00")
    server.api("POST", f"/jobs/{job_id}/cancellation")


@pytest.mark.browser_context_args(timezone_id="Asia/Tokyo")
def test_a_chosen_zone_counts_whatever_the_browser_says(page: Page, server: Server) -> None:
    page.goto("/account")
    page.get_by_label("Show times and take days in").select_option("America/New_York")
    page.get_by_role("button", name="Save time zone").click()
    expect(page.locator("#time-zone-note")).to_have_text("Now America/New_York, as you chose.")
    expect(page.locator(".sign-ins time[data-exactly]").first).to_have_text(re.compile(r" E[SD]T$"))
    page.get_by_label("Show times and take days in").select_option("")
    page.get_by_role("button", name="Save time zone").click()
    expect(page.locator("#time-zone-note")).to_have_text("Now Asia/Tokyo, as your browser says.")
