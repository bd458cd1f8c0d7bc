"""A job's own look inside the popup (A12)."""

from __future__ import annotations

import logging

import pytest
from flask import Flask

from app.jobs import Engine, JobDetail
from tests.at_work import AtWork
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, Element, opened, words


def component(visitor: Visitor, job_id: int) -> Element:
    (found,) = opened(visitor, f"/jobs/{job_id}", headers=SCRIPT).hook("job-component")
    return found


def test_one_beside_an_outside_handler_is_found_by_its_name(vera: Visitor, at_work: AtWork) -> None:
    job_id = at_work.start("painted", {}, {}, {})
    at_work.ended(job_id)
    assert words(component(vera, job_id)) == "Painted Painted: 3 of 3, first 0+1"


def test_one_of_the_application_is_found_by_its_name(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("example_job_handler", {"steps": 2})
    assert "Step 1" in component(vera, job_id).text


def test_a_handler_without_one_gets_the_default(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    engine.set_job_state_field(job_id, "answer", 42)
    assert "State of the job" in component(vera, job_id).text
    assert "42" in component(vera, job_id).text


def test_another_file_can_be_registered(vera: Visitor, engine: Engine) -> None:
    engine.register_task_details_component("swift", "renamed.html")
    try:
        job_id = engine.start("swift")
        assert words(component(vera, job_id)) == "Another look for swift"
    finally:
        engine.registry["swift"].component = None


def test_one_that_raises_is_a_card_and_the_popup_lives(
    vera: Visitor, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = engine.start("unpaintable")
    with caplog.at_level(logging.WARNING):
        page = opened(vera, f"/jobs/{job_id}", headers=SCRIPT)
    (shown,) = page.hook("job-component")
    assert "This job cannot be drawn" in shown.text
    assert "UndefinedError" in shown.text
    assert page.hook("task-row")
    assert "The component of unpaintable failed" in caplog.text


def test_a_handler_cannot_name_a_file_elsewhere(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    with engine.database.writing() as connection:
        connection.exec_driver_sql("UPDATE job SET handler = '../templates/auth/login'")
    assert "State of the job" in component(vera, job_id).text


def test_a_component_cannot_change_a_job(app: Flask, engine: Engine) -> None:
    job = engine.job(engine.start("swift"))
    assert isinstance(job, JobDetail)
    with pytest.raises(AttributeError):
        job.name = "another"  # type: ignore[misc]
