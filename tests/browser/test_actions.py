"""What is done with a job from its popup, by mouse and by keyboard alone (A8, A17, P7)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from app.config import Settings
from app.db import Database
from app.users.people import add_user
from app.users.permissions import Role
from tests.at_work import Gate
from tests.browser.conftest import Complaints
from tests.browser.panel import (
    expect_live,
    expect_path,
    expect_status,
    in_each_look,
    popup,
    row,
    shown_job,
    waiting,
)
from tests.eventually import eventually
from tests.server import Server

PASSWORD = "correct horse battery"


def start(server: Server, handler: str, name: str, **asked: object) -> int:
    return int(server.api("POST", "/jobs", {"handler": handler, "name": name, **asked})["id"])


def running(server: Server, gate: Gate, name: str, handler: str = "stubborn") -> int:
    """A job whose tasks wait, and do not look whether they are cancelled."""
    job_id = start(server, handler, name, params=gate.params(tasks=12))
    eventually(lambda: waiting(server, job_id) == 10)
    return job_id


@pytest.fixture
def failed(server: Server) -> int:
    """A job in which two of three tasks failed."""
    tasks = [{"state": {"well": well}} for well in (False, True, False)]
    job_id = start(server, "failing", "Two of three", tasks=tasks)
    eventually(lambda: server.api("GET", f"/jobs/{job_id}")["status"] == "DONE_WITH_ERRORS")
    return job_id


def question(page: Page) -> Locator:
    """The dialog that asks."""
    return page.get_by_test_id("question")


def press(page: Page, hook: str) -> None:
    """Press one of the actions of the popup."""
    popup(page).get_by_test_id(hook).click()


@in_each_look
def test_a_job_is_cancelled_after_a_question(
    page: Page, server: Server, gate: Gate, look: str
) -> None:
    job_id = running(server, gate, f"Cancelled in {look}")
    page.goto(f"/jobs/{job_id}")
    press(page, "job-cancel")
    expect(question(page)).to_contain_text("2 tasks have not begun and will not start.")
    expect(question(page)).to_contain_text("10 still run")
    expect(question(page).get_by_role("button", name="Keep it running")).to_be_focused()
    page.get_by_test_id("confirm").click()
    expect(question(page)).to_have_count(0)
    notices = page.locator(f"#job-{job_id}-notices")
    expect(notices).to_contain_text("Cancelling, asked by admin@example.com")
    expect(notices).to_contain_text("Waiting for 10 running tasks to end.")
    expect(page.get_by_test_id("toast")).to_contain_text("Waiting for 10 running tasks to end.")
    expect(popup(page).get_by_test_id("job-cancel")).to_be_disabled()
    expect_status(popup(page), "IN_PROGRESS")
    gate.open()
    expect_status(popup(page), "CANCELLED")
    expect(notices).to_contain_text("Cancelled, asked by admin@example.com")
    width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, "the page is wider than the window"


def test_who_waits_is_told_that_the_tasks_do_not_look(
    page: Page, server: Server, gate: Gate
) -> None:
    job_id = running(server, gate, "Stubborn")
    page.clock.install()
    page.goto(f"/jobs/{job_id}")
    server.api("POST", f"/jobs/{job_id}/cancellation", {})
    late = popup(page).get_by_text("These tasks do not look whether they are cancelled")
    expect(late).to_be_attached()
    expect(late).to_be_hidden()
    page.clock.fast_forward(11_000)
    expect(late).to_be_visible()


@pytest.mark.parametrize("way", ["Escape", "Keep it running"])
def test_a_question_that_is_not_answered_changes_nothing(
    page: Page, server: Server, gate: Gate, way: str
) -> None:
    job_id = running(server, gate, "Kept running")
    page.goto(f"/jobs/{job_id}")
    press(page, "job-cancel")
    expect(question(page)).to_be_visible()
    if way == "Escape":
        page.keyboard.press(way)
    else:
        question(page).get_by_role("button", name=way).click()
    expect(question(page)).to_have_count(0)
    expect(popup(page, job_id)).to_be_visible()
    expect(popup(page).get_by_test_id("job-cancel")).to_be_focused()
    assert server.api("GET", f"/jobs/{job_id}")["cancel_requested_at"] is None


def test_a_question_stays_true_while_it_is_open(page: Page, server: Server, gate: Gate) -> None:
    job_id = running(server, gate, "Ended meanwhile", "gated")
    page.goto(f"/jobs/{job_id}")
    expect_live(page)
    press(page, "job-cancel")
    expect(question(page)).to_contain_text("10 still run")
    gate.open()
    expect(question(page)).to_contain_text("It has ended meanwhile.")


def test_what_is_not_possible_any_more_is_told(
    page: Page, server: Server, gate: Gate, complaints: Complaints
) -> None:
    complaints.expect("status of 409")
    job_id = running(server, gate, "Too late", "gated")
    page.goto(f"/jobs/{job_id}")
    press(page, "job-cancel")
    gate.open()
    expect(question(page)).to_contain_text("It has ended meanwhile.")
    question(page).get_by_role("button", name="Cancel job").click()
    said = f"Job {job_id} has ended already (DONE); it cannot be cancelled."
    expect(page.get_by_test_id("toast")).to_have_text(said)
    expect(question(page)).to_have_count(0)


def test_failed_tasks_are_tried_again(page: Page, server: Server, failed: int) -> None:
    page.goto(f"/jobs/{failed}?tasks=FAILED")
    press(page, "job-retry")
    expect(page.get_by_test_id("toast")).to_contain_text("Trying 2 tasks again.")
    eventually(lambda: tried(server, failed) == [2, 1, 2])
    expect_status(popup(page), "DONE_WITH_ERRORS")
    expect_path(page, f"/jobs/{failed}?tasks=FAILED")
    expect(popup(page).get_by_test_id("task-row")).to_have_count(2)


def tried(server: Server, job_id: int) -> list[int]:
    """How often each task was tried."""
    return [each["attempts"] for each in server.api("GET", f"/jobs/{job_id}/tasks")["tasks"]]


def test_one_task_is_tried_again_and_keeps_its_attempts(
    page: Page, server: Server, failed: int
) -> None:
    page.goto(f"/jobs/{failed}?task=2")
    popup(page).get_by_role("button", name="Retry task 2").click()
    expect(popup(page).get_by_text("Attempt 2")).to_be_visible()
    expect(popup(page).get_by_text("Attempt 1")).to_be_visible()
    eventually(lambda: tried(server, failed) == [1, 1, 2])


def test_all_tasks_are_tried_again_after_a_question(
    page: Page, server: Server, failed: int
) -> None:
    page.goto(f"/jobs/{failed}")
    press(page, "job-retry-more")
    page.get_by_role("button", name="Retry all 3 tasks …").click()
    expect(question(page)).to_contain_text("also the 1 that ended well")
    question(page).get_by_role("button", name="Retry all 3 tasks").click()
    eventually(lambda: tried(server, failed) == [2, 2, 2])


def test_the_menu_stays_open_while_the_job_changes(page: Page, server: Server, failed: int) -> None:
    page.goto(f"/jobs/{failed}")
    expect_live(page)
    press(page, "job-retry-more")
    entry = page.get_by_role("button", name="Retry all 3 tasks …")
    entry.focus()
    server.api("PATCH", f"/jobs/{failed}", {"name": "Renamed meanwhile"})
    expect(popup(page).get_by_role("heading", name="Renamed meanwhile")).to_be_visible()
    expect(entry).to_be_focused()


def test_cancel_and_retry_need_no_mouse(page: Page, server: Server, gate: Gate) -> None:
    job_id = running(server, gate, "By keyboard")
    page.goto(f"/jobs/{job_id}")
    expect_live(page)
    walk_to(page, "job-cancel")
    page.keyboard.press("Enter")
    expect(question(page).get_by_role("button", name="Keep it running")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(f"#job-{job_id}-notices")).to_contain_text("Cancelling")
    # The button that was pressed is disabled now: the next one that is not has the focus.
    expect(popup(page).get_by_test_id("job-again")).to_be_focused()
    gate.open()
    expect_status(popup(page), "CANCELLED")
    walk_to(page, "job-retry-more")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Retry 2 cancelled").last).to_be_focused()
    page.keyboard.press("Enter")
    expect_status(popup(page), "DONE")
    expect(popup(page, job_id)).to_be_visible()
    page.wait_for_function("document.activeElement.closest('#job-popup') !== null")


def walk_to(page: Page, hook: str) -> None:
    """Press Tab until the action has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset?.testid") == hook:
            return
    raise AssertionError(f"{hook} cannot be reached")


