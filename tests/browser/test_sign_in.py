"""Signing in, in a browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints
from tests.browser.panel import expect_path


def test_a_stranger_signs_in_by_keyboard_and_comes_where_they_wanted(stranger: Page) -> None:
    stranger.goto("/jobs?status=DONE")
    expect(stranger.get_by_label("Email")).to_be_focused()
    stranger.keyboard.type("admin@example.com")
    stranger.keyboard.press("Tab")
    stranger.keyboard.type("jobdeck-demo")
    stranger.keyboard.press("Enter")
    expect(stranger.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    expect_path(stranger, "/jobs?status=DONE")


def test_a_wrong_password_is_told_and_the_address_kept(
    stranger: Page, complaints: Complaints
) -> None:
    complaints.expect("status of 401")
    stranger.goto("/login")
    stranger.get_by_label("Email").fill("admin@example.com")
    stranger.get_by_label("Password").fill("wrong")
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.get_by_role("alert")).to_contain_text("not right")
    expect(stranger.get_by_label("Email")).to_have_value("admin@example.com")
    expect(stranger.get_by_label("Password")).to_be_focused()


def test_the_theme_is_kept_from_page_to_page(page: Page) -> None:
    page.goto("/jobs")
    page.get_by_role("button", name="admin@example.com").click()
    page.get_by_text("Dark", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
