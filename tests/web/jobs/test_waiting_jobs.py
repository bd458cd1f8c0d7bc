"""Jobs that wait, on the page: when they are due, their priority, and how to change that."""

from __future__ import annotations

import re

import pytest

from app.jobs import Engine
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, Page, opened, words


def test_the_list_and_the_popup_say_when_a_job_is_due(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", delay=3 * 3600, priority=7)
    row = words(opened(vera, "/jobs").one(id=f"job-row-{job_id}"))
    assert "due in 3 h · priority 7" in row
    page = opened(vera, f"/jobs/{job_id}", headers=SCRIPT)
    assert "due in 3 hpriority 7" in words(page.one(id=f"job-{job_id}-head"))
    notice = words(page.one(id=f"job-{job_id}-notices"))
    assert re.search(r"Waits for its time: it starts in 3 h, on \d+ \w+ \d{4}, \d\d:\d\d", notice)


def test_of_any_other_job_they_say_nothing(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", due="2001-01-01T00:00Z")
    for part in ("row", "head", "notices"):
        address = "/jobs" if part == "row" else f"/jobs/{job_id}"
        name = f"job-row-{job_id}" if part == "row" else f"job-{job_id}-{part}"
        shown = words(opened(vera, address).one(id=name))
        assert "due" not in shown
        assert "priority" not in shown


def test_who_may_lets_it_start_before_its_time(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", delay=3600)
    answer = oscar.post(f"/jobs/{job_id}/start", headers=SCRIPT)
    assert answer.status_code == 200
    assert not engine.job(job_id).is_waiting
    assert not Page(answer).hook("job-start")
    assert oscar.post(f"/jobs/{job_id}/start", headers=SCRIPT).status_code == 409


def test_others_read_why_they_may_not(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", delay=3600)
    page = opened(vera, f"/jobs/{job_id}", headers=SCRIPT)
    for hook, label in (("job-start", "Start now"), ("job-priority", "Change")):
        (button,) = page.hook(hook)
        assert "disabled" in button.attributes
        assert button["title"] == f"{label}: only for operators and superadmins"


def test_a_priority_is_changed_in_a_dialog(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    page = opened(oscar, f"/jobs/{job_id}/priority", headers=SCRIPT)
    assert page.one(id="job-priority")["value"] == "100"
    answer = oscar.post(f"/jobs/{job_id}/priority", {"priority": "-7"}, headers=SCRIPT)
    assert (answer.status_code, engine.job(job_id).priority) == (200, -7)


@pytest.mark.parametrize("priority", ["", "1.5", "high", "9" * 20])
def test_one_that_will_not_do_is_asked_for_again(
    oscar: Visitor, engine: Engine, priority: str
) -> None:
    job_id = engine.start("swift")
    answer = oscar.post(f"/jobs/{job_id}/priority", {"priority": priority}, headers=SCRIPT)
    assert answer.status_code == 422
    assert Page(answer).one(id="job-priority")["value"] == priority
    assert "Write a whole number" in Page(answer).one(id="job-priority-error").text
    assert engine.job(job_id).priority == 100


def test_of_a_job_that_has_begun_it_cannot_be_changed(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    engine.cancel(job_id)
    (button,) = opened(oscar, f"/jobs/{job_id}", headers=SCRIPT).hook("job-priority")
    assert button["title"] == "Change: the job waits no more"
    answer = oscar.post(f"/jobs/{job_id}/priority", {"priority": "5"}, headers=SCRIPT)
    assert answer.status_code == 409
