"""The filters of the jobs: who started one is searched for by keys, and all follows the address."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints
from tests.browser.panel import expect_live, expect_path, row
from tests.browser.test_accessibility import faults_of
from tests.server import Server


@pytest.fixture
def job_id(server: Server) -> int:
    """A job of the superadmin."""
    made = server.api("POST", "/jobs", {"handler": "swift", "name": "Of the admin"})
    return int(made["id"])


def test_who_started_a_job_is_searched_for_and_chosen_by_keys(page: Page, job_id: int) -> None:
    page.goto("/jobs")
    expect_live(page)
    field = page.get_by_role("combobox", name="Started by")
    field.focus()
    page.keyboard.type("adm")
    option = page.get_by_role("option", name="admin@example.com")
    expect(option).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="1 offered")).to_be_attached()
    expect(field).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-activedescendant", option.get_attribute("id") or "no id")
    page.keyboard.press("Enter")
    expect_path(page, "/jobs?started_by=admin%40example.com")
    expect(field).to_have_value("admin@example.com")
    expect(option).to_have_count(0)
    expect(row(page, job_id)).to_be_visible()
    expect(page.get_by_role("link", name="Clear")).to_be_visible()
    expect(page.locator("#jobs")).to_have_attribute("data-live", re.compile("started_by=1"))
    field.fill("")
    expect_path(page, "/jobs")


def test_the_field_offers_all_at_a_click_and_escape_closes_the_list(
    page: Page, job_id: int
) -> None:
    page.goto("/jobs")
    field = page.get_by_role("combobox", name="Started by")
    field.click()
    option = page.locator(".options [role=option]").first
    expect(option).to_be_visible()
    page.keyboard.press("Escape")
    expect(option).to_have_count(0)
    expect(field).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.get_by_role("option", name="admin@example.com").click()
    expect(field).to_have_value("admin@example.com")
    expect_path(page, "/jobs?started_by=admin%40example.com")


def test_half_a_name_asks_for_nothing_until_it_is_sent(page: Page, job_id: int) -> None:
    page.goto("/jobs")
    field = page.get_by_role("combobox", name="Started by")
    field.focus()
    page.keyboard.type("nobody at all")
    expect(page.get_by_text("Nothing is called so")).to_be_attached()
    expect_path(page, "/jobs")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nothing is called 'nobody at all'.")
    expect(row(page, job_id)).to_be_visible()


def test_a_new_job_comes_into_a_filtered_and_ordered_list(page: Page, server: Server) -> None:
    page.goto("/jobs?handler=swift&sort=name")
    expect_live(page)
    made = server.api("POST", "/jobs", {"handler": "swift", "name": "AAA comes first"})
    other = server.api("POST", "/jobs", {"handler": "painted", "name": "AAA is another"})
    expect(row(page, made["id"])).to_be_visible()
    expect(page.get_by_test_id("job-row").first).to_contain_text("AAA comes first")
    expect(row(page, other["id"])).to_have_count(0)


def test_axe_finds_no_fault(page: Page, job_id: int, complaints: Complaints) -> None:
    page.goto("/jobs?started_by=1&created_from=2020-01-01&created_to=soon&sort=-name")
    expect(page.get_by_role("alert")).to_be_visible()
    assert faults_of(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_role("combobox", name="Started by")).to_be_visible()
    assert faults_of(page) == []


def test_axe_finds_no_fault_in_the_list_that_offers(page: Page, job_id: int) -> None:
    page.goto("/jobs")
    page.get_by_role("combobox", name="Started by").click()
    expect(page.locator(".options [role=option]").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    assert faults_of(page) == []
