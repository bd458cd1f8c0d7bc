"""Who may ask what of the API, and what those hear who may not."""

from __future__ import annotations

import pytest

from app.jobs import Engine
from tests.visitor import Visitor
from tests.web.jobs.api import refused

READING = ["/api/v1/jobs", "/api/v1/jobs/1", "/api/v1/jobs/1/tasks"]
STARTING = ["/api/v1/jobs", "/api/create-job/"]


@pytest.mark.parametrize("path", READING)
def test_a_stranger_sees_nothing(stranger: Visitor, path: str) -> None:
    refused(stranger.get(path), 401, "not_signed_in")


@pytest.mark.parametrize("path", STARTING)
def test_a_stranger_starts_nothing_and_is_not_redirected(stranger: Visitor, path: str) -> None:
    refused(stranger.send("POST", path, {"handler": "swift"}), 401, "not_signed_in")


@pytest.mark.parametrize("path", STARTING)
def test_a_viewer_starts_nothing(vera: Visitor, engine: Engine, path: str) -> None:
    error = refused(vera.send("POST", path, {"handler": "swift"}), 403, "not_allowed")
    assert "Your role is viewer" in error["message"]
    assert engine.jobs() == []


@pytest.mark.parametrize("path", STARTING)
@pytest.mark.parametrize("headers", [{}, {"X-CSRFToken": ""}, {"X-CSRFToken": "made up"}])
def test_without_the_pages_token_nothing_is_started(
    oscar: Visitor, engine: Engine, path: str, headers: dict[str, str]
) -> None:
    answer = oscar.client.post(path, json={"handler": "swift"}, headers=headers)
    refused(answer, 400, "csrf")
    assert engine.jobs() == []


def test_the_token_of_somebody_else_is_none(oscar: Visitor, vera: Visitor) -> None:
    headers = {"X-CSRFToken": Visitor(oscar.client.application).token()}
    with oscar.client.session_transaction() as session:
        session["csrf_token"] = "of this session"
    answer = oscar.client.post("/api/v1/jobs", json={"handler": "swift"}, headers=headers)
    refused(answer, 400, "csrf")


def test_a_program_behind_tls_needs_no_referer(oscar: Visitor) -> None:
    body, behind_tls = {"handler": "swift"}, "https://localhost"
    answer = oscar.send("POST", "/api/v1/jobs", body, base_url=behind_tls)
    assert answer.status_code == 201
    refused(oscar.client.post("/api/v1/jobs", json=body, base_url=behind_tls), 400, "csrf")


def test_a_handler_may_ask_for_more(oscar: Visitor, alice: Visitor, engine: Engine) -> None:
    body = {"handler": "guarded"}
    refused(oscar.send("POST", "/api/v1/jobs", body), 403, "not_allowed")
    assert engine.jobs() == []
    assert alice.send("POST", "/api/v1/jobs", body).status_code == 201


def test_a_handler_may_hide_its_jobs(vera: Visitor, alice: Visitor, engine: Engine) -> None:
    hidden, shown = engine.start("secretive"), engine.start("swift")
    assert [job["id"] for job in vera.get("/api/v1/jobs").get_json()["jobs"]] == [shown]
    assert vera.get("/api/v1/jobs?handler=secretive").get_json()["jobs"] == []
    refused(vera.get(f"/api/v1/jobs/{hidden}"), 403, "not_allowed")
    refused(vera.get(f"/api/v1/jobs/{hidden}/tasks"), 403, "not_allowed")
    assert len(alice.get("/api/v1/jobs").get_json()["jobs"]) == 2
    assert alice.get(f"/api/v1/jobs/{hidden}").status_code == 200


def test_who_may_not_see_a_handler_does_not_learn_its_name(oscar: Visitor, alice: Visitor) -> None:
    body = {"handler": "nothing"}
    for visitor, learns in ((oscar, False), (alice, True)):
        error = refused(visitor.send("POST", "/api/v1/jobs", body), 422, "unknown_handler")
        assert ("secretive" in error["message"]) is learns
