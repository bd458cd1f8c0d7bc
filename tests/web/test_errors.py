"""What went wrong is said in a sentence: to the API as JSON, to a person as a page."""

from __future__ import annotations

import logging

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from app import engines
from app.db import Database
from app.jobs.errors import EngineStopped, InvalidParams, JobNotFound
from app.web.access import public
from tests.eventually import eventually
from tests.jobs.looking import sql
from tests.visitor import Visitor


@pytest.fixture
def broken(app: Flask) -> Flask:
    """The application with addresses at which things go wrong."""
    errors = {
        "surprise": ZeroDivisionError("with a secret in it"),
        "job": JobNotFound(7),
        "params": InvalidParams({"steps": ["Must be a number.", "Must be small."]}),
        "stopped": EngineStopped(),
        "locked": OperationalError("SELECT secret", {}, Exception("database is locked")),
    }

    @public
    def fail(name: str) -> str:
        raise errors[name]

    app.add_url_rule("/fail/<name>", view_func=fail)
    app.add_url_rule(
        "/api/fail/<name>", view_func=fail, endpoint="api_fail", methods=["GET", "POST"]
    )
    return app


@pytest.mark.usefixtures("broken")
def test_an_unexpected_error_is_logged_and_tells_the_client_nothing(
    stranger: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        page, said = stranger.get("/fail/surprise"), stranger.get("/api/fail/surprise")
    assert (page.status_code, said.status_code) == (500, 500)
    assert "Something went wrong here" in page.text
    assert said.get_json()["error"]["code"] == "internal"
    assert "secret" not in page.text + said.text
    assert "ZeroDivisionError: with a secret in it" in caplog.text


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(
    ("name", "status", "code", "sentence"),
    [
        ("job", 404, "job_not_found", "There is no job 7; it may have been deleted."),
        ("stopped", 503, "engine_stopped", str(EngineStopped())),
        ("locked", 503, "database_unavailable", "The database does not answer just now."),
    ],
)
def test_an_expected_error_has_its_status_and_its_sentence(
    stranger: Visitor, name: str, status: int, code: str, sentence: str
) -> None:
    said = stranger.get(f"/api/fail/{name}")
    assert said.status_code == status
    error = said.get_json()["error"]
    assert error["code"] == code
    assert error["message"].startswith(sentence)
    page = stranger.get(f"/fail/{name}")
    assert page.status_code == status
    assert sentence in page.text


@pytest.mark.usefixtures("broken")
def test_what_cannot_be_done_just_now_is_a_line_in_the_log_and_no_traceback(
    stranger: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    stranger.get("/api/fail/locked")
    assert "GET /api/fail/<name> cannot be done now: database is locked" in caplog.text
    assert "Traceback" not in caplog.text
    assert "SELECT secret" not in caplog.text


@pytest.mark.usefixtures("broken")
def test_what_is_wrong_with_params_is_said_by_field(stranger: Visitor) -> None:
    answer = stranger.get("/api/fail/params")
    assert answer.status_code == 422
    assert answer.get_json()["error"]["fields"] == {"steps": "Must be a number. Must be small."}


def test_an_address_of_nothing(stranger: Visitor) -> None:
    assert "Nothing has this address." in stranger.get("/nothing").text
    answer = stranger.get("/api/nothing")
    assert answer.status_code == 404
    assert answer.get_json()["error"]["code"] == "not_found"


def test_a_method_that_an_address_does_not_know(stranger: Visitor) -> None:
    answer = stranger.get("/logout")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.usefixtures("broken")
def test_the_api_asks_for_the_token_too(alice: Visitor) -> None:
    answer = alice.client.post("/api/fail/job", json={})
    assert answer.status_code == 400
    assert answer.get_json()["error"]["code"] == "csrf"


def test_what_is_too_large_is_refused(app: Flask, stranger: Visitor) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 1000
    assert stranger.post("/login", {"email": "x" * 2000}).status_code == 413


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_script_whose_person_is_signed_out_is_not_sent_away(
    stranger: Visitor, method: str
) -> None:
    answer = stranger.client.open("/jobs", method=method, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.text) == (401, "Sign in first.")
    assert "HX-Redirect" not in answer.headers


def test_a_script_is_told_the_sentence_alone(vera: Visitor) -> None:
    answer = vera.get("/jobs/7", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.mimetype) == (404, "text/plain")
    assert answer.text == "There is no job 7; it may have been deleted."


@pytest.mark.parametrize("on", ["postgresql"], indirect=True)
def test_a_connection_that_the_server_ended_is_an_outage_as_others_are(
    app: Flask, stranger: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "REST_SECONDS", 0.1)
    database = Database(app.extensions["jobdeck"].database.url.render_as_string(False))

    @public
    def rest() -> str:
        with database.writing() as connection:
            (pid,) = connection.exec_driver_sql("SELECT pg_backend_pid()").scalars()
            alive = f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}"
            eventually(lambda: sql(database, alive) == [])
            connection.exec_driver_sql("SELECT 1")
        return "not ended"

    app.add_url_rule("/api/rest", view_func=rest)
    answer = stranger.get("/api/rest")
    database.dispose()
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "database_unavailable")
    assert answer.get_json()["error"]["message"].startswith("The database does not answer just now")


def test_an_error_page_needs_no_database(
    broken: Flask, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(*_: object) -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    monkeypatch.setattr("app.users.sign_ins.who", no_answer)
    answer = alice.get("/jobs")
    assert answer.status_code == 503
    assert "The database does not answer just now." in answer.text
