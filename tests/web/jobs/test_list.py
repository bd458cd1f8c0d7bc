"""The list of jobs as a page: filters, search, pages (P2)."""

from __future__ import annotations

import pytest

from app.jobs import Engine
from tests.at_work import AtWork
from tests.outside.kinds import HOSTILE
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, opened, words


def test_the_first_page_is_the_list(vera: Visitor) -> None:
    answer = vera.get("/")
    assert (answer.status_code, answer.location) == (302, "/jobs")


def test_a_job_is_a_row_with_a_control_that_opens_it(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", name="A job of mine")
    page = opened(vera, "/jobs")
    assert page.rows() == [job_id]
    assert page.link("Open job info") == f"/jobs/{job_id}"
    assert page.hook("job-status")[0]["data-status"] == "QUEUED"
    assert page.hook("job-progress")[0]["aria-valuenow"] == "0"
    assert "A job of mine" in page.hook("job-row")[0].text


def test_the_list_shows_the_newest_first(vera: Visitor, engine: Engine) -> None:
    ids = [engine.start("swift") for _ in range(3)]
    assert opened(vera, "/jobs").rows() == ids[::-1]


def test_the_list_is_filtered_by_status_and_says_so(vera: Visitor, at_work: AtWork) -> None:
    failed, done = at_work.start("failing"), at_work.start("swift")
    at_work.ended(failed)
    at_work.ended(done)
    page = opened(vera, "/jobs?status=DONE_WITH_ERRORS")
    assert page.rows() == [failed]
    (current,) = page.all("a", aria_current="true", class_="tab")
    assert words(current) == "Done with errors 1"
    assert page.one(id="jobs")["data-live"] == "view/jobs?status=DONE_WITH_ERRORS"


@pytest.mark.parametrize("status", ["GONE", "done", "%00", "DONE'--"])
def test_a_status_that_does_not_exist_asks_for_nothing(
    vera: Visitor, engine: Engine, status: str
) -> None:
    engine.start("swift")
    assert len(opened(vera, f"/jobs?status={status}").rows()) == 1


def test_the_list_is_filtered_by_handler(vera: Visitor, engine: Engine) -> None:
    engine.start("swift")
    wanted = engine.start("painted")
    page = opened(vera, "/jobs?handler=painted")
    assert page.rows() == [wanted]
    (chosen,) = [each for each in page.all("option") if "selected" in each.attributes]
    assert chosen["value"] == "painted"
    assert page.one(id="filter-handler").name == "select"


@pytest.mark.parametrize(
    ("search", "finds"),
    [
        ("nightly", True), ("NIGHT", True), ("100%", True), ("swift", True), ("#1", True),
        ("1", True), ("_ightly", False), ("%25ly", False), ("2", False), ("nothing", False),
        ("%00", False), ("%ff", False), ("9" * 400, False), ("x" * 5000, False), ("'", False),
    ],
)  # fmt: skip
def test_the_search_finds_names_ids_and_handlers(
    vera: Visitor, engine: Engine, search: str, finds: bool
) -> None:
    job_id = engine.start("swift", name="Nightly run at 100%")
    asked = search.replace("#", "%23").replace("100%", "100%25")
    assert opened(vera, f"/jobs?q={asked}").rows() == ([job_id] if finds else [])


def test_filters_go_together_and_stay_in_every_link(vera: Visitor, engine: Engine) -> None:
    engine.start("swift", name="red")
    wanted = engine.start("painted", name="red")
    page = opened(vera, "/jobs?handler=painted&q=red&status=QUEUED")
    assert page.rows() == [wanted]
    assert page.link("Done") == "/jobs?status=DONE&handler=painted&q=red"
    assert page.one("input", type="hidden", name="status")["value"] == "QUEUED"
    assert page.one(id="job-query")["value"] == "red"


def test_what_was_searched_for_is_shown_as_text(vera: Visitor) -> None:
    page = opened(vera, "/jobs", query_string={"q": HOSTILE, "handler": HOSTILE})
    assert HOSTILE not in page.answer.text
    assert page.one(id="job-query")["value"] == HOSTILE


def test_an_empty_list_tells_an_operator_how_to_begin(vera: Visitor, oscar: Visitor) -> None:
    assert "Create the first one" in opened(oscar, "/jobs").answer.text
    assert "As soon as somebody starts one" in opened(vera, "/jobs").answer.text
    assert "No job matches" in opened(oscar, "/jobs?q=x").answer.text


def test_a_long_list_is_read_by_pages_and_back(vera: Visitor, engine: Engine) -> None:
    ids = [engine.start("swift") for _ in range(5)][::-1]
    first = opened(vera, "/jobs?size=2")
    second = opened(vera, first.link("Older"))
    third = opened(vera, second.link("Older"))
    assert [first.rows(), second.rows(), third.rows()] == [ids[:2], ids[2:4], ids[4:]]
    assert opened(vera, third.link("Newer")).rows() == ids[2:4]
    with pytest.raises(AssertionError, match="no link"):
        first.link("Newer")
    with pytest.raises(AssertionError, match="no link"):
        third.link("Older")


def test_back_on_the_first_page_there_is_nothing_newer(vera: Visitor, engine: Engine) -> None:
    ids = [engine.start("swift") for _ in range(3)][::-1]
    second = opened(vera, opened(vera, "/jobs?size=2").link("Older"))
    first = opened(vera, second.link("Newer"))
    assert first.rows() == ids[:2]
    with pytest.raises(AssertionError, match="no link"):
        first.link("Newer")


@pytest.mark.parametrize("place", ["x", "-1", "1.5", "%00", "9" * 30, "%C2%B2"])
def test_a_place_that_is_no_number_is_the_first_page(
    vera: Visitor, engine: Engine, place: str
) -> None:
    job_id = engine.start("swift")
    assert opened(vera, f"/jobs?after={place}&before={place}").rows() == [job_id]


def test_jobs_that_a_person_may_not_see_are_not_listed_nor_counted(
    vera: Visitor, alice: Visitor, engine: Engine
) -> None:
    engine.start("secretive")
    page = opened(vera, "/jobs")
    assert page.rows() == []
    assert "secretive" not in page.answer.text
    assert words(page.one(id="job-pager")) in ("", "No jobs", "0 jobs")
    assert len(opened(alice, "/jobs").rows()) == 1


def test_a_name_is_shown_as_text(vera: Visitor, engine: Engine) -> None:
    engine.start("swift", name=HOSTILE)
    page = opened(vera, "/jobs")
    assert HOSTILE not in page.answer.text
    assert HOSTILE in page.hook("job-row")[0].text


def test_a_job_whose_handler_is_gone_is_still_shown(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    with engine.database.writing() as connection:
        connection.exec_driver_sql("UPDATE job SET handler = 'gone'")
    page = opened(vera, "/jobs")
    assert page.rows() == [job_id]
    assert "No worker has this handler" in page.answer.text
    assert opened(vera, f"/jobs/{job_id}").hook("job-component")


def test_a_script_gets_the_same_page(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    assert opened(vera, "/jobs", headers=SCRIPT).rows() == [job_id]


def test_a_viewer_sees_the_button_and_why_it_is_closed(vera: Visitor, oscar: Visitor) -> None:
    (button,) = opened(vera, "/jobs").hook("create-job")
    assert "disabled" in button.attributes
    assert button["title"] == "A viewer may not start jobs."
    (link,) = opened(oscar, "/jobs").hook("create-job")
    assert link["href"] == "/jobs/new"
