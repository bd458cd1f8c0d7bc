"""Starting a job by the API (A16)."""

from __future__ import annotations

from typing import Any

import pytest

from app.jobs import Engine
from tests.visitor import Visitor
from tests.web.jobs.api import fields_of, refused


@pytest.mark.parametrize("path", ["/api/create-job/", "/api/v1/jobs"])
def test_a_job_is_started_and_its_id_returned(oscar: Visitor, engine: Engine, path: str) -> None:
    answer = oscar.send("POST", path, {"handler": "swift"})
    assert answer.status_code == 201
    job_id = answer.get_json()["id"]
    assert answer.get_json() == {"ok": True, "id": job_id, "jobId": job_id}
    job = engine.job(job_id)
    assert (job.name, job.handler, job.total) == ("Swift", "swift", 1)
    assert job.started_by is not None
    assert job.started_by.email == oscar.email


def test_a_job_may_have_a_name_and_params(oscar: Visitor, engine: Engine) -> None:
    params = {"steps": 4, "seconds": 0}
    body = {"handler": "example_job_handler", "name": "Four steps", "params": params}
    job = engine.job(oscar.send("POST", "/api/v1/jobs", body).get_json()["id"])
    assert (job.name, job.params, job.total) == ("Four steps", params, 4)


def test_given_tasks_are_used_instead_of_the_handlers_own(oscar: Visitor, engine: Engine) -> None:
    body = {"handler": "example_job_handler", "tasks": [{"state": {"step": 9}}, {}]}
    job_id = oscar.send("POST", "/api/v1/jobs", body).get_json()["id"]
    assert [task.state for task in engine.tasks(job_id, limit=9)] == [{"step": 9}, {}]
    assert engine.job(job_id).params == {"steps": 6, "seconds": 3.0}


def test_params_are_checked_even_when_the_tasks_are_given(oscar: Visitor, engine: Engine) -> None:
    body = {"handler": "example_job_handler", "params": {"steps": 0}, "tasks": [{}]}
    assert fields_of(oscar.send("POST", "/api/v1/jobs", body)) == {"steps"}
    assert engine.jobs() == []


def test_no_tasks_at_all_is_a_job_that_is_done_when_it_starts(
    oscar: Visitor, engine: Engine
) -> None:
    answer = oscar.send("POST", "/api/v1/jobs", {"handler": "swift", "tasks": []})
    assert answer.status_code == 201
    assert engine.job(answer.get_json()["id"]).total == 0


def test_wrong_params_get_a_sentence_for_each_field(oscar: Visitor) -> None:
    params = {"text": "A", "count": "many", "color": "blue", "inner": {"times": "x"}}
    answer = oscar.send("POST", "/api/v1/jobs", {"handler": "everything", "params": params})
    error = refused(answer, 422, "invalid")
    assert set(error["fields"]) == {"text", "count", "color", "inner"}
    assert all(said.endswith(".") for said in error["fields"].values())
    assert error["fields"]["inner"].startswith("times: ")


def test_an_unknown_handler_is_named_and_so_are_those_that_exist(oscar: Visitor) -> None:
    answer = oscar.send("POST", "/api/v1/jobs", {"handler": "nothing"})
    error = refused(answer, 422, "unknown_handler")
    assert "There is no handler named 'nothing'." in error["message"]
    assert "swift" in error["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "handler"),
        ({"handler": 7}, "handler"),
        ({"handler": None}, "handler"),
        ({"handler": "swift", "name": 7}, "name"),
        ({"handler": "swift", "name": "x" * 501}, "name"),
        ({"handler": "swift", "params": [1]}, "params"),
        ({"handler": "swift", "params": None}, "params"),
        ({"handler": "swift", "tasks": {"state": {}}}, "tasks"),
        ({"handler": "swift", "tasks": [7]}, "tasks"),
        ({"handler": "swift", "tasks": [{"state": "x"}]}, "tasks"),
        ({"handler": "swift", "tasks": [{"status": "DONE"}]}, "tasks"),
        ({"handler": "swift", "status": "DONE"}, "status"),
    ],
)
def test_a_field_of_a_wrong_type_is_named(oscar: Visitor, body: object, field: str) -> None:
    answer = oscar.send("POST", "/api/v1/jobs", body)
    assert fields_of(answer) == {field}


@pytest.mark.parametrize("body", ["[]", "7", '"x"', "null", "true"])
def test_what_is_no_object_is_no_request(oscar: Visitor, body: str) -> None:
    refused(post(oscar, body), 400, "bad_request")


