"""What a form shows is what it sends: in a real browser, untouched and changed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Complaints
from tests.browser.panel import (
    expect_status,
    in_each_look,
    open_create,
    popup,
    shown_job,
)
from tests.browser.test_accessibility import faults_of
from tests.eventually import eventually
from tests.server import Server


def result(page: Page, server: Server) -> Any:
    """What the one task of the job in the popup has said."""
    expect_status(popup(page), "DONE")
    return server.api("GET", f"/jobs/{shown_job(page)}/tasks")["tasks"][0]["result"]


def create(page: Page) -> None:
    """Press the button."""
    page.get_by_test_id("create-submit").click()


@pytest.mark.browser_context_args(timezone_id="Asia/Kolkata")
def test_a_form_of_every_kind_gives_the_defaults_untouched_and_again(
    page: Page, server: Server
) -> None:
    page.goto("/jobs")
    form = open_create(page, "kinds")
    expect(form.get_by_label("Moment", exact=True)).to_have_value("2030-06-01T17:30:30")
    create(page)
    assert result(page, server) == {}
    first = shown_job(page)
    page.goto(f"/jobs/new?again={first}")
    create(page)
    assert shown_job_after(page, first) != first
    assert result(page, server) == {}


def shown_job_after(page: Page, before: int) -> int:
    """The job of the popup, once it is another one."""
    expect(popup(page)).not_to_have_attribute("data-job-id", str(before))
    return shown_job(page)


def test_names_of_the_dialog_are_not_mixed_up_with_params(page: Page, server: Server) -> None:
    page.goto("/jobs")
    form = open_create(page, "named")
    form.get_by_label("Name of the job").fill("Job's own")
    form.get_by_label("Name", exact=True).fill("param's own")
    form.get_by_label("Csrf token").fill("mine")
    create(page)
    expect(popup(page).get_by_role("heading", name="Job's own")).to_be_visible()
    said = result(page, server)
    assert (said["name"], said["csrf_token"], said["handler"]) == (
        "param's own",
        "mine",
        "own handler",
    )
    assert (said["action"], said["elements"], said["again"]) == ("own action", "own elements", 5)


@in_each_look
def test_rows_are_added_and_removed_and_told_what_is_wrong(
    page: Page, server: Server, complaints: Complaints, look: str
) -> None:
    complaints.expect("status of 422")
    page.goto("/jobs")
    form = open_create(page, "nested")
    add = form.get_by_role("button", name="Add server")
    for host in ("one", "two", "three"):
        add.click()
        expect(host_of(form).last).to_be_focused()
        page.keyboard.type(host)
    form.get_by_role("button", name="Remove Server 2").click()
    expect(form.get_by_role("button", name="Remove Server 2")).to_be_focused()
    second = form.get_by_role("group", name="Server 2", exact=True)
    expect(host_of(second)).to_have_value("three")
    second.get_by_label("Port").fill("0")
    second.get_by_label("Tags").fill("x\n y")
    second.get_by_label("Password").fill("open sesame")
    create(page)
    form = page.get_by_test_id("create-form")
    second = form.get_by_role("group", name="Server 2", exact=True)
    port = second.get_by_label("Port")
    expect(port).to_have_attribute("aria-invalid", "true")
    expect(second.locator(".field-error")).to_contain_text("greater than or equal to 1")
    assert faults_of(page) == []
    width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, "the page is wider than the window"
    port.fill("81")
    second.get_by_label("Password").fill("open sesame")
    form.get_by_label("Level").select_option("High")
    create(page)
    assert result(page, server) == {
        "hosts": ["one", "three"], "passwords": [None, 11], "tags": [[], ["x", " y"]],
        "backup": None, "level": 2, "files": [],
    }  # fmt: skip


def host_of(inside: Locator) -> Locator:
    """The control for a host that can be seen."""
    return inside.get_by_label(re.compile("^Host")).and_(inside.page.locator(":visible"))


def test_enter_creates_the_job_and_adds_no_row(page: Page, server: Server) -> None:
    page.goto("/jobs/new?handler=nested&servers.0.host=h&level=1")
    form = page.get_by_test_id("create-form")
    host_of(form).press("Enter")
    assert result(page, server)["hosts"] == ["h"]
    expect(form).to_have_count(0)


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_a_script_the_buttons_send_the_form(page: Page, server: Server) -> None:
    page.goto("/jobs/new?handler=nested&level=1")
    page.get_by_role("button", name="Add server").click()
    page.get_by_role("button", name="Add server").click()
    host_of(page.get_by_test_id("create-form")).nth(0).fill("gone")
    host_of(page.get_by_test_id("create-form")).nth(1).fill("stays")
    page.get_by_role("button", name="Remove Server 1").click()
    expect(host_of(page.get_by_test_id("create-form"))).to_have_value("stays")
    create(page)
    assert outcome(server, shown_job(page))["hosts"] == ["stays"]


HARD: list[dict[str, Any]] = [
    {
        "text": "", "maybe_text": "", "maybe_empty": None, "lines_in_text": "\n\nlast\n",
        "story": "\r",
        "maybe_count": None, "maybe": False, "sure": None, "ratio": 1e300, "big": -(10**40),
        "maybe_level": 1, "choice": True, "either": 7, "wait": 0.5, "day": "0001-01-01",
        "hour": "00:00", "naive": "0999-12-31T23:59:59.999", "naive_seconds": "2030-01-02T03:04Z",
        "moment": "2030-10-27T01:30:00.000001+01:00", "maybe_moment": "2030-10-27T00:30:00Z",
        "words": ["\u2028", "\x0b", "a"], "hard_words": [], "maybe_words": [], "no_words": None,
        "levels": [1, 2], "few_levels": [], "server": {"host": "", "tags": [""]},
        "maybe_server": {"host": "h"}, "given_server": None, "servers": [], "tree": {"name": "x"},
        "by_name": {"": {"host": "a"}, " b\n": {"host": "c"}}, "anything": "null",
    },
    {
        "text": "\t<b>&amp;\"'", "maybe_text": " ", "maybe_moment": "2030-10-27T01:30:00Z",
        "words": [], "unordered": ["z", "a"], "maybe_pair": [1, ""], "anything": None,
        "by_name": {"a.b": {"host": "x", "port": 81, "is_primary": True}}, "pair": [2, "\n"],
        "tree": {"children": [{"children": [{"children": [{"children": [{"name": "deep"}]}]}]}]},
        "servers": [{"host": "x", "is_primary": True}, {"host": "y", "port": 1, "tags": []}],
    },
]  # fmt: skip


@pytest.mark.browser_context_args(timezone_id="Europe/Berlin")
@pytest.mark.parametrize("params", HARD, ids=["first", "second"])
def test_what_was_entered_is_sent_again_as_it_was(
    page: Page, server: Server, params: dict[str, Any]
) -> None:
    """Clocks go back in Berlin at 1:00 UTC on that day: the hour before is there twice."""
    first = server.api("POST", "/jobs", {"handler": "kinds", "params": params})["id"]
    page.goto(f"/jobs/new?again={first}")
    create(page)
    second = shown_job_after(page, first)
    assert outcome(server, second) == outcome(server, first)


def outcome(server: Server, job_id: int) -> Any:
    """What its one task has said, once it has."""
    eventually(lambda: server.api("GET", f"/jobs/{job_id}")["status"] == "DONE")
    return server.api("GET", f"/jobs/{job_id}/tasks")["tasks"][0]["result"]
