"""Superadmins make, change and delete accounts: with a mouse, with keys alone, and on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from typing import Literal

import pytest
from playwright.sync_api import Browser, Dialog, Page, ViewportSize, expect

from tests.browser.conftest import Complaints
from tests.browser.panel import expect_path
from tests.browser.test_accessibility import faults_of
from tests.server import Server
from tests.visitor import PASSWORD

PHONE: ViewportSize = {"width": 390, "height": 844}
numbers = count(1)


@pytest.fixture
def email() -> str:
    """An address that no other test uses."""
    return f"someone{next(numbers)}@example.com"


def make(page: Page, email: str, role: str = "viewer", password: str = "") -> None:
    """Fill in the form for a new account, and send it."""
    page.goto("/users/new")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Role").select_option(role)
    page.get_by_label("Password").fill(password)
    page.get_by_test_id("save").click()


def ask_to_delete(page: Page) -> None:
    """Click on Delete once the page is all there: without its script the question is a page."""
    expect(page.get_by_test_id("delete")).to_be_visible()
    page.wait_for_load_state()
    page.get_by_test_id("delete").click()


def expect_toast(page: Page, said: str) -> None:
    """Wait until it is said."""
    expect(page.get_by_test_id("toast").filter(has_text=said)).to_be_visible()


def test_an_account_is_made_changed_and_deleted(page: Page, email: str) -> None:
    page.goto("/jobs")
    page.get_by_role("link", name="Users", exact=True).click()
    page.get_by_test_id("create").click()
    page.get_by_label("Email").fill(email)
    page.get_by_label("Role").select_option("operator")
    page.get_by_test_id("save").click()
    expect_toast(page, "The user has been created.")
    expect(page.get_by_role("heading", name=email)).to_be_visible()
    page.get_by_test_id("edit").click()
    expect(page.get_by_label("Email")).to_have_value(email)
    page.get_by_label("Disabled").check()
    page.get_by_test_id("save").click()
    expect_toast(page, "The user has been saved.")
    ask_to_delete(page)
    question = page.get_by_test_id("question")
    expect(question.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(page.get_by_test_id("delete")).to_be_focused()
    page.keyboard.press("Enter")
    question.get_by_role("button", name="Delete user").click()
    expect_toast(page, "The user has been deleted.")
    page.get_by_label("Search users").fill(email)
    expect(page.get_by_text("Nothing matches")).to_be_visible()


def test_mistakes_are_told_beside_their_fields(
    page: Page, email: str, complaints: Complaints
) -> None:
    complaints.expect("status of 422")
    make(page, "nobody", password="short")
    field = page.get_by_label("Email")
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description("This is not an e-mail address.")
    password = page.get_by_label("Password")
    expect(password).to_have_accessible_description(re.compile("needs at least 10 characters"))
    field.fill("ADMIN@example.com")
    page.get_by_test_id("save").click()
    expect(page.get_by_text("admin@example.com has an account already.")).to_be_visible()
    field.fill(email)
    page.get_by_test_id("save").click()
    expect(page.get_by_role("heading", name=email)).to_be_visible()


def test_a_link_opens_an_account(page: Page, browser: Browser, server: Server, email: str) -> None:
    make(page, email)
    expect(page.get_by_text("Not yet: make a link")).to_be_visible()
    page.get_by_test_id("row-link").click()
    link = page.get_by_label("The link").input_value()
    assert link.startswith(f"{server.url}/set-password/")
    guest = browser.new_context().new_page()
    guest.goto(link)
    for field in guest.locator("input[type=password]").all():
        field.fill(PASSWORD)
    guest.locator("main").get_by_role("button").click()
    guest.wait_for_url("**/jobs")
    expect(guest.get_by_role("link", name="Jobs", exact=True)).to_be_visible()
    expect(guest.get_by_role("link", name="Users", exact=True)).to_have_count(0)
    guest.context.close()


def test_the_last_superadmin_is_told_why_not(page: Page, complaints: Complaints) -> None:
    complaints.expect("status of (409|422)")
    page.goto("/users?q=admin@example.com")
    page.get_by_role("link", name="admin@example.com", exact=True).click()
    page.get_by_test_id("edit").click()
    page.get_by_label("Role").select_option("viewer")
    page.get_by_test_id("save").click()
    expect(page.get_by_role("alert")).to_contain_text("Nobody else could sign in")
    page.get_by_role("link", name="Cancel").click()
    ask_to_delete(page)
    page.get_by_test_id("question").get_by_role("button", name="Delete user").click()
    expect(page.get_by_role("alert")).to_contain_text("Nobody else could sign in")


def test_a_form_that_was_written_in_is_not_left_by_accident(page: Page, email: str) -> None:
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.goto("/users/new")
    page.get_by_role("link", name="Cancel").click()
    expect_path(page, "/users")
    assert asked == []
    page.goto("/users/new")
    page.get_by_label("Email").fill(email)
    page.get_by_role("link", name="Cancel").click()
    expect_path(page, "/users")
    assert asked == ["beforeunload"]


def test_the_list_follows_its_filters_and_the_address_them(page: Page, email: str) -> None:
    make(page, email, "operator")
    page.goto("/users")
    page.get_by_label("Search users").fill(email)
    expect(page.get_by_test_id("row")).to_have_count(1)
    page.get_by_label("Role").select_option("viewer")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    expect_path(page, f"/users?q={email.replace('@', '%40')}&role=viewer")
    page.get_by_label("Role").select_option("operator")
    expect(page.get_by_test_id("row")).to_have_count(1)
    page.get_by_role("link", name="Created").click()
    expect(page.get_by_role("columnheader", name="Created")).to_have_attribute(
        "aria-sort", "descending"
    )
    page.reload()
    expect(page.get_by_label("Search users")).to_have_value(email)
    expect(page.get_by_label("Role")).to_have_value("operator")
    page.go_back()
    expect(page.get_by_role("columnheader", name="Email")).to_have_attribute(
        "aria-sort", "ascending"
    )


def test_keys_alone_do_it_all(page: Page, email: str) -> None:
    page.goto("/users")
    page.keyboard.press("n")
    expect_path(page, "/users/new")
    page.get_by_label("Email").focus()
    page.keyboard.type(email)
    page.keyboard.press("Enter")
    expect_toast(page, "The user has been created.")
    page.goto("/users")
    page.keyboard.press("/")
    page.keyboard.type(email)
    expect(page.get_by_test_id("row")).to_have_count(1)
    page.get_by_role("link", name=email, exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=email)).to_be_visible()


def test_a_phone_has_the_filters_in_a_drawer(page: Page, email: str) -> None:
    make(page, email, "operator")
    page.set_viewport_size(PHONE)
    page.goto(f"/users?q={email}")
    role = page.get_by_label("Role")
    expect(role).to_be_hidden()
    page.get_by_role("button", name="Filters").click()
    role.select_option("operator")
    expect(page.get_by_role("button", name="Filters")).to_contain_text("1")
    page.get_by_role("button", name="Show results").click()
    expect(role).to_be_hidden()
    expect(page.get_by_test_id("row")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_finger_opens_an_account_on_a_phone_by_the_control_that_has_that_name(
    page: Page, email: str, scheme: Literal["light", "dark"]
) -> None:
    long = f"somebody.with.an.address.that.is.longer.than.a.phone.is.wide.{email}"
    make(page, long)
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme=scheme)
    page.goto(f"/users?q={long}")
    control = page.get_by_role("link", name=f"Open {long}")
    box, name = control.bounding_box(), page.get_by_role("link", name=long, exact=True)
    title = name.bounding_box()
    assert box
    assert title
    assert min(box["width"], box["height"]) >= 24, "too small for a finger"
    assert title["x"] + title["width"] <= box["x"], "the name runs under it"
    assert box["x"] + box["width"] <= PHONE["width"]
    control.click()
    expect(page.get_by_role("heading", name=long)).to_be_visible()


def test_without_a_script_it_works_as_well(browser: Browser, server: Server, email: str) -> None:
    context = browser.new_context(
        java_script_enabled=False,
        base_url=server.url,
        storage_state={"cookies": server.cookie_jar(), "origins": []},  # type: ignore[arg-type]
    )
    page = context.new_page()
    make(page, email)
    ask_to_delete(page)
    page.get_by_role("button", name="Delete user").click()
    expect(page.get_by_text("The user has been deleted.")).to_be_attached()
    page.goto("/users")
    page.get_by_label("Search users").fill(email)
    page.get_by_label("Search users").press("Enter")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    context.close()


def a_list(page: Page) -> None:
    """The list, filtered by what cannot be meant as well."""
    page.goto("/users?role=viewer&created_from=soon")
    expect(page.get_by_role("alert")).to_be_visible()


def an_empty_list(page: Page) -> None:
    """A list in which nothing is."""
    page.goto("/users?q=nobody+at+all")


def a_record(page: Page) -> None:
    """A page with a link that is shown once."""
    make(page, f"axe{next(numbers)}@example.com")
    page.get_by_test_id("row-link").click()
    expect(page.get_by_test_id("outcome")).to_be_visible()


def a_question(page: Page) -> None:
    """The question before an account is deleted."""
    make(page, f"axe{next(numbers)}@example.com")
    ask_to_delete(page)
    expect(page.get_by_test_id("question")).to_be_visible()


def a_form_with_errors(page: Page) -> None:
    """A form with sentences beside its fields."""
    make(page, "nobody")
    expect(page.get_by_text("This is not an e-mail address.")).to_be_visible()


VIEWS: list[Callable[[Page], None]] = [
    a_list, an_empty_list, a_record, a_question, a_form_with_errors,
]  # fmt: skip


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_axe_finds_no_fault(
    page: Page, complaints: Complaints, view: Callable[[Page], None]
) -> None:
    complaints.expect("status of 422")
    view(page)
    assert faults_of(page) == []
