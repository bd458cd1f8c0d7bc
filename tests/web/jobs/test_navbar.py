"""The widget with a person's own jobs, on every page (A14)."""

from __future__ import annotations

import pytest

from app.jobs import Engine
from app.users.people import find_by_email
from app.web import pages
from tests.at_work import AtWork
from tests.outside.kinds import HOSTILE
from tests.visitor import Visitor
from tests.web.jobs.page import Page, opened, words


def id_of(engine: Engine, visitor: Visitor) -> int:
    """Whose id this is in the table of users."""
    person = find_by_email(engine.database, visitor.email)
    assert person
    return person.id


def listed(page: Page) -> list[str]:
    """The jobs of the widget, by the ids of their rows."""
    rows = [each.attributes.get("id", "") for each in page.all("li")]
    return [each for each in rows if each.startswith("navbar-job-")]


def test_it_counts_and_lists_the_own_jobs_only(
    oscar: Visitor, alice: Visitor, engine: Engine
) -> None:
    mine = [engine.start("swift", started_by=id_of(engine, oscar)) for _ in range(2)]
    engine.start("swift", started_by=id_of(engine, alice))
    engine.start("swift")
    page = opened(oscar, "/jobs")
    assert listed(page) == [f"navbar-job-{job_id}" for job_id in reversed(mine)]
    (button,), (count,) = page.hook("navbar-jobs"), page.hook("navbar-jobs-count")
    assert button["aria-label"] == "Your jobs, 2 not ended"
    assert (words(count), "hidden" in count.attributes) == ("2", False)
    assert page.all("div", data_live="view/navbar")


def test_a_job_that_has_ended_is_listed_and_not_counted(oscar: Visitor, at_work: AtWork) -> None:
    job_id = at_work.engine.start("swift", started_by=id_of(at_work.engine, oscar))
    at_work.ended(job_id)
    page = opened(oscar, "/jobs")
    assert listed(page) == [f"navbar-job-{job_id}"]
    assert "hidden" in page.hook("navbar-jobs-count")[0].attributes
    assert page.hook("navbar-jobs")[0]["aria-label"] == "Your jobs"


def test_who_has_none_is_told_so(vera: Visitor, engine: Engine) -> None:
    engine.start("swift")
    page = opened(vera, "/jobs")
    assert listed(page) == []
    assert "You have not started a job yet." in page.answer.text


def test_it_lists_the_newest_few(
    oscar: Visitor, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "RECENT", 2)
    mine = [engine.start("swift", started_by=id_of(engine, oscar)) for _ in range(3)]
    page = opened(oscar, "/jobs")
    assert listed(page) == [f"navbar-job-{job_id}" for job_id in (mine[2], mine[1])]
    assert words(page.hook("navbar-jobs-count")[0]) == "3"


def test_it_lacks_what_the_person_may_not_see_any_more(oscar: Visitor, engine: Engine) -> None:
    engine.start("secretive", name="The plan", started_by=id_of(engine, oscar))
    page = opened(oscar, "/jobs")
    assert listed(page) == []
    assert "The plan" not in page.answer.text


def test_a_name_is_shown_as_text(oscar: Visitor, engine: Engine) -> None:
    engine.start("swift", name=HOSTILE, started_by=id_of(engine, oscar))
    assert HOSTILE not in opened(oscar, "/jobs").answer.text


def test_it_is_on_every_page_of_the_panel(alice: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    for path in ("/jobs", f"/jobs/{job_id}", "/jobs/new", "/account", "/users"):
        assert opened(alice, path).hook("navbar-jobs"), path
