"""The page of the handlers, and what it says of a pause wherever it matters (B11)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.db import now
from app.jobs import EVERYTHING, Engine
from app.resources.jobs import JOBS
from tests.at_work import AtWork
from tests.outside.kinds import HOSTILE
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, Page, opened, words

REASON = "The mail server is down"


def row_of(page: Page, name: str) -> str:
    """What the row of a handler says."""
    return words(page.one("tr", id=f"handler-row-{name}"))


def a_gated_job(engine: Engine) -> int:
    """A job of which ten tasks may run at once."""
    return engine.start_new_job("Gated", None, [{}], "gated", params={"gate": "/none"})


def test_every_handler_has_a_row(alice: Visitor, engine: Engine) -> None:
    engine.start("swift")
    engine.set_limits("swift", {"concurrency_limit": 7, "parallel_limit": None})
    said = row_of(opened(alice, "/handlers"), "swift")
    assert "No worker" in said
    assert "7 declared: no limit" in said
    assert "no limit declared: no limit" in said


def test_workers_are_listed(alice: Visitor, at_work: AtWork) -> None:
    page = opened(alice, "/handlers")
    assert "1 worker" in row_of(page, "swift")
    assert "Alive" in words(page.hook("worker")[0])
    assert "10 threads" in words(page.hook("worker")[0])


def test_without_a_worker_it_is_said_how_to_start_one(alice: Visitor) -> None:
    assert "jobdeck worker" in words(opened(alice, "/handlers").one("section", id="workers"))


def test_a_handler_whose_code_is_gone_is_there_too(alice: Visitor, engine: Engine) -> None:
    engine.register_task_handler("old_one", lambda _: None)
    engine.handlers()
    engine.registry._handlers.pop("old_one")
    assert "Old one" in row_of(opened(alice, "/handlers"), "old_one")


def test_the_dialog_asks_why_and_for_how_long(alice: Visitor) -> None:
    for headers in (SCRIPT, {}):
        page = opened(alice, "/handlers/swift/pause", headers=headers)
        assert "Pause Swift?" in words(page.hook("pause-form")[0])
        assert len(page.all("option")) == 4
    page = opened(alice, "/handlers/*/pause", headers=SCRIPT)
    assert "Pause everything?" in words(page.hook("pause-form")[0])


@pytest.mark.parametrize(
    ("length", "hours"), [("hour", 1), ("shift", 8), ("day", 24), ("resumed", None), ("?", None)]
)
def test_a_superadmin_pauses_and_resumes(
    alice: Visitor, engine: Engine, length: str, hours: int | None
) -> None:
    begun = now()
    answer = alice.post("/handlers/swift/pause", {"reason": REASON, "length": length})
    assert (answer.status_code, answer.location) == (303, "/handlers")
    (pause,) = engine.pauses()
    assert (pause.handler, pause.reason) == ("swift", REASON)
    assert pause.paused_by
    assert pause.paused_by.email == alice.email
    if hours is None:
        assert pause.until is None
    else:
        assert pause.until
        assert begun <= pause.until - timedelta(hours=hours) <= now()
    page = opened(alice, "/handlers")
    assert "Paused Swift." in page.answer.text
    assert "Paused" in row_of(page, "swift")
    said = words(page.hook("pause")[0])
    assert said.startswith(f"swift is paused by {alice.email} until")
    assert f": {REASON}" in said
    alice.post("/handlers/swift/resume")
    assert engine.pauses() == []
    assert "Resumed Swift." in alice.get("/handlers").text


def test_everything_can_be_paused_at_once(alice: Visitor, engine: Engine) -> None:
    assert opened(alice, "/handlers").hook("pause-everything")
    alice.post("/handlers/*/pause", {"reason": REASON})
    page = opened(alice, "/handlers")
    assert words(page.hook("pause")[0]).startswith("Everything is paused")
    assert "Paused" in row_of(page, "swift")
    assert page.hook("resume-everything")
    alice.post("/handlers/*/resume")
    assert engine.pauses() == []


def test_a_pause_takes_a_reason(alice: Visitor, engine: Engine) -> None:
    for headers in (SCRIPT, {}):
        answer = alice.post("/handlers/swift/pause", {"length": "hour"}, headers=headers)
        assert answer.status_code == 422
        page = Page(answer)
        assert page.one("input", name="reason")["aria-invalid"] == "true"
        assert "Write why" in words(page.one(id="pause-reason-error"))
        chosen = [e["value"] for e in page.elements if "selected" in e.attributes]
        assert chosen == ["hour"]
    assert engine.pauses() == []


@pytest.mark.parametrize(
    ("given", "now_", "is_set"), [("7", 7, True), ("0", None, True), ("", 10, False)]
)
def test_limits_are_set_and_taken_back(
    alice: Visitor, engine: Engine, given: str, now_: int | None, is_set: bool
) -> None:
    engine.set_limits("gated", {"parallel_limit": 3})
    form = opened(alice, "/handlers/gated/limits", headers=SCRIPT)
    assert form.one("input", name="parallel_limit")["value"] == "3"
    assert form.one("input", name="concurrency_limit")["value"] == ""
    assert "declares: 10." in words(form.one(id="limit-parallel_limit-help"))
    answer = alice.post("/handlers/gated/limits", {"parallel_limit": given})
    assert answer.status_code == 303
    limit = engine.handler("gated").parallel_limit
    assert (limit.now, limit.is_set) == (now_, is_set)


def test_a_limit_that_is_none_is_asked_for_again(alice: Visitor, engine: Engine) -> None:
    answer = alice.post("/handlers/swift/limits", {"parallel_limit": "many"})
    assert answer.status_code == 422
    page = Page(answer)
    assert page.one("input", name="parallel_limit")["value"] == "many"
    assert "whole number" in words(page.one(id="limit-parallel_limit-help"))
    assert not engine.handler("swift").parallel_limit.is_set


def test_others_see_it_and_are_told_who_may_change_it(
    vera: Visitor, oscar: Visitor, engine: Engine
) -> None:
    for person in (vera, oscar):
        page = opened(person, "/handlers")
        assert "it must be superadmin" in page.answer.text
        assert "disabled" in page.hook("pause-everything")[0].attributes
        assert not page.hook("handler-pause")


def test_nobody_hears_of_handlers_whose_jobs_they_may_not_see(
    vera: Visitor, engine: Engine
) -> None:
    engine.pause("secretive", REASON)
    for path in ("/handlers", "/jobs"):
        said = vera.get(path).text
        assert "secretive" not in said
        assert REASON not in said


def test_there_must_be_such_a_handler(alice: Visitor) -> None:
    for path in ("/handlers/raking/pause", "/handlers/raking/limits", "/handlers/*/limits"):
        assert alice.get(path).status_code == 422
        assert alice.post(path, {"reason": "x"}).status_code == 422


@pytest.mark.parametrize("paused", ["swift", EVERYTHING])
def test_a_pause_is_told_over_the_list_and_in_the_popup(
    vera: Visitor, engine: Engine, paused: str
) -> None:
    job_id, other = engine.start("swift"), a_gated_job(engine)
    engine.pause(paused, HOSTILE)
    for path in ("/jobs", f"/jobs/{job_id}"):
        page = opened(vera, path)
        assert HOSTILE in words(page.hook("pause")[0])
        assert "<script>alert" not in page.answer.text
    popup = opened(vera, f"/jobs/{other}", headers=SCRIPT)
    assert (HOSTILE in popup.one(id=f"job-{other}-notices").text) is (paused == EVERYTHING)


def test_a_job_that_has_ended_is_in_no_pause(vera: Visitor, at_work: AtWork) -> None:
    job = at_work.ended(at_work.start("swift", {}))
    at_work.engine.pause(EVERYTHING, REASON)
    assert REASON not in opened(vera, f"/jobs/{job.id}", headers=SCRIPT).answer.text


def test_a_job_gets_its_own_limit(alice: Visitor, engine: Engine) -> None:
    job_id = a_gated_job(engine)
    form = opened(alice, f"/jobs/{job_id}/limit", headers=SCRIPT)
    assert form.one("input", name="parallel_limit")["value"] == ""
    assert "10, as its handler says" in words(form.one(id="job-limit-help"))
    answer = alice.post(f"/jobs/{job_id}/limit", {"parallel_limit": "4"}, headers=SCRIPT)
    assert "limit" in answer.headers["HX-Trigger"]
    assert engine.job(job_id).parallel_limit == 4
    form = opened(alice, f"/jobs/{job_id}/limit", headers=SCRIPT)
    assert form.one("input", name="parallel_limit")["value"] == "4"
    assert "4, its own" in words(form.one(id="job-limit-help"))
    wrong = alice.post(f"/jobs/{job_id}/limit", {"parallel_limit": "-1"}, headers=SCRIPT)
    assert wrong.status_code == 422
    assert "whole number" in words(Page(wrong).one(id="job-limit-help"))


def test_the_navigation_leads_to_it_between_the_resources(alice: Visitor) -> None:
    page = opened(alice, "/handlers")
    links = [
        each["href"] for each in page.elements if "nav-link" in each.attributes.get("class", "")
    ]
    assert links == [f"/{JOBS.name}", "/handlers", "/users"]
