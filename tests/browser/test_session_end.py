"""A session that ends under a form: what was entered stays, and is sent after the next sign-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.db import Database
from app.users.people import add_user
from app.users.permissions import Role
from app.users.setup import DEMO_EMAIL, DEMO_PASSWORD
from tests.browser.conftest import Complaints
from tests.browser.panel import expect_live, expect_path, expect_status, open_create, popup
from tests.server import DATABASE, Server

OTHER = "olga@example.com"
PASSWORD = "a long password of hers"


@pytest.fixture(scope="module", autouse=True)
def _other(server: Server) -> None:
    """Another account, of somebody who may start jobs."""
    database = Database(f"sqlite:///{server.log.parent / DATABASE}")
    add_user(database, OTHER, Role.OPERATOR, PASSWORD)
    database.dispose()


@pytest.fixture
def page(stranger: Page, complaints: Complaints) -> Page:
    """A page of somebody with a session of its own."""
    complaints.expect("status of 40[01]|WebSocket connection")
    sign_in(stranger)
    return stranger


@pytest.fixture
def beside(page: Page) -> Page:
    """Another tab of the same browser."""
    return page.context.new_page()


def sign_in(page: Page, email: str = DEMO_EMAIL, password: str = DEMO_PASSWORD) -> None:
    if "/login" not in page.url:
        page.goto("/login")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Sign in")).to_have_count(0)


def sign_out(beside: Page) -> None:
    beside.goto("/account")
    beside.get_by_role("button", name="@example.com").click()
    beside.get_by_role("button", name="Sign out").click()
    expect(beside.get_by_role("heading", name="Sign in")).to_be_visible()


def lose_cookie(beside: Page) -> None:
    beside.context.clear_cookies()


@pytest.mark.parametrize("end", [sign_out, lose_cookie])
def test_a_job_is_created_as_entered_after_the_next_sign_in(
    page: Page, beside: Page, end: object
) -> None:
    page.goto("/jobs")
    form = open_create(page, "counting_lines")
    form.get_by_label("Name of the job").fill("Kept")
    form.locator("input[type=file]").set_input_files(
        {"name": "lines.txt", "mimeType": "text/plain", "buffer": b"one\ntwo\n"}
    )
    expect(form.get_by_text("lines.txt")).to_be_visible()
    end(beside)  # type: ignore[operator]
    page.get_by_test_id("create-submit").click()
    told = page.get_by_test_id("session-ended")
    expect(told.get_by_role("heading", name="You are signed out")).to_be_visible()
    with page.context.expect_page() as opened:
        told.get_by_role("link", name="Sign in").click()
    sign_in(opened.value)
    expect(opened.value.get_by_role("heading", name="You are signed in")).to_be_visible()
    expect(told).to_be_hidden()
    expect(page.get_by_test_id("toast").last).to_contain_text("You are signed in again.")
    expect(form.get_by_label("Name of the job")).to_have_value("Kept")
    expect_live(page)
    page.get_by_test_id("create-submit").click()
    expect(popup(page).get_by_role("heading", name="Kept")).to_be_visible()
    expect_status(popup(page), "DONE")


def test_a_file_that_is_chosen_too_late_stays_chosen_and_is_sent_later(
    page: Page, beside: Page
) -> None:
    page.goto("/jobs")
    form = open_create(page, "counting_lines")
    lose_cookie(beside)
    form.locator("input[type=file]").set_input_files(
        {"name": "lines.txt", "mimeType": "text/plain", "buffer": b"one\ntwo\n"}
    )
    expect(form.get_by_text("is still chosen")).to_be_visible()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    sign_in(beside)
    expect(form.locator("[data-upload]")).to_have_attribute("data-state", "done")
    page.get_by_test_id("create-submit").click()
    expect_status(popup(page), "DONE")


def test_a_form_that_nobody_touched_stays_when_it_is_sent(page: Page, beside: Page) -> None:
    page.goto("/jobs")
    open_create(page, "swift")
    lose_cookie(beside)
    page.get_by_test_id("create-submit").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    page.get_by_role("button", name="Not now").click()
    expect(page.get_by_test_id("create-form")).to_be_visible()


def test_who_signed_in_again_meanwhile_notices_nothing(page: Page, beside: Page) -> None:
    page.goto("/jobs")
    form = open_create(page, "swift")
    lose_cookie(beside)
    sign_in(beside)
    form.get_by_label("Name of the job").fill("Sent at once")
    page.get_by_test_id("create-submit").click()
    expect(popup(page).get_by_role("heading", name="Sent at once")).to_be_visible()


def test_another_person_is_named_before_anything_is_sent(page: Page, beside: Page) -> None:
    page.goto("/jobs")
    form = open_create(page, "swift")
    lose_cookie(beside)
    sign_in(beside, OTHER, PASSWORD)
    # To look what it would do is a request, too, and interrupts nobody.
    form.get_by_label("Name of the job").fill("Whose is it?")
    expect(page.get_by_test_id("toast")).to_contain_text(f"{OTHER} is signed in")
    page.get_by_test_id("create-submit").click()
    told = page.get_by_test_id("session-ended")
    expect(told.get_by_role("heading", name="Another person is signed in")).to_be_visible()
    expect(told).to_contain_text(f"now signed in as {OTHER}; you opened this page as {DEMO_EMAIL}")
    told.get_by_role("button", name="Go on with this account").click()
    expect(told).to_be_hidden()
    expect(form).to_be_visible()
    page.get_by_test_id("create-submit").click()
    expect(popup(page).get_by_role("heading", name="Whose is it?")).to_be_visible()
    expect(popup(page)).to_contain_text(OTHER)


def test_a_form_of_a_resource_is_kept_too(page: Page, beside: Page) -> None:
    page.goto("/users/new")
    page.get_by_label("Email").fill("new@example.com")
    page.get_by_label("Role").select_option("viewer")
    sign_out(beside)
    expect(page.get_by_test_id("toast")).to_contain_text("You are signed out.")
    page.get_by_test_id("save").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    sign_in(beside)
    expect(page.get_by_test_id("session-ended")).to_be_hidden()
    page.get_by_test_id("save").click()
    expect(page.get_by_role("heading", name="new@example.com")).to_be_visible()


def test_a_form_that_was_sent_too_late_is_kept_on_a_page(page: Page, beside: Page) -> None:
    page.goto("/users/new")
    page.get_by_label("Email").fill("late@example.com")
    page.get_by_label("Role").select_option("viewer")
    lose_cookie(beside)  # which no page can see, until it asks
    page.get_by_test_id("save").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    sign_in(beside)
    for _ in range(2):
        page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="late@example.com")).to_be_visible()


def test_a_page_without_a_form_goes_to_the_sign_in(page: Page, beside: Page) -> None:
    page.goto("/jobs?status=DONE")
    lose_cookie(beside)
    page.get_by_test_id("create-job").click()
    expect_path(page, "/login?next=%2Fjobs%3Fstatus%3DDONE")


@pytest.fixture
def plain(browser: Browser, browser_context_args: dict[str, object]) -> Iterator[BrowserContext]:
    """A browser without a script."""
    context = browser.new_context(**browser_context_args, java_script_enabled=False)  # type: ignore[arg-type]
    context.clear_cookies()
    yield context
    context.close()


@pytest.mark.parametrize(("email", "password"), [(DEMO_EMAIL, DEMO_PASSWORD), (OTHER, PASSWORD)])
def test_without_a_script_a_page_keeps_the_form(
    plain: BrowserContext, email: str, password: str, tmp_path: Path
) -> None:
    page, beside = plain.new_page(), plain.new_page()
    sign_in(page)
    page.goto("/jobs/new?handler=counting_lines")
    page.get_by_label("Name of the job").fill('Kept "in" <b>\u00e4</b>')
    chosen = tmp_path / "lines.txt"
    chosen.write_text("one\ntwo\n")
    page.locator("input[type=file]").set_input_files(chosen)
    plain.clear_cookies()
    page.get_by_test_id("create-submit").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    sign_in(beside, email, password)
    page.locator("input[type=file]").set_input_files(chosen)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text(f"You are signed in as {email} now")).to_be_visible()
    page.locator("input[type=file]").set_input_files(chosen)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name='Kept "in" <b>\u00e4</b>').first).to_be_visible()
