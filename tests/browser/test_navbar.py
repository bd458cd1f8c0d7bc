"""The widget with one's own jobs: the badge, the list, and the popup that it opens (A14)."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.at_work import Gate
from tests.browser.panel import expect_live, expect_path, expect_status, in_each_look, popup
from tests.server import Server


def count(page: Page) -> int:
    """The number in the badge; 0 while it is hidden."""
    badge = page.get_by_test_id("navbar-jobs-count")
    return int(badge.inner_text()) if badge.is_visible() else 0


def own(page: Page, name: str) -> Locator:
    """The row of a job in the list of one's own."""
    return page.locator("#navbar-jobs-rows li", has_text=name)


@in_each_look
def test_the_badge_and_the_list_follow_a_job_to_its_popup(
    page: Page, server: Server, gate: Gate, look: str
) -> None:
    page.goto("/jobs?status=CANCELLED")
    expect_live(page)
    before, name = count(page), f"Mine on a {look}"
    asked = {"handler": "gated", "name": name, "params": gate.params()}
    job_id = server.api("POST", "/jobs", asked)["id"]
    badge = page.get_by_test_id("navbar-jobs-count")
    expect(badge).to_have_text(str(before + 1))
    page.get_by_role("button", name="Your jobs").click()
    expect(own(page, name)).to_be_visible()
    expect(own(page, name)).to_contain_text("Running")
    gate.open()
    expect(own(page, name)).to_contain_text("Done")
    expect(own(page, name).get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    expect(badge).to_have_text(str(before))
    own(page, name).get_by_role("link").click()
    expect(popup(page, job_id)).to_be_visible()
    expect_status(popup(page), "DONE")
    expect_path(page, f"/jobs/{job_id}")
    page.keyboard.press("Escape")
    expect(popup(page)).to_have_count(0)
    expect(page.get_by_test_id("navbar-jobs")).to_be_focused()
    width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, "the page is wider than the window"


def test_it_is_used_by_keyboard(page: Page, server: Server) -> None:
    server.api("POST", "/jobs", {"handler": "swift", "name": "Found by keyboard"})
    page.goto("/jobs")
    page.get_by_test_id("navbar-jobs").focus()
    page.keyboard.press("Enter")
    expect(own(page, "Found by keyboard")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("#navbar-jobs-rows a").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(own(page, "Found by keyboard")).to_be_hidden()
    expect(page.get_by_test_id("navbar-jobs")).to_be_focused()


def test_it_is_live_on_pages_without_jobs(page: Page, server: Server, gate: Gate) -> None:
    page.goto("/account")
    badge = page.get_by_test_id("navbar-jobs-count")
    expect(page.get_by_test_id("navbar-jobs")).to_be_visible()
    before = count(page)
    asked = {"handler": "gated", "name": "Seen elsewhere", "params": gate.params()}
    job_id = server.api("POST", "/jobs", asked)["id"]
    expect(badge).to_have_text(str(before + 1))
    page.get_by_test_id("navbar-jobs").click()
    own(page, "Seen elsewhere").get_by_role("link").click()
    expect(popup(page, job_id)).to_be_visible()
