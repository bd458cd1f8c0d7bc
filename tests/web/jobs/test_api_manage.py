"""Cancelling, retrying, renaming and deleting jobs by the API, and changing what they keep."""

from __future__ import annotations

from typing import Any

import pytest

from app.jobs import Engine, JobStatus
from tests.at_work import AtWork, Gate
from tests.eventually import eventually
from tests.visitor import Visitor
from tests.web.jobs.api import fields_of, refused

JOB = {
    "id", "name", "handler", "status", "progress", "counts", "state", "params", "created_at",
    "started_at", "finished_at", "started_by", "cancel_requested_at", "cancel_requested_by",
    "input", "error", "priority", "due_at", "retries", "timeout", "parallel_limit",
    "rescheduled_from_job", "started_by_job", "waiting_for",
}  # fmt: skip


@pytest.fixture
def failed(at_work: AtWork) -> int:
    """A job that has ended: one of its tasks failed, the other went well."""
    job_id = at_work.start("failing", {}, {"well": True})
    at_work.ended(job_id)
    return job_id


def test_a_job_that_waits_is_cancelled_at_once(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    answer = oscar.send("POST", f"/api/v1/jobs/{job_id}/cancellation", {})
    assert answer.status_code == 202
    job = answer.get_json()
    assert set(job) == JOB
    assert (job["id"], job["status"], job["progress"]) == (job_id, "CANCELLED", 0)
    assert job["counts"]["cancelled"] == 1
    assert job["cancel_requested_by"]["email"] == oscar.email
    assert job["cancel_requested_at"].endswith("Z")


def test_a_job_that_runs_says_that_it_is_cancelling_until_its_tasks_have_ended(
    oscar: Visitor, at_work: AtWork, gate: Gate
) -> None:
    job_id = at_work.start("stubborn", **gate.params(tasks=3))
    eventually(lambda: at_work.waiting(job_id) == 3)
    for _ in range(2):
        answer = oscar.send("POST", f"/api/v1/jobs/{job_id}/cancellation")
        assert answer.status_code == 202
        assert answer.get_json()["status"] == "IN_PROGRESS"
        assert answer.get_json()["counts"]["in_progress"] == 3
    gate.open()
    assert at_work.ended(job_id).status == JobStatus.CANCELLED
    again = oscar.send("POST", f"/api/v1/jobs/{job_id}/cancellation", {})
    assert (again.status_code, again.get_json()["status"]) == (202, "CANCELLED")


def test_a_job_that_has_ended_cannot_be_cancelled(oscar: Visitor, failed: int) -> None:
    error = refused(oscar.send("POST", f"/api/v1/jobs/{failed}/cancellation", {}), 409, "job_ended")
    assert "has ended already (DONE_WITH_ERRORS)" in error["message"]


def test_the_failed_tasks_run_again(oscar: Visitor, at_work: AtWork, failed: int) -> None:
    ended_at = oscar.get(f"/api/v1/jobs/{failed}").get_json()["finished_at"]
    answer = oscar.send("POST", f"/api/v1/jobs/{failed}/retry")
    assert answer.status_code == 202
    assert set(answer.get_json()) == JOB
    assert answer.get_json()["id"] == failed
    assert answer.get_json()["finished_at"] != ended_at  # it may have ended again by now
    at_work.ended(failed)
    assert attempts_of(oscar, failed) == [2, 1]


@pytest.mark.parametrize(
    ("tasks", "attempts"),
    [("failed", [2, 1]), ("unfinished", [2, 1]), ("all", [2, 2]), ([1], [1, 2]), ([0, 0], [2, 1])],
)
def test_the_tasks_that_are_chosen_run_again(
    oscar: Visitor, at_work: AtWork, failed: int, tasks: object, attempts: list[int]
) -> None:
    answer = oscar.send("POST", f"/api/v1/jobs/{failed}/retry", {"tasks": tasks})
    assert answer.status_code == 202
    at_work.ended(failed)
    assert attempts_of(oscar, failed) == attempts


def attempts_of(visitor: Visitor, job_id: int) -> list[int]:
    """How often each task was tried."""
    tasks = visitor.get(f"/api/v1/jobs/{job_id}/tasks").get_json()["tasks"]
    return [task["attempts"] for task in tasks]


@pytest.mark.parametrize(
    "tasks",
    ["some", "", None, 7, True, {}, [-1], ["0"], [0.5], [True], [None], [[0]], [2**31], [2**70]],
)
def test_a_choice_that_is_none_is_refused(oscar: Visitor, failed: int, tasks: object) -> None:
    answer = oscar.send("POST", f"/api/v1/jobs/{failed}/retry", {"tasks": tasks})
    assert fields_of(answer) == {"tasks"}


def test_a_task_that_does_not_exist_cannot_run_again(
    oscar: Visitor, engine: Engine, failed: int
) -> None:
    answer = oscar.send("POST", f"/api/v1/jobs/{failed}/retry", {"tasks": [0, 2]})
    error = refused(answer, 404, "task_not_found")
    assert "has no task 2" in error["message"]
    assert engine.job(failed).is_final


def test_what_cannot_be_tried_again_says_why(oscar: Visitor, at_work: AtWork, gate: Gate) -> None:
    running = at_work.start("gated", **gate.params())
    answer = oscar.send("POST", f"/api/v1/jobs/{running}/retry", {"tasks": "all"})
    assert "has not ended yet" in refused(answer, 409, "job_not_ended")["message"]
    gate.open()
    at_work.ended(running)
    answer = oscar.send("POST", f"/api/v1/jobs/{running}/retry", {})
    assert "nothing to try again" in refused(answer, 409, "nothing_to_retry")["message"]
    answer = oscar.send("POST", f"/api/v1/jobs/{running}/retry", {"tasks": []})
    refused(answer, 409, "nothing_to_retry")


def test_a_superadmin_renames_a_job(alice: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    answer = alice.send("PATCH", f"/api/v1/jobs/{job_id}", {"name": "  Another <b>name</b> "})
    assert answer.status_code == 200
    assert set(answer.get_json()) == JOB
    assert answer.get_json()["name"] == engine.job(job_id).name == "Another <b>name</b>"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"), ({"name": 7}, "name"), ({"name": None}, "name"), ({"name": " "}, "name"),
        ({"name": "x" * 501}, "name"), ({"name": "x", "status": "DONE"}, "status"),
    ],
)  # fmt: skip
def test_a_name_that_will_not_do_is_refused(
    alice: Visitor, engine: Engine, body: object, field: str
) -> None:
    job_id = engine.start("swift")
    assert fields_of(alice.send("PATCH", f"/api/v1/jobs/{job_id}", body)) == {field}
    assert engine.job(job_id).name == "Swift"