def test_a_job_is_renamed(page: Page, failed: int, complaints: Complaints) -> None:
    complaints.expect("status of 422")
    page.goto("/jobs")
    row(page, failed).get_by_role("link", name="Open job info").click()
    press(page, "job-rename")
    name = page.get_by_label("Name", exact=True)
    expect(name).to_be_focused()
    name.fill("  ")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Write a name.")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.get_by_label("Name", exact=True).fill("Another name")
    page.keyboard.press("Enter")
    expect(popup(page).get_by_role("heading", name="Another name")).to_be_visible()
    expect(popup(page).get_by_test_id("job-rename")).to_be_focused()
    page.keyboard.press("Escape")
    expect(row(page, failed)).to_contain_text("Another name")


def test_a_job_is_deleted(page: Page, failed: int) -> None:
    page.goto("/jobs")
    row(page, failed).get_by_role("link", name="Open job info").click()
    press(page, "job-delete")
    expect(question(page)).to_contain_text("with its 3 tasks, its log and its files")
    question(page).get_by_role("button", name="Delete job").click()
    expect(popup(page)).to_have_count(0)
    expect(row(page, failed)).to_have_count(0)
    expect_path(page, "/jobs")
    expect(page.get_by_test_id("toast")).to_have_text(f"Job {failed} is deleted.")


