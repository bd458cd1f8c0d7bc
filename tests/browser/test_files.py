"""Files in a browser: up by a form, as soon as they are chosen, and down from the popup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser.conftest import Complaints
from tests.browser.panel import expect_status, in_each_look, open_create, popup, shown_job
from tests.browser.test_accessibility import faults_of
from tests.browser.test_create import tab_to

PEOPLE = 'email,role,name\nzoë{0}@example.com,viewer,"Doe, Z"\nking{0}@example.com,king,\n'


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """A text of three lines."""
    (tmp_path / "three lines.txt").write_text("one\ntwo\nthree\n")
    return tmp_path / "three lines.txt"


def field(page: Page) -> Locator:
    """The field for a file."""
    return page.locator("[data-upload]")


def expect_state(page: Page, state: str) -> None:
    """Wait until the field is in this state."""
    expect(field(page)).to_have_attribute("data-state", state)


@in_each_look
def test_a_table_is_imported_and_says_what_became_of_each_row(
    page: Page, tmp_path: Path, look: str
) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE.format(look), "utf-8-sig")
    page.goto("/jobs")
    open_create(page, "import_admin_users").get_by_label("File", exact=True).set_input_files(
        tmp_path / "people.csv"
    )
    expect_state(page, "done")
    expect(field(page).get_by_role("status")).to_contain_text("people.csv 8")
    expect(page.locator("#create-preview")).to_contain_text("2 tasks")
    page.get_by_test_id("create-submit").click()
    shown = popup(page)
    expect_status(shown, "DONE_WITH_ERRORS")
    component = shown.get_by_test_id("job-component")
    expect(component).to_contain_text("1 created")
    expect(component.get_by_role("row").last).to_contain_text(f"king{look}@example.com")
    expect(component.get_by_role("row").last).to_contain_text("'king' is not a role")
    width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, "the page is wider than the window"
    assert faults_of(page) == []


def test_what_was_exported_can_be_saved(page: Page) -> None:
    page.goto("/jobs")
    open_create(page, "export_jobs").get_by_label("Format").select_option("jsonl")
    page.get_by_test_id("create-submit").click()
    with page.expect_download() as saving:
        popup(page).get_by_role("link", name=re.compile("^Download")).click()
    assert saving.value.suggested_filename == f"jobs-{shown_job(page)}.jsonl"
    assert faults_of(page) == []


def test_a_file_of_the_job_can_be_saved_again(page: Page, lines: Path) -> None:
    page.goto("/jobs/new?handler=counting_lines")
    page.get_by_label("File", exact=True).set_input_files(lines)
    expect_state(page, "done")
    page.get_by_test_id("create-submit").click()
    expect_status(popup(page), "DONE")
    with page.expect_download() as saving:
        popup(page).get_by_role("link", name="Download three lines.txt").click()
    assert Path(saving.value.path()).read_text() == lines.read_text()
    assert saving.value.suggested_filename == "three lines.txt"
    assert faults_of(page) == []


def test_create_waits_for_a_file_that_is_on_its_way(page: Page, lines: Path) -> None:
    held: list[Route] = []
    page.route("**/api/v1/files", lambda route: held.append(route))
    page.goto("/jobs/new?handler=counting_lines")
    page.get_by_label("File", exact=True).set_input_files(lines)
    expect_state(page, "uploading")
    page.get_by_test_id("create-submit").click()
    expect(field(page).get_by_role("status")).to_contain_text("then the job is created")
    expect(popup(page)).to_have_count(0)
    held[0].continue_()
    expect_status(popup(page), "DONE")


def test_a_file_is_too_large_before_it_is_sent(page: Page, tmp_path: Path, server: Any) -> None:
    with open(tmp_path / "large.txt", "wb") as large:
        large.truncate(51 * 2**20)
    page.goto("/jobs/new?handler=counting_lines")
    page.get_by_label("File", exact=True).set_input_files(tmp_path / "large.txt")
    expect_state(page, "failed")
    expect(field(page).get_by_role("status")).to_contain_text("larger than 50 MB")
    assert faults_of(page) == []


def test_a_server_that_refuses_or_is_gone_is_told(
    page: Page, lines: Path, complaints: Complaints
) -> None:
    complaints.expect("status of (429|500)|net::ERR_FAILED")
    said = '{"error": {"code": "too_many_uploads", "message": "You have 50 uploads."}}'
    page.goto("/jobs/new?handler=counting_lines")
    for answer, sentence in (
        (lambda route: route.fulfill(status=429, body=said), "You have 50 uploads."),
        (lambda route: route.fulfill(status=500, body="<p>"), "could not be uploaded"),
        (lambda route: route.abort(), "does not answer"),
    ):
        page.route("**/api/v1/files", answer)
        page.get_by_label("File", exact=True).set_input_files(lines)
        expect(field(page).get_by_role("status")).to_contain_text(sentence)
        page.unroute("**/api/v1/files")
    page.get_by_label("File", exact=True).set_input_files(lines)
    expect_state(page, "done")
    assert faults_of(page) == []


def test_a_form_with_a_mistake_keeps_the_file(
    page: Page, lines: Path, complaints: Complaints
) -> None:
    complaints.expect("status of 422")
    page.goto("/jobs/new?handler=counting_lines")
    page.get_by_label("File", exact=True).set_input_files(lines)
    expect_state(page, "done")
    page.get_by_label("Times").fill("0")
    page.get_by_test_id("create-submit").click()
    expect(page.get_by_label("Times")).to_have_attribute("aria-invalid", "true")
    expect(field(page).get_by_role("status")).to_contain_text("three lines.txt")
    page.get_by_label("Times").fill("1")
    page.get_by_test_id("create-submit").click()
    expect_status(popup(page), "DONE")


def test_a_file_is_taken_away_by_keyboard(page: Page, lines: Path) -> None:
    page.goto("/jobs/new?handler=counting_lines")
    tab_to(page, "#field-file")
    page.get_by_label("File", exact=True).set_input_files(lines)
    expect_state(page, "done")
    assert faults_of(page) == []
    tab_to(page, "[data-upload-remove]")
    page.keyboard.press("Enter")
    expect_state(page, "empty")
    expect(page.locator("#field-file")).to_be_focused()
    expect(page.locator("[data-upload] input[type=hidden]")).to_have_value("")


def test_without_a_script_the_form_sends_the_file(
    browser: Browser, browser_context_args: dict[str, Any], base_url: str, lines: Path
) -> None:
    plain = {**browser_context_args, "java_script_enabled": False, "base_url": base_url}
    with browser.new_context(**plain) as context:
        page = context.new_page()
        page.goto("/jobs/new?handler=counting_lines")
        page.get_by_label("File", exact=True).set_input_files(lines)
        page.get_by_test_id("create-submit").click()
        expect(popup(page)).to_contain_text("three lines.txt")
