"""People set and change their passwords and end their sign-ins, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from playwright.sync_api import Browser, Page, expect

from app.config import Settings
from app.db import Database
from app.users.links import one_time_link
from app.users.people import create_user
from tests.browser.conftest import Complaints
from tests.browser.panel import expect_path
from tests.browser.test_accessibility import faults_of
from tests.server import Server

PASSWORD, NEW = "correct horse battery", "another horse battery"
NUMBERS = count(1)


@pytest.fixture
def email() -> str:
    """The address of somebody new."""
    return f"person{next(NUMBERS)}@example.com"


@pytest.fixture
def link(server: Server, email: str) -> Iterator[str]:
    """The path of their one-time link."""
    database = Database(Settings(data_dir=server.log.parent).database)
    person = create_user(database, email=email, role="viewer")
    yield f"/set-password/{one_time_link(database, person.id)}"
    database.dispose()


@pytest.fixture
def elsewhere(browser: Browser, server: Server, complaints: Complaints) -> Iterator[Page]:
    """Another browser, in which no script runs."""
    context = browser.new_context(base_url=server.url, java_script_enabled=False)
    context.on("requestfailed", lambda request: complaints.heard.append(request.url))
    yield context.new_page()
    context.close()


def set_password(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password again").fill(PASSWORD)
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()


def sign_in(page: Page, email: str) -> None:
    page.goto("/login?next=/account")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect_path(page, "/account")


def test_a_link_sets_a_password_and_an_account_is_looked_after_without_script(
    stranger: Page, elsewhere: Page, link: str, email: str
) -> None:
    set_password(elsewhere, link)
    sign_in(stranger, email)
    elsewhere.goto("/account")
    expect(elsewhere.get_by_test_id("sign-in")).to_have_count(2)
    elsewhere.get_by_role("button", name="End the sign-in of").click()
    expect(elsewhere.get_by_text("You are signed in nowhere else.")).to_be_visible()
    stranger.wait_for_url("**/login?next=%2Faccount")  # it goes there by itself, in five seconds


def test_a_password_is_changed_by_keyboard_and_other_browsers_are_out(
    stranger: Page, elsewhere: Page, link: str, email: str, complaints: Complaints
) -> None:
    complaints.expect("status of 422")
    set_password(stranger, link)
    sign_in(elsewhere, email)
    stranger.get_by_role("button", name=email).press("Enter")
    stranger.get_by_role("link", name="Account").press("Enter")
    expect_path(stranger, "/account")
    type_passwords(stranger, "wrong")
    current = stranger.get_by_label("Current password")
    expect(current).to_be_focused()
    expect(current).to_have_accessible_description("This is not your password.")
    type_passwords(stranger, PASSWORD)
    expect(stranger.get_by_test_id("toast")).to_contain_text("Your password is changed.")
    elsewhere.goto("/account")
    expect_path(elsewhere, "/login?next=/account")


def type_passwords(page: Page, current: str) -> None:
    page.get_by_label("Current password").focus()
    for typed in (current, NEW, NEW):
        page.keyboard.type(typed)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")


def test_axe_finds_no_fault_on_the_pages_of_an_account(
    stranger: Page, elsewhere: Page, link: str, email: str,
    complaints: Complaints,
) -> None:  # fmt: skip
    complaints.expect("status of 422")
    stranger.goto(link)
    stranger.get_by_role("button", name="Set password").click()
    expect(stranger.locator("[aria-invalid=true]")).to_have_count(1)
    assert faults_of(stranger) == []
    set_password(stranger, link)
    sign_in(elsewhere, email)
    stranger.goto("/account")
    stranger.get_by_role("button", name="Change password").click()
    expect(stranger.locator("[aria-invalid=true]")).to_have_count(1)
    assert faults_of(stranger) == []
    assert overflow_of(stranger) == 0


def overflow_of(page: Page) -> int:
    """How many pixels of the page lie beside a phone's screen."""
    page.set_viewport_size({"width": 390, "height": 844})
    wide: int = page.evaluate(
        "Math.max(...[...document.querySelectorAll('#main *')]"
        ".map(each => each.getBoundingClientRect().right)) - innerWidth"
    )
    return max(wide, 0)