@pytest.mark.parametrize(
    "body",
    ["", "{", "{'handler': 'swift'}", "\xff", '{"handler": "swift"} x', "[" * 100_000, "NaN x"],
)
def test_what_is_no_json_cannot_be_understood(oscar: Visitor, body: str) -> None:
    refused(post(oscar, body), 400, "bad_request")


def test_json_of_great_depth_is_refused(oscar: Visitor, engine: Engine) -> None:
    deep = '{"a":' * 5_000 + "1" + "}" * 5_000
    answer = post(oscar, '{"handler": "swift", "tasks": [{"state": ' + deep + "}]}")
    assert answer.status_code in (400, 422)
    assert engine.jobs() == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_kind_of_content_is_not_understood(oscar: Visitor, kind: str) -> None:
    refused(post(oscar, '{"handler": "swift"}', kind), 415, "unsupported_media_type")


@pytest.mark.parametrize("value", ["\0", "a\0b", "\ud800", "x\udfff"])
@pytest.mark.parametrize("where", ["state", "key", "params", "handler"])
def test_what_no_database_keeps_is_refused_in_a_sentence(
    oscar: Visitor, engine: Engine, value: str, where: str
) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "state": {"tasks": [{"state": {"a": [value]}}]},
        "key": {"tasks": [{"state": {value: 1}}]},
        "params": {"params": {"a": value}},
        "handler": {"handler": value},
    }
    answer = oscar.send("POST", "/api/v1/jobs", {"handler": "swift"} | bodies[where])
    assert answer.status_code == 422, answer.text
    assert answer.get_json()["error"]["message"]
    assert engine.jobs() == []


@pytest.mark.parametrize(
    ("given", "kept"), [("a\0b", "a\\0b"), (" \t", "Swift"), ("", "Swift"), (" x ", "x")]
)
def test_a_name_is_kept_so_that_a_person_can_read_it(
    oscar: Visitor, engine: Engine, given: str, kept: str
) -> None:
    answer = oscar.send("POST", "/api/v1/jobs", {"handler": "swift", "name": given})
    assert engine.job(answer.get_json()["id"]).name == kept


def test_half_a_surrogate_pair_is_no_name(oscar: Visitor) -> None:
    answer = oscar.send("POST", "/api/v1/jobs", {"handler": "swift", "name": "\ud800"})
    assert fields_of(answer) == {"name"}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_json_does_not_have_is_refused(
    oscar: Visitor, engine: Engine, number: str
) -> None:
    answer = post(oscar, '{"handler": "swift", "tasks": [{"state": {"a": ' + number + "}}]}")
    assert answer.status_code in (400, 422)
    assert engine.jobs() == []


def test_a_huge_number_is_no_accident_of_the_server(oscar: Visitor) -> None:
    answer = post(oscar, '{"handler": "swift", "params": {"a": %s}}' % ("9" * 5_000))
    assert answer.status_code in (201, 400, 422)


def test_a_value_that_is_too_large_says_how_large_it_may_be(oscar: Visitor, engine: Engine) -> None:
    body = {"handler": "swift", "tasks": [{"state": {"a": "x" * 300_000}}]}
    error = refused(oscar.send("POST", "/api/v1/jobs", body), 422, "value_not_storable")
    assert "262,144" in error["message"]
    assert engine.jobs() == []


def test_a_body_that_is_too_large_is_refused(oscar: Visitor, engine: Engine) -> None:
    oscar.client.application.config["MAX_CONTENT_LENGTH"] = 1_000
    answer = oscar.send("POST", "/api/v1/jobs", {"handler": "swift", "name": "x" * 2_000})
    refused(answer, 413, "request_entity_too_large")
    assert engine.jobs() == []


def test_tasks_that_cannot_be_made_are_told_and_nothing_is_stored(
    oscar: Visitor, engine: Engine
) -> None:
    body = {"handler": "listing", "params": {"folder": "/nowhere/at/all"}}
    error = refused(oscar.send("POST", "/api/v1/jobs", body), 422, "tasks_not_made")
    assert "/nowhere/at/all" in error["message"]
    assert engine.jobs() == []


def post(visitor: Visitor, body: str, kind: str = "application/json") -> Any:
    """Send a body as it is."""
    headers = {"X-CSRFToken": visitor.token()}
    return visitor.client.post(
        "/api/v1/jobs", data=body.encode("latin-1"), content_type=kind, headers=headers
    )
