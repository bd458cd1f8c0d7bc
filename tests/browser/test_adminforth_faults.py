"""What made AdminForth's popup hard to use (fault 22), and is not to be seen here.

Progress is in `tests/jobs`; a lost connection in `test_live`; a stale list in `test_create`.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.panel import expect_live, expect_status, popup
from tests.eventually import eventually
from tests.outside.kinds import HOSTILE
from tests.server import Server


@pytest.fixture
def failed(server: Server) -> int:
    """A job that failed, of a handler without a component of its own."""
    job_id = int(server.api("POST", "/jobs", {"handler": "failing", "name": "No component"})["id"])
    eventually(lambda: server.api("GET", f"/jobs/{job_id}")["status"] == "DONE_WITH_ERRORS")
    return job_id


def test_22_a_job_without_a_component_lists_its_tasks_and_errors(page: Page, failed: int) -> None:
    page.goto(f"/jobs/{failed}")
    (task,) = popup(page).get_by_test_id("task-row").all()
    expect(task).to_contain_text(f"ValueError: {HOSTILE}")
    expect(popup(page).get_by_test_id("job-retry")).to_be_enabled()
    popup(page).get_by_text("Log", exact=True).click()
    expect(popup(page).get_by_role("list", name="Log of the job")).to_contain_text("about to fail")


def test_22_times_go_on_while_the_popup_stays_open(page: Page, failed: int) -> None:
    page.clock.install()
    page.goto(f"/jobs/{failed}")
    expect_live(page)
    page.clock.fast_forward(180_000)
    expect(popup(page).get_by_text("finished 3 min ago")).to_be_visible()


def test_22_a_message_comes_once(page: Page, failed: int) -> None:
    page.goto(f"/jobs/{failed}")
    expect_live(page)
    popup(page).get_by_test_id("job-retry").click()
    expect(page.get_by_test_id("toast")).to_have_text("Trying 1 task again.")
    expect(popup(page).locator(".cell-tries")).to_have_text("2")
    expect_status(popup(page), "DONE_WITH_ERRORS")
    expect(page.get_by_test_id("toast")).to_have_count(1)
    page.goto(f"/jobs/{failed}")
    expect_live(page)
    expect(page.get_by_test_id("toast")).to_have_count(0)


def test_22_a_share_is_a_whole_number(page: Page, failed: int) -> None:
    page.goto(f"/jobs/{failed}")
    expect(popup(page).locator(".percent").first).to_have_text("100%")
