"""The popup of a job: its address, the way back, the keyboard, a task that failed (P6)."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints
from tests.browser.panel import expect_path, expect_status, popup, row
from tests.eventually import eventually
from tests.outside.kinds import HOSTILE
from tests.server import Server


@pytest.fixture(scope="module")
def failed(server: Server) -> int:
    """A job in which one of three tasks failed."""
    tasks = [{"state": {"well": well}} for well in (True, False, True)]
    asked = {"handler": "failing", "name": "Two of three", "tasks": tasks}
    job_id = int(server.api("POST", "/jobs", asked)["id"])
    eventually(lambda: server.api("GET", f"/jobs/{job_id}")["status"] == "DONE_WITH_ERRORS")
    return job_id


def test_a_failed_task_shows_its_traceback_and_its_log(page: Page, failed: int) -> None:
    page.goto("/jobs")
    row(page, failed).get_by_role("link", name="Open job info").click()
    first = popup(page).get_by_test_id("task-row").first
    expect(first).to_have_attribute("data-status", "FAILED")
    first.get_by_role("link").click()
    task = popup(page).get_by_role("article")
    expect(task).to_contain_text("Traceback (most recent call last)")
    expect(task).to_contain_text(f"ValueError: {HOSTILE}")
    expect(task).to_contain_text(f"about to fail: {HOSTILE}")
    expect(task.get_by_role("heading", name="Task 1")).to_be_focused()
    expect_path(page, f"/jobs/{failed}?task=1")


def test_the_tasks_are_filtered_and_the_filter_is_in_the_address(page: Page, failed: int) -> None:
    page.goto(f"/jobs/{failed}")
    popup(page).get_by_role("link", name="Done 2").click()
    expect(popup(page).get_by_test_id("task-row")).to_have_count(2)
    expect_path(page, f"/jobs/{failed}?tasks=DONE")
    page.reload()
    expect(popup(page).get_by_test_id("task-row")).to_have_count(2)


def test_its_address_opens_it_and_closing_leaves_the_list(page: Page, failed: int) -> None:
    page.goto(f"/jobs/{failed}")
    expect(popup(page, failed)).to_be_visible()
    expect(popup(page)).to_have_accessible_name("Two of three")
    page.keyboard.press("Escape")
    expect(popup(page)).to_have_count(0)
    expect_path(page, "/jobs")
    expect(row(page, failed)).to_be_visible()


def test_back_closes_it_and_forward_opens_it_again(page: Page, failed: int) -> None:
    page.goto("/jobs?status=DONE_WITH_ERRORS")
    row(page, failed).get_by_role("link", name="Open job info").click()
    expect(popup(page, failed)).to_be_visible()
    page.go_back()
    expect(popup(page)).to_have_count(0)
    expect_path(page, "/jobs?status=DONE_WITH_ERRORS")
    page.go_forward()
    expect(popup(page, failed)).to_be_visible()
    expect_path(page, f"/jobs/{failed}")


def test_closing_gives_the_filter_and_the_focus_back(page: Page, failed: int) -> None:
    page.goto("/jobs?status=DONE_WITH_ERRORS")
    opener = row(page, failed).get_by_role("link", name="Open job info")
    opener.focus()
    page.keyboard.press("Enter")
    expect(popup(page, failed)).to_be_visible()
    page.keyboard.press("Escape")
    expect(popup(page)).to_have_count(0)
    expect_path(page, "/jobs?status=DONE_WITH_ERRORS")
    expect(opener).to_be_focused()


def test_tab_stays_inside_of_it(page: Page, failed: int) -> None:
    page.goto(f"/jobs/{failed}")
    expect(popup(page, failed)).to_be_visible()
    for _ in range(40):
        page.keyboard.press("Tab")
        # After the last control a browser offers its own, where no element of the page has focus.
        assert page.evaluate(
            "document.activeElement === document.body ||"
            " document.getElementById('job-popup').contains(document.activeElement)"
        )


def test_any_script_can_open_it(page: Page, failed: int) -> None:
    page.goto("/jobs")
    page.evaluate(f"window.OpenJobInfoPopup({failed})")
    expect(popup(page, failed)).to_be_visible()
    expect_path(page, f"/jobs/{failed}")


def test_a_job_that_is_not_there_is_told_in_a_toast(page: Page, complaints: Complaints) -> None:
    complaints.expect("status of 404")
    page.goto("/jobs")
    page.evaluate("window.OpenJobInfoPopup(987654)")
    said = "There is no job 987654; it may have been deleted."
    expect(page.get_by_test_id("toast")).to_have_text(said)
    expect(popup(page)).to_have_count(0)


def test_a_component_that_is_broken_leaves_the_popup_alive(page: Page, server: Server) -> None:
    job_id = server.api("POST", "/jobs", {"handler": "unpaintable"})["id"]
    page.goto(f"/jobs/{job_id}")
    expect_status(popup(page), "DONE")
    expect(popup(page).get_by_test_id("job-component")).to_contain_text("cannot be drawn")
    expect(popup(page).get_by_test_id("task-row")).to_have_count(1)


def test_a_component_from_outside_is_drawn_live(page: Page, server: Server) -> None:
    job_id = server.api("POST", "/jobs", {"handler": "painted", "tasks": [{}, {}]})["id"]
    page.goto(f"/jobs/{job_id}")
    expect(popup(page).locator(".painted")).to_contain_text("Painted Painted: 2 of 2")


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_a_script_everything_is_a_page(page: Page, failed: int) -> None:
    page.goto("/jobs")
    row(page, failed).get_by_role("link", name="Open job info").click()
    expect_path(page, f"/jobs/{failed}")
    expect(page.get_by_text("Two of three").first).to_be_attached()