def test_a_popup_closes_when_somebody_else_deletes_its_job(
    page: Page, server: Server, failed: int
) -> None:
    page.goto(f"/jobs/{failed}")
    expect_live(page)
    page.evaluate(DELETE, failed)
    expect(popup(page)).to_have_count(0)
    expect(page.get_by_test_id("toast")).to_contain_text(f"There is no job {failed}")


DELETE = """id => fetch(`/api/v1/jobs/${id}`, {method: "DELETE",
  headers: {"X-CSRFToken": document.querySelector("meta[name=csrf-token]").content}})"""


def test_a_job_runs_again_with_other_params(page: Page, server: Server) -> None:
    job_id = start(server, "example_job_handler", "Mine", params={"steps": 3, "seconds": 0})
    page.goto(f"/jobs/{job_id}")
    press(page, "job-again")
    form = page.get_by_test_id("create-form")
    expect(form.get_by_label("Name of the job")).to_have_value("Mine")
    expect(form.get_by_label("Steps")).to_have_value("3")
    form.get_by_label("Steps").fill("5")
    page.get_by_test_id("create-submit").click()
    expect(popup(page).get_by_test_id("task-row")).to_have_count(5)
    assert shown_job(page) != job_id


@pytest.fixture(params=[Role.VIEWER, Role.OPERATOR], ids=str)
def other(
    request: pytest.FixtureRequest, browser: Browser, server: Server, complaints: Complaints
) -> Iterator[tuple[Page, Role]]:
    """The page of somebody who is no superadmin."""
    role: Role = request.param
    email = f"{role}@example.com"
    database = Database(Settings(data_dir=server.log.parent).database)
    add_user(database, email, role, PASSWORD)
    database.dispose()
    context = browser.new_context(base_url=server.url)
    complaints.listen_to(context)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/jobs")
    yield page, role
    context.close()


def test_others_see_what_they_may_not_and_why(
    other: tuple[Page, Role], server: Server, failed: int
) -> None:
    page, role = other
    page.goto(f"/jobs/{failed}?task=0")
    for hook in ("job-rename", "job-delete"):
        expect(popup(page).get_by_test_id(hook)).to_be_disabled()
    reasons = popup(page).get_by_role("list", name="What is not possible now")
    expect(reasons).to_contain_text("Rename, Delete: only for superadmins")
    for hook in ("job-retry", "task-retry", "job-again"):
        button = popup(page).get_by_test_id(hook)
        if role == Role.OPERATOR:
            expect(button).to_be_enabled()
        else:
            expect(button).to_be_disabled()


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_a_script_every_action_is_a_page(page: Page, server: Server, failed: int) -> None:
    page.goto(f"/jobs/{failed}")
    press(page, "job-delete")
    expect_path(page, f"/jobs/{failed}/deletion?")
    question(page).get_by_role("link", name="Keep it").click()
    expect_path(page, f"/jobs/{failed}")
    press(page, "job-retry")
    expect_path(page, f"/jobs/{failed}")
    expect(page.get_by_test_id("toast")).to_be_visible()
    eventually(lambda: tried(server, failed) == [2, 1, 2])
    press(page, "job-rename")
    page.get_by_label("Name", exact=True).fill("Without a script")
    page.get_by_role("button", name="Save name").click()
    expect(popup(page).get_by_role("heading", name="Without a script")).to_be_visible()
