"""The options of a start in the API, and what is changed while a job waits (B1, B2, B4, B5, Q5)."""

from __future__ import annotations

from typing import Any

import pytest

from app.jobs import Engine
from tests.visitor import Visitor
from tests.web.jobs.api import fields_of, refused


def started(visitor: Visitor, **options: Any) -> dict[str, Any]:
    """A job that was started so, as the API tells it."""
    answer = visitor.send("POST", "/api/v1/jobs", {"handler": "gated", "params": GATE, **options})
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = visitor.get(f"/api/v1/jobs/{answer.get_json()['id']}").get_json()
    return told


GATE = {"gate": "/nowhere"}


def test_a_job_tells_what_it_was_started_with(oscar: Visitor) -> None:
    options = {"priority": 7, "retries": 2, "timeout": 1.5, "parallel_limit": 4}
    job = started(oscar, due="2040-01-02T03:04:05+01:00", **options)
    assert {name: job[name] for name in options} == options
    assert job["due_at"] == "2040-01-02T02:04:05.000000Z"


def test_what_is_left_out_is_as_the_handler_says(oscar: Visitor) -> None:
    job = started(oscar)
    assert (job["priority"], job["due_at"], job["parallel_limit"]) == (100, None, 10)
    assert (job["retries"], job["timeout"], job["rescheduled_from_job"]) == (None, None, None)


def test_null_is_no_limit_and_no_time(oscar: Visitor) -> None:
    job = started(oscar, parallel_limit=None, due=None, delay=None, retries=None, timeout=None)
    assert (job["parallel_limit"], job["due_at"]) == (None, None)


@pytest.mark.parametrize("path", ["/api/create-job/", "/api/v1/jobs"])
def test_each_option_that_cannot_be_meant_gets_a_sentence(
    oscar: Visitor, engine: Engine, path: str
) -> None:
    bad: dict[str, Any] = {
        "priority": None, "due": "soon", "delay": "1 h", "retries": -1, "timeout": 0,
        "parallel_limit": 0,
    }  # fmt: skip
    error = refused(oscar.send("POST", path, {"handler": "swift", **bad}), 422, "invalid")
    assert error["fields"].keys() == bad.keys()
    assert all(said.endswith(".") for said in error["fields"].values())
    assert engine.jobs() == []


def test_what_a_form_alone_says_is_no_option_here(oscar: Visitor) -> None:
    body = {"handler": "swift", "rescheduled_from": 1}
    assert fields_of(oscar.send("POST", "/api/v1/jobs", body)) == {"rescheduled_from"}


def test_who_manages_a_job_changes_its_priority(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    answer = oscar.send("PATCH", f"/api/v1/jobs/{job_id}", {"priority": -3})
    assert (answer.status_code, answer.get_json()["priority"]) == (200, -3)
    assert engine.job(job_id).priority == -3


def test_but_not_its_name_which_stays_with_superadmins(
    oscar: Visitor, alice: Visitor, engine: Engine
) -> None:
    job_id = engine.start("swift")
    change = {"name": "Mine", "priority": 5}
    assert oscar.send("PATCH", f"/api/v1/jobs/{job_id}", change).status_code == 403
    assert (engine.job(job_id).name, engine.job(job_id).priority) == ("Swift", 100)
    assert alice.send("PATCH", f"/api/v1/jobs/{job_id}", change).status_code == 200
    assert (engine.job(job_id).name, engine.job(job_id).priority) == ("Mine", 5)


def test_a_priority_that_is_none_changes_nothing(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    for priority in (None, "high", 1.5, True, 10**9):
        answer = oscar.send("PATCH", f"/api/v1/jobs/{job_id}", {"priority": priority})
        assert fields_of(answer) == {"priority"}
    engine.cancel(job_id)
    answer = oscar.send("PATCH", f"/api/v1/jobs/{job_id}", {"priority": 5})
    assert "waits no more" in refused(answer, 409, "job_begun")["message"]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"name": "Mine", "parallel_limit": 2, "priority": "high"}, {"priority"}),
        ({"name": " ", "parallel_limit": 2, "priority": 5}, {"name"}),
        ({"name": "Mine", "parallel_limit": "many", "priority": 5}, {"parallel_limit"}),
        ({"name": "x" * 501, "parallel_limit": 0, "priority": None},
         {"name", "parallel_limit", "priority"}),
    ],
)  # fmt: skip
def test_a_change_of_which_a_part_will_not_do_changes_nothing(
    alice: Visitor, engine: Engine, change: dict[str, Any], wrong: set[str]
) -> None:
    job_id = engine.start("swift")
    before = engine.job(job_id)
    assert fields_of(alice.send("PATCH", f"/api/v1/jobs/{job_id}", change)) == wrong
    assert engine.job(job_id) == before


def test_a_change_of_which_a_part_comes_too_late_changes_nothing(
    alice: Visitor, engine: Engine
) -> None:
    job_id = engine.start("swift")
    engine.cancel(job_id)
    before = engine.job(job_id)
    for late, code in ({"priority": 5}, "job_begun"), ({"parallel_limit": 2}, "job_ended"):
        answer = alice.send("PATCH", f"/api/v1/jobs/{job_id}", {"name": "Mine", **late})
        refused(answer, 409, code)
    assert engine.job(job_id) == before


def test_a_job_that_waits_for_its_time_is_let_start(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", delay=3600)
    answer = oscar.send("POST", f"/api/v1/jobs/{job_id}/start")
    assert (answer.status_code, answer.get_json()["due_at"]) == (202, None)
    assert not engine.job(job_id).is_waiting
    refused(oscar.send("POST", f"/api/v1/jobs/{job_id}/start", {}), 409, "job_begun")
