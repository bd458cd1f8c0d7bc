"""The toolbar of the jobs comes from their declaration; all of it is in the address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.jobs import Engine
from app.users.people import find_by_email
from tests.at_work import AtWork
from tests.visitor import Visitor
from tests.web.jobs.page import Page, opened, words


def started_by(engine: Engine, visitor: Visitor, kind: str = "swift", name: str = "") -> int:
    """A job of this person."""
    person = find_by_email(engine.database, visitor.email)
    return engine.start(kind, name=name or None, started_by=person)


def created(engine: Engine, job_id: int, when: datetime) -> None:
    """Let a job have been created then."""
    with engine.database.writing() as connection:
        moment = when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        connection.exec_driver_sql("UPDATE job SET created_at = ? WHERE id = ?", (moment, job_id))


def options(answer_of: Visitor, search: str = "", **more: str) -> list[str]:
    """Who is offered in the field of those who started jobs."""
    asked = {"column": "started_by", "q": search, **more}
    answer = answer_of.get("/jobs/options", query_string=asked)
    return [words(each) for each in Page(answer).all(role="option")]


def test_the_list_is_filtered_by_who_started_a_job(
    vera: Visitor, oscar: Visitor, alice: Visitor, engine: Engine
) -> None:
    job_id = started_by(engine, oscar)
    started_by(engine, alice)
    engine.start("swift")
    person = find_by_email(engine.database, oscar.email)
    assert person
    for said in (str(person.id), f"%23{person.id}", "oscar@example.com"):
        page = opened(vera, f"/jobs?started_by={said}")
        assert page.rows() == [job_id]
        assert page.one(id="filter-started_by")["value"] == "oscar@example.com"
        assert page.one(id="jobs")["data-live"] == f"view/jobs?started_by={person.id}"
    page = opened(vera, "/jobs?started_by=nobody")
    assert len(page.rows()) == 3
    assert "Nothing is called 'nobody'." in words(page.one(role="alert"))


def test_only_those_are_offered_who_started_what_the_person_sees(
    vera: Visitor, oscar: Visitor, alice: Visitor, engine: Engine
) -> None:
    started_by(engine, oscar)
    started_by(engine, alice, "secretive")
    assert options(vera) == ["oscar@example.com"]
    assert options(vera, "ali") == []
    assert options(vera, **{"for": "create"}) == ["oscar@example.com"]
    assert options(alice, "EXAMPLE") == ["alice@example.com", "oscar@example.com"]
    assert options(alice, "%") == []
    assert "Nothing is called" in opened(vera, "/jobs?started_by=alice@example.com").answer.text
    assert vera.get("/jobs/options?column=name").status_code == 404


def test_the_list_is_filtered_by_days(vera: Visitor, engine: Engine) -> None:
    ids = [engine.start("swift") for _ in range(3)]
    day = datetime(2026, 3, 1, tzinfo=UTC)
    moments = (day, day + timedelta(hours=23, minutes=59), day + timedelta(days=1))
    for job_id, moment in zip(ids, moments, strict=True):
        created(engine, job_id, moment)
    assert opened(vera, "/jobs?created_from=2026-03-01&created_to=2026-03-01").rows() == ids[1::-1]
    assert opened(vera, "/jobs?created_from=2026-03-02").rows() == ids[2:]
    assert opened(vera, "/jobs?created_to=2026-02-28").rows() == []
    first = opened(vera, "/jobs?created_from=2026-03-01&size=2")
    assert first.rows() == ids[:0:-1]
    assert opened(vera, first.link("Older")).rows() == ids[:1]


@pytest.mark.parametrize("day", ["soon", "2026-02-30", "9999-12-31", "0000-00-00", "%00", "1e9"])
def test_a_day_that_is_none_is_left_out_and_said(vera: Visitor, engine: Engine, day: str) -> None:
    job_id = engine.start("swift")
    page = opened(vera, f"/jobs?created_to={day}")
    assert page.rows() == [job_id]
    assert "Created to:" in words(page.one(role="alert"))


def test_the_list_is_ordered_by_its_heads(vera: Visitor, at_work: AtWork) -> None:
    engine = at_work.engine
    first, second = at_work.start("swift"), at_work.start("swift")
    at_work.ended(first)
    at_work.ended(second)
    with engine.database.writing() as connection:
        connection.exec_driver_sql("UPDATE job SET name = 'b' WHERE id = ?", (first,))
        connection.exec_driver_sql("UPDATE job SET name = 'a' WHERE id = ?", (second,))
    page = opened(vera, "/jobs")
    (head,) = [each for each in page.all("th") if "aria-sort" in each.attributes]
    assert (words(head), head["aria-sort"]) == ("Created", "descending")
    assert opened(vera, page.link("Created")).rows() == [first, second]
    by_name = opened(vera, page.link("Job"))
    assert by_name.rows() == [second, first]
    (head,) = [each for each in by_name.all("th") if "aria-sort" in each.attributes]
    assert (words(head), head["aria-sort"]) == ("Job", "ascending")
    assert opened(vera, by_name.link("Job")).rows() == [first, second]
    by_end = opened(vera, page.link("Finished")).rows()
    assert opened(vera, "/jobs?sort=finished").rows() == by_end[::-1]


def test_another_order_is_read_by_pages_too(vera: Visitor, engine: Engine) -> None:
    ids = [engine.start("swift", name=name) for name in "cab"]
    in_order = [ids[1], ids[2], ids[0]]
    first = opened(vera, "/jobs?sort=name&size=2")
    assert first.rows() == in_order[:2]
    second = opened(vera, first.link("Next"))
    assert second.rows() == in_order[2:]
    assert opened(vera, second.link("Previous")).rows() == in_order[:2]


def test_all_of_it_stays_in_every_link_and_in_the_form(
    vera: Visitor, oscar: Visitor, engine: Engine
) -> None:
    for _ in range(2):
        started_by(engine, oscar, name="red")
    person = find_by_email(engine.database, oscar.email)
    assert person
    asked = f"handler=swift&started_by={person.id}&created_from=2020-01-01&q=red&sort=name&size=1"
    page = opened(vera, f"/jobs?{asked}")
    assert page.link("Queued 2") == f"/jobs?status=QUEUED&{asked}"
    assert page.link("Next").startswith(f"/jobs?{asked}&after=")
    kept = {each["name"]: each["value"] for each in page.all("input", type="hidden")}
    assert (kept["sort"], kept["size"]) == ("name", "1")
    assert page.link("Clear") == "/jobs?sort=name&size=1"


def test_filters_that_are_on_are_counted_on_the_button_of_a_phone(
    vera: Visitor, engine: Engine
) -> None:
    (button,) = opened(vera, "/jobs").all("button", class_="button filter-button")
    assert words(button) == "Filters"
    page = opened(vera, "/jobs?handler=swift&created_from=2026-01-01&q=x&status=DONE")
    (button,) = page.all("button", class_="button filter-button")
    assert words(button) == "Filters2"
