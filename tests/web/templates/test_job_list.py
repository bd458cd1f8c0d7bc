"""The list of jobs."""

from __future__ import annotations

from flask import Flask, render_template

from tests.web.templates.conftest import a_user
from tests.web.templates.drawing import index, job


def test_a_row_has_its_hooks_and_a_control_that_opens_it(app: Flask) -> None:
    html = render_template("jobs/_row.html", job=job(), reason=None)
    assert html.strip().startswith('<tr id="job-row-7" data-testid="job-row" data-job-id="7"')
    assert 'aria-label="Open job info"' in html
    assert 'data-testid="job-status"' in html
    assert 'aria-valuenow="25"' in html


def test_the_list_is_live_where_its_address_says(app: Flask) -> None:
    html = index(address={"status": "DONE", "q": "x"})
    assert 'data-live="view/jobs?status=DONE&amp;q=x"' in html
    assert 'data-testid="create-job"' in html
    assert 'data-testid="live-indicator"' in html
    assert "1,000+ jobs" in html


def test_an_empty_list_says_how_to_begin(app: Flask) -> None:
    assert "No jobs yet" in index(rows=[])
    assert "No job matches" in index(rows=[], address={"q": "x"})


def test_a_viewer_sees_why_nothing_can_be_created(app: Flask) -> None:
    app.jinja_env.globals["current_user"] = a_user("vera@example.com", "viewer")
    assert "A viewer may not start jobs." in index(rows=[], may_start=False)
