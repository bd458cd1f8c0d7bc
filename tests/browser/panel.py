"""The panel as a person sees it: its parts by their hooks."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.server import Server

#: On a desk in the light, and on a phone in the dark.
LOOKS: dict[str, dict[str, Any]] = {
    "desk": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "phone": {
        "color_scheme": "dark", "viewport": {"width": 390, "height": 844}, "has_touch": True,
    },
}  # fmt: skip
in_each_look = pytest.mark.parametrize(
    "look",
    [pytest.param(name, marks=pytest.mark.browser_context_args(**LOOKS[name])) for name in LOOKS],
)


def waiting(server: Server, job_id: int) -> int:
    """How many tasks of a `gated` or `stubborn` job have begun; a claimed one may be called off."""
    rows = server.api("GET", f"/jobs/{job_id}/tasks")["tasks"]
    return sum(bool(row["state"].get("waits")) for row in rows)


def popup(page: Page, job_id: int | None = None) -> Locator:
    """The popup of a job."""
    chosen = "" if job_id is None else f'[data-job-id="{job_id}"]'
    return page.locator(f'[data-testid="job-popup"]{chosen}')


def row(page: Page, job_id: int) -> Locator:
    """The row of a job in the list."""
    return page.locator(f'[data-testid="job-row"][data-job-id="{job_id}"]')


def expect_status(inside: Locator, status: str) -> None:
    """Wait until the job's badge says so."""
    expect(inside.get_by_test_id("job-status")).to_have_attribute("data-status", status)


def expect_progress(inside: Locator, percent: int) -> None:
    """Wait until the bar is there."""
    bar = inside.get_by_role("progressbar").first
    expect(bar).to_have_attribute("aria-valuenow", str(percent))


def expect_live(page: Page, state: str = "live") -> None:
    """Wait until the page says that it is live, or is not."""
    expect(page.get_by_test_id("live-indicator")).to_have_attribute("data-state", state)


def expect_path(page: Page, path: str) -> None:
    """Wait until the address is this."""
    expect(page).to_have_url(re.compile(re.escape(path) + "$"))


def shown_job(page: Page) -> int:
    """The id of the job whose popup is open."""
    return int(popup(page).get_attribute("data-job-id") or 0)


def open_create(page: Page, handler: str) -> Locator:
    """Press the create button, choose a handler, and return its form."""
    page.get_by_test_id("create-job").click()
    page.locator(f'[data-testid="handler-choice"] [data-handler="{handler}"]').click()
    form = page.get_by_test_id("create-form")
    expect(form).to_be_visible()
    return form
