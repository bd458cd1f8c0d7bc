"""A job that is deleted is told to those who watch, and to nobody who never heard of it."""

from __future__ import annotations

import pytest
from flask import Flask

from app.config import Settings
from app.jobs import Engine
from tests.visitor import Visitor
from tests.web.live.conftest import Listen
from tests.web.live.listener import told


@pytest.fixture
def ended(engine: Engine) -> int:
    """A job that has ended."""
    job_id = engine.start("swift", tasks=[{"state": {"sum": 7}}])
    engine.cancel(job_id)
    return job_id


def test_a_program_is_told_that_a_job_is_gone(
    listen: Listen, vera: Visitor, engine: Engine, ended: int
) -> None:
    listener = listen(vera)
    assert [each["jobId"] for each in listener.snapshot("job-updates")] == [ended]
    engine.delete_job(ended)
    assert listener.hear()["data"] == [{"jobId": ended, "deleted": True}]
    assert listener.silent_for(0.7)
    assert listen(vera).snapshot("job-updates") == []


def test_who_could_not_see_a_job_does_not_hear_that_it_is_gone(
    listen: Listen, vera: Visitor, alice: Visitor, engine: Engine
) -> None:
    hidden = engine.start("secretive")
    engine.cancel(hidden)
    of_vera, of_alice = listen(vera), listen(alice)
    assert of_vera.snapshot("job-updates") == []
    assert of_alice.snapshot("job-updates")
    engine.delete_job(hidden)
    assert of_alice.hear_until(lambda message: told(message, hidden))
    assert of_vera.silent_for(0.7)


@pytest.mark.parametrize(
    "topic", ["job-task-updates/{}", "job-state/{}/sum", "job-task-state/{}/sum", "view/job/{}"]
)
def test_what_is_watched_of_one_job_ends_with_a_sentence(
    listen: Listen, vera: Visitor, engine: Engine, ended: int, topic: str
) -> None:
    name = topic.format(ended)
    listener = listen(vera, name)
    assert listener.hear()["subscribed"] is True
    listener.hear()
    engine.delete_job(ended)
    sentence = f"There is no job {ended}; it may have been deleted."
    # Before it, a popup may be told how long ago something was.
    told_last = listener.hear_until(lambda message: "error" in message)
    assert told_last == {"topic": name, "error": sentence}
    engine.start("swift")
    assert listener.silent_for(0.7)


def test_a_job_leaves_the_list_and_the_navigation(
    listen: Listen, engine: Engine, oscar: Visitor
) -> None:
    job_id = oscar.send("POST", "/api/v1/jobs", {"handler": "swift"}).get_json()["id"]
    engine.cancel(job_id)
    listener = listen(oscar)
    rows = {"view/jobs": "job-rows", "view/navbar": "navbar-jobs-rows"}
    for topic, container in rows.items():
        listener.subscribe(topic)
        snapshot = listener.hear_until(lambda message: "lists" in message)
        assert len(snapshot["lists"][container]["order"]) == 1
    engine.delete_job(job_id)
    left = set(rows.values())
    while left:
        lists = listener.hear().get("lists", {})
        left -= {container for container, rows in lists.items() if rows["order"] == []}


@pytest.mark.parametrize("topic", ["job-state/{}/sum", "view/job/{}"])
def test_an_old_job_that_another_process_changes_is_noticed_where_it_is_watched(
    listen: Listen, vera: Visitor, app: Flask, settings: Settings, engine: Engine, topic: str
) -> None:
    old = engine.start("swift")
    engine.cancel(old)
    for _ in range(101):
        engine.cancel(engine.start("swift"))
    listener = listen(vera, topic.format(old))
    listener.hear_until(lambda message: "subscribed" not in message)
    other = Engine(app.extensions["jobdeck_database"], settings)
    other.set_job_state_field(old, "sum", "of another process")
    listener.hear_until(lambda message: "of another process" in str(message), within=3)
    other.delete_job(old)
    listener.hear_until(lambda message: "error" in message, within=3)
