"""The main thing: from the create button to the finished popup."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.at_work import Gate
from tests.browser.conftest import Complaints
from tests.browser.panel import (
    expect_live,
    expect_path,
    expect_progress,
    expect_status,
    in_each_look,
    open_create,
    popup,
    row,
    shown_job,
)


@in_each_look
def test_a_job_is_created_watched_and_seen_to_end(page: Page, gate: Gate, look: str) -> None:
    page.goto("/jobs")
    form = open_create(page, "gated")
    form.get_by_label("Name of the job").fill(f"Seen in {look}")
    form.get_by_label("Gate").fill(str(gate.path))
    form.get_by_label("Tasks").fill("4")
    expect(page.locator("#create-preview")).to_contain_text("4 tasks")
    page.get_by_test_id("create-submit").click()

    shown = popup(page)
    expect(shown.get_by_role("heading", name=f"Seen in {look}")).to_be_visible()
    expect_status(shown, "IN_PROGRESS")
    expect_path(page, f"/jobs/{shown_job(page)}")
    expect(shown.get_by_test_id("task-row")).to_have_count(4)
    gate.open()
    expect_status(shown, "DONE")
    expect_progress(shown, 100)
    expect(shown.locator('[data-testid="task-row"][data-status="DONE"]')).to_have_count(4)

    job_id = shown_job(page)
    shown.get_by_role("button", name="Close").click()
    expect_path(page, "/jobs")
    expect_status(row(page, job_id), "DONE")
    expect_live(page)
    row(page, job_id).get_by_role("link", name="Open job info").click()
    expect(popup(page, job_id)).to_be_visible()
    width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, "the page is wider than the window"


def test_the_steps_of_the_example_follow_one_another(page: Page) -> None:
    page.goto("/jobs")
    form = open_create(page, "example_job_handler")
    form.get_by_label("Steps").fill("2")
    form.get_by_label("Seconds").fill("1")
    page.get_by_test_id("create-submit").click()
    component = popup(page).get_by_test_id("job-component")
    expect(component.locator("[aria-current=step]")).to_contain_text("Step")
    expect_status(popup(page), "DONE")
    expect(component.locator("[aria-current=step]")).to_have_count(0)
    expect(component).to_contain_text("Step 2")


def test_what_does_not_fit_is_brought_into_view(page: Page, complaints: Complaints) -> None:
    complaints.expect("status of 422")
    page.set_viewport_size({"width": 800, "height": 400})
    page.goto("/jobs")
    form = open_create(page, "everything")
    form.get_by_label("Text").fill("abc")
    wrong = form.locator("[name='inner.tasks']")
    wrong.fill("1.5")
    form.locator(".sheet-body").evaluate("body => body.scrollTo(0, 0)")
    expect(wrong).not_to_be_in_viewport()
    page.get_by_test_id("create-submit").click()
    expect(page.locator("[name='inner.tasks'][aria-invalid=true]")).to_be_in_viewport()


def test_what_does_not_fit_is_told_and_keeps_what_was_written(
    page: Page, complaints: Complaints
) -> None:
    complaints.expect("status of 422")
    page.goto("/jobs")
    form = open_create(page, "example_job_handler")
    form.get_by_label("Steps").fill("0")
    form.get_by_label("Seconds").fill("0.5")
    page.get_by_test_id("create-submit").click()
    steps = page.get_by_test_id("create-form").get_by_label("Steps")
    expect(steps).to_have_attribute("aria-invalid", "true")
    expect(steps).to_be_focused()
    expect(page.locator("#field-seconds")).to_have_value("0.5")
    steps.fill("1")
    page.get_by_test_id("create-submit").click()
    expect_status(popup(page), "DONE")


def test_everything_can_be_done_by_keyboard_alone(page: Page) -> None:
    page.goto("/jobs")
    page.keyboard.press("n")
    choice = page.locator('[data-handler="example_job_handler"]')
    expect(page.get_by_test_id("handler-choice")).to_be_visible()
    tab_to(page, '[data-handler="example_job_handler"]')
    expect(choice).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("create-form")).to_be_visible()
    tab_to(page, "#field-steps")
    page.keyboard.type("2")
    tab_to(page, "#field-seconds")
    page.keyboard.type("0")
    tab_to(page, '[data-testid="create-submit"]')
    page.keyboard.press("Enter")
    expect_status(popup(page), "DONE")
    page.keyboard.press("Escape")
    expect(popup(page)).to_have_count(0)


def tab_to(page: Page, selector: str, most: int = 40) -> None:
    """Press Tab until this has the focus, and select the text in it."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not come to {selector}")


def test_an_accidental_second_press_makes_no_second_job(page: Page) -> None:
    page.goto("/jobs")
    before = page.get_by_test_id("job-row").count()
    open_create(page, "swift")
    page.get_by_test_id("create-submit").dblclick()
    expect_status(popup(page), "DONE")
    page.goto("/jobs")
    expect(page.get_by_test_id("job-row")).to_have_count(before + 1)


def test_the_handlers_can_be_searched(page: Page) -> None:
    page.goto("/jobs/new")
    page.get_by_label("Search handlers").fill("checksum")
    expect(page.locator("[data-handler]:visible")).to_have_count(1)
    expect(page.locator("[data-handler]:visible")).to_contain_text("Checksum files")
