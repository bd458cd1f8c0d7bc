"""HTML in every text that somebody may write is text: on every page, in every part of one, live."""

from __future__ import annotations

import io
import json

import pytest
from sqlalchemy import text

from app.jobs import Engine
from tests.at_work import AtWork
from tests.outside.kinds import HOSTILE
from tests.visitor import Visitor
from tests.web.doors import DOORS
from tests.web.live.conftest import Listen, address, at_work, engine, gate, listen, settings

__all__ = ["address", "at_work", "engine", "gate", "listen", "settings"]

#: As a browser would have to see it to run it, whatever becomes of the quotes.
DANGER = "<script>alert("


@pytest.fixture
def hostile_user(alice: Visitor, engine: Engine) -> int:
    """Somebody whose address is HTML."""
    with engine.database.writing() as connection:
        email = f"{HOSTILE}@example.com"
        connection.execute(text("UPDATE user SET email = :email"), {"email": email})
    assert alice.get("/jobs").status_code == 200
    return 1


@pytest.fixture
def hostile_jobs(at_work: AtWork, hostile_user: int) -> list[int]:
    """Jobs with HTML in their names, params, states, results, errors and logs."""
    engine, everywhere = at_work.engine, {HOSTILE: HOSTILE}
    params = {"text": "abc", "story": HOSTILE, "words": [HOSTILE], "extra": {HOSTILE: 1}}
    ids = [
        engine.start_new_job(HOSTILE, hostile_user, [{"state": everywhere}], kind, everywhere)
        for kind in ("failing", "swift", "unpaintable", "painted")
    ]
    ids.append(engine.start("everything", params, name=HOSTILE, started_by=hostile_user))
    for job_id in ids:
        at_work.ended(job_id)
        engine.set_job_state_field(job_id, HOSTILE, [HOSTILE])
    return ids


def addresses(job_id: int) -> list[str]:
    """Every page, of this job where it is about one."""
    rules = {each.rule for each in DOORS if each.method == "GET" and each.rule.count("<") < 2}
    said = [each.replace("<int:job_id>", str(job_id)) for each in sorted(rules)]
    pages = [each.replace("<int:row_id>", "1").replace("<token>", "x") for each in said]
    return [*pages, f"/jobs/{job_id}?task=0", f"/jobs/{job_id}?tasks=FAILED", "/jobs/new?again=1"]


def test_no_page_and_no_part_of_one_shows_html_that_was_written_as_text(
    alice: Visitor, hostile_jobs: list[int]
) -> None:
    for job_id in hostile_jobs:
        for where in addresses(job_id):
            for headers in ({}, {"HX-Request": "true"}):
                answer = alice.get(where, headers=headers)
                if answer.mimetype == "text/html":
                    assert DANGER not in answer.text, (where, headers)
    page = alice.get(f"/jobs/{hostile_jobs[0]}?task=0").text
    assert "&lt;script&gt;alert(" in page


def test_what_a_page_is_asked_for_is_text_in_its_answer(alice: Visitor, engine: Engine) -> None:
    engine.start("swift")
    for where in ("/jobs", "/users", "/jobs/new", "/jobs/1", "/login", "/nothing", f"/{HOSTILE}"):
        for name in ("q", "status", "handler", "sort", "name", "task", "tasks", "next", "email"):
            answer = alice.get(where, query_string={name: HOSTILE})
            assert DANGER not in answer.text, (where, name)


def test_what_a_form_held_is_text_when_it_is_shown_again(
    alice: Visitor, stranger: Visitor, engine: Engine
) -> None:
    job_id = engine.start("swift")
    everything = {"text": HOSTILE, "story": HOSTILE, "words": HOSTILE, "count": HOSTILE}
    sent = [
        (alice, "/jobs", {"handler": "everything", "name": HOSTILE} | everything),
        (alice, "/jobs", {"handler": HOSTILE}),
        (alice, "/jobs/preview", {"handler": "everything"} | everything),
        (alice, f"/jobs/{job_id}", {"name": HOSTILE * 50}),
        (alice, f"/jobs/{job_id}/retry", {"tasks": HOSTILE}),
        (alice, "/users", {"email": HOSTILE, "role": HOSTILE, "password": HOSTILE}),
        (alice, "/account/password", {"current": HOSTILE, "password": HOSTILE}),
        (stranger, "/login", {"email": HOSTILE, "password": HOSTILE, "next": HOSTILE}),
    ]
    for visitor, where, form in sent:
        answer = visitor.post(where, form)
        assert answer.status_code in (200, 401, 409, 422), (where, answer.status_code)
        assert DANGER not in answer.text, where


def test_a_files_name_and_its_rows_are_text(alice: Visitor, at_work: AtWork) -> None:
    rows = f"email,role\n{HOSTILE}@example.com,{HOSTILE}\n".encode()
    form = {"file": (io.BytesIO(rows), f"{HOSTILE}.csv")}
    answer = alice.post("/api/v1/files", form)
    assert answer.content_type == "application/json"
    assert answer.status_code == 201
    started = alice.post(
        "/jobs", {"handler": "import_admin_users", "file": answer.get_json()["id"]}
    )
    assert started.status_code == 303, started.text
    at_work.ended(int(started.location.rpartition("/")[2]))
    shown = alice.get(started.location).text
    assert DANGER not in shown
    assert "&lt;script&gt;alert(" in shown


def test_what_the_socket_sends_to_a_page_is_text(
    listen: Listen, alice: Visitor, hostile_jobs: list[int]
) -> None:
    topics = [f"view/job/{job_id}?task=0" for job_id in hostile_jobs]
    for topic in (*topics, "view/jobs", "view/navbar"):
        listener = listen(alice, topic)
        snapshot = listener.hear_until(lambda message: "html" in message)
        assert DANGER not in json.dumps(snapshot), topic
        assert "&lt;script&gt;alert(" in json.dumps(snapshot), topic
