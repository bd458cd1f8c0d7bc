"""Time zones on the page and in what is live: each person reads times and takes days in theirs."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from flask import Flask

from app.jobs import Engine
from app.users.people import Person
from app.users.permissions import Role
from app.web import job_list
from app.web.live import views
from app.web.live.topics import Address
from app.web.timezones import current_zone
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, Page, opened, words
from tests.web.jobs.test_toolbar import created
from tests.web.live.conftest import Listen
from tests.web.live.test_sharing import Counting
from tests.web.live.test_views import order_in

BERLIN, KATHMANDU = "Europe/Berlin", "Asia/Kathmandu"


def choose(visitor: Visitor, zone: str) -> None:
    assert visitor.post("/account/time-zone", {"time_zone": zone}).status_code == 303


def zone_of(visitor: Visitor) -> str:
    """The zone that a page says."""
    return opened(visitor, "/jobs").one("html")["data-zone"]


def test_a_browser_tells_its_zone_with_the_sign_in(app: Flask, vera: Visitor) -> None:
    assert zone_of(vera) == "UTC"
    assert "for your time zone is not known" in vera.get("/jobs").text
    again = Visitor(app, vera.email)
    again.sign_in(browser_zone=BERLIN)
    assert zone_of(again) == zone_of(vera) == BERLIN
    assert "not known" not in vera.get("/jobs").text


def test_a_browser_tells_where_it_is_now(vera: Visitor) -> None:
    answer = vera.post("/account/browser-zone", {"browser_zone": BERLIN})
    assert answer.get_json() == {"zone": BERLIN, "abbreviations": {"60": "CET", "120": "CEST"}}
    assert zone_of(vera) == BERLIN
    for bad in ("", "Nowhere/Land", "x" * 5_000, "../../etc/passwd", "Europe/Berlin\0"):
        answer = vera.post("/account/browser-zone", {"browser_zone": bad})
        assert (answer.status_code, answer.get_json()["zone"]) == (200, BERLIN)


def test_what_a_person_has_chosen_no_browser_changes(app: Flask, vera: Visitor) -> None:
    choose(vera, KATHMANDU)
    assert "data-zone-address" not in opened(vera, "/jobs").one("html").attributes
    answer = vera.post("/account/browser-zone", {"browser_zone": BERLIN})
    assert answer.get_json()["zone"] == KATHMANDU
    Visitor(app, vera.email).sign_in(browser_zone=BERLIN)
    assert zone_of(vera) == KATHMANDU
    assert f"Now {KATHMANDU}, as you chose." in words(opened(vera, "/account").one("main"))
    choose(vera, "")
    assert zone_of(vera) == KATHMANDU, "the browser has not told its zone yet"
    vera.post("/account/time-zone", {"time_zone": "", "browser_zone": BERLIN})
    assert zone_of(vera) == BERLIN


@pytest.mark.parametrize("zone", ["Nowhere/Land", "x" * 5_000, "Europe/Berlin\0", "\ud800"])
def test_what_is_no_zone_cannot_be_chosen(vera: Visitor, zone: str) -> None:
    answer = vera.post("/account/time-zone", {"time_zone": zone.encode("utf-8", "surrogatepass")})
    assert answer.status_code == 422
    assert "No time zone is called" in words(Page(answer).one(id="time-zone-note"))
    assert zone_of(vera) == "UTC"


def test_old_dates_and_exact_times_are_those_of_the_zone(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    created(engine, job_id, datetime.fromisoformat("2020-06-30T22:30:05Z"))
    for zone, day, exact in (
        ("UTC", "30 Jun 2020", "2020-06-30 22:30:05 UTC"),
        (BERLIN, "1 Jul 2020", "2020-07-01 00:30:05 CEST"),
        (KATHMANDU, "1 Jul 2020", "2020-07-01 04:15:05 UTC+05:45"),
    ):
        choose(vera, zone)
        (told,) = opened(vera, "/jobs").all(datetime="2020-06-30T22:30:05.000000Z")
        assert (words(told), told["title"]) == (day, exact)
        assert f"Times and days are those of {zone}." in words(opened(vera, "/jobs").one("main"))


@pytest.mark.parametrize(
    ("zone", "day", "first", "last"),
    [
        ("UTC", "2020-07-01", "2020-07-01T00:00:00Z", "2020-07-01T23:59:59.999999Z"),
        (BERLIN, "2020-03-29", "2020-03-28T23:00:00Z", "2020-03-29T21:59:59.999999Z"),
        (BERLIN, "2020-10-25", "2020-10-24T22:00:00Z", "2020-10-25T22:59:59.999999Z"),
        (KATHMANDU, "2020-07-01", "2020-06-30T18:15:00Z", "2020-07-01T18:14:59.999999Z"),
        ("America/Santiago", "2019-09-08", "2019-09-08T04:00:00Z", "2019-09-09T02:59:59.999999Z"),
        ("Asia/Beirut", "2020-03-29", "2020-03-28T22:00:00Z", "2020-03-29T20:59:59.999999Z"),
    ],
)
def test_a_day_of_a_filter_is_one_of_the_zone_its_last_moment_too(
    alice: Visitor, engine: Engine, zone: str, day: str, first: str, last: str
) -> None:
    choose(alice, zone)
    found = [engine.start("swift") for _ in range(4)]
    begin, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
    instant = datetime.resolution
    for job_id, at in zip(found, (begin - instant, begin, end, end + instant), strict=True):
        created(engine, job_id, at)
    page = opened(alice, f"/jobs?created_from={day}&created_to={day}")
    assert page.rows() == [found[2], found[1]]
    assert f"Days are those of {zone}" in words(page.one(id="job-filters"))
    with engine.database.writing() as connection:
        moment = last.replace("Z", "").ljust(26, "0")[:26] + "Z"
        connection.exec_driver_sql('UPDATE "user" SET created_at = ?', (moment,))
    assert "alice@" in words(opened(alice, f"/users?created_to={day}").one(id="rows"))
    assert "alice@" in words(opened(alice, f"/users?created_from={day}").one(id="rows"))


def test_people_of_two_zones_share_one_drawing_that_is_in_neither(
    app: Flask, vera: Visitor, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = engine.start("swift")
    created(engine, job_id, datetime.fromisoformat("2020-06-30T22:30:05Z"))
    choose(vera, BERLIN)
    drawn = Counting(job_list.jobs_page)
    monkeypatch.setattr(views, "jobs_page", drawn)
    since = time.monotonic()
    with vera.client as client:
        client.get("/jobs")  # its request, and so its person, stay for what follows
        assert current_zone().key == BERLIN
        for name in (BERLIN, KATHMANDU):
            person = Person(id=1, email="x@example.com", role=Role.VIEWER, time_zone=name)
            view = views.JobsView(engine, Address(query={}))
            (message,) = view.look(person, (), since)
            row = message["lists"]["job-rows"]["html"][f"job-row-{job_id}"]
            assert 'title="2020-06-30 22:30:05 UTC" data-ago>30 Jun 2020</time>' in row
        popup = views.PopupView(engine, Address(job_id=job_id, query={}))
        (message,) = popup.look(person, (), since)
        assert "CEST" not in str(message)
    assert drawn.calls == 1


def test_days_of_a_live_list_are_those_of_who_watches(
    listen: Listen, vera: Visitor, oscar: Visitor, engine: Engine
) -> None:
    with engine.database.writing() as connection:
        connection.exec_driver_sql("UPDATE \"user\" SET role = 'operator'")
    job_id = engine.start("swift")
    created(engine, job_id, datetime.fromisoformat("2020-06-30T22:30:05Z"))
    choose(oscar, BERLIN)
    topic = "view/jobs?created_from=2020-07-01&created_to=2020-07-01"
    found = []
    for visitor in (vera, oscar):
        listener = listen(visitor, topic)
        message = listener.hear_until(lambda message: message.get("lists"))
        found.append(order_in(message, "job-rows"))
    assert found == [[], [f"job-row-{job_id}"]]


def test_moments_of_a_form_are_those_of_the_zone(oscar: Visitor, engine: Engine) -> None:
    choose(oscar, KATHMANDU)
    page = opened(oscar, "/jobs/new?handler=kinds", headers=SCRIPT)
    (shown,) = [
        each for each in page.all("input", type="datetime-local") if each["name"] == "moment"
    ]
    assert shown["value"] == "2030-06-01T17:45:30"
    assert f"In the zone {KATHMANDU}." in words(page.one(id="field-moment-help"))