def test_a_superadmin_deletes_a_job_that_has_ended(alice: Visitor, failed: int) -> None:
    answer = alice.send("DELETE", f"/api/v1/jobs/{failed}")
    assert (answer.status_code, answer.data) == (204, b"")
    for path in (f"/api/v1/jobs/{failed}", f"/api/v1/jobs/{failed}/tasks"):
        refused(alice.get(path), 404, "job_not_found")
    refused(alice.send("DELETE", f"/api/v1/jobs/{failed}"), 404, "job_not_found")


def test_a_job_that_has_not_ended_is_not_deleted(alice: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    error = refused(alice.send("DELETE", f"/api/v1/jobs/{job_id}"), 409, "job_not_ended")
    assert "cancel it first" in error["message"]
    assert engine.job(job_id).total == 1


def test_fields_of_a_jobs_state_are_set_and_the_others_stay(alice: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    engine.update_job_fields_atomically(job_id, lambda state: state.update(a=1, b={"c": 2}))
    change = {"b": {"d": 3}, "e": None}
    answer = alice.send("PATCH", f"/api/v1/jobs/{job_id}/state", change)
    assert answer.status_code == 200
    assert set(answer.get_json()) == JOB
    assert answer.get_json()["state"] == engine.get_job_state(job_id)
    assert engine.get_job_state(job_id) == {"a": 1, "b": {"d": 3}, "e": None}


def test_changes_of_several_people_are_all_kept(alice: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    for number in range(20):
        alice.send("PATCH", f"/api/v1/jobs/{job_id}/state", {f"f{number}": number})
        engine.set_job_state_field(job_id, f"g{number}", number)
    assert len(engine.get_job_state(job_id)) == 40


@pytest.mark.parametrize(
    ("state", "word"),
    [({"a": "x" * 300_000}, "limit"), ({"a": "\0"}, "NUL"), ({"\ud800": 1}, "surrogate")],
)
def test_a_state_that_cannot_be_kept_is_refused(
    alice: Visitor, engine: Engine, state: dict[str, Any], word: str
) -> None:
    job_id = engine.start("swift")
    answer = alice.send("PATCH", f"/api/v1/jobs/{job_id}/state", state)
    assert word in refused(answer, 422, "value_not_storable")["message"]
    assert engine.get_job_state(job_id) == {}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/cancellation"), ("POST", "/retry"), ("PATCH", ""), ("PATCH", "/state")],
)
@pytest.mark.parametrize("body", ["[]", "{", "7", "null", "[" * 100_000])
def test_what_is_no_object_changes_nothing(
    alice: Visitor, engine: Engine, method: str, path: str, body: str
) -> None:
    job_id = engine.start("swift")
    headers = {"X-CSRFToken": alice.token(), "Content-Type": "application/json"}
    address = f"/api/v1/jobs/{job_id}{path}"
    refused(
        alice.client.open(address, method=method, data=body, headers=headers), 400, "bad_request"
    )
    assert engine.job(job_id).status == JobStatus.QUEUED


def test_a_field_that_does_not_exist_is_not_overlooked(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    answer = oscar.send("POST", f"/api/v1/jobs/{job_id}/cancellation", {"force": True})
    assert fields_of(answer) == {"force"}
    answer = oscar.send("POST", f"/api/v1/jobs/{job_id}/retry", {"task": "all"})
    assert fields_of(answer) == {"task"}
    assert engine.job(job_id).status == JobStatus.QUEUED
