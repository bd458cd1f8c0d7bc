"""Whatever is sent, to whatever address: an answer with a sentence, and nothing happens by it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.jobs import Engine
from tests.outside.kinds import HOSTILE
from tests.visitor import Visitor
from tests.web.doors import DOORS, Door
from tests.web.jobs.conftest import engine, settings

__all__ = ["engine", "settings"]

DEEP = "[" * 100_000
LONG = "x" * 1_000_000

#: Bodies that nobody understands, or that cannot be kept.
BAD_JSON = [
    b"", b"{", b"[]", b"7", b"null", b'"x"', b"\xff\xfe", b"\0", b'{"a": 1} b', b"{'a': 1}", b"NaN",
    DEEP.encode(), b'{"a":' * 50_000, b'{"name": NaN}', b'{"name": 1e999}',
    b'{"handler": "\\ud800", "name": "\\udfff"}', b'{"handler": "\\u0000", "name": "\\u0000"}',
    json.dumps({"handler": LONG, "name": LONG, "tasks": LONG}).encode(),
]  # fmt: skip

#: Bodies that have not the fields that are asked for. As a job's state they would do.
BAD_FIELDS = [
    b'{"unknown": 1}',
    b'{"handler": 7, "name": [], "params": "x", "tasks": 7}',
    b'{"handler": {}, "name": {}, "params": [], "tasks": {}}',
    b'{"name": ' + b"9" * 5_000 + b', "tasks": [' + b"9" * 5_000 + b"]}",
]  # fmt: skip

BAD_TEXTS = [
    "\0", "a\0b", "\ud800", LONG, HOSTILE, "-1", "9" * 30, "1e5", "1.5", "NaN", "../../etc/passwd",
    "%00", "' OR 1=1 --", "{{ 7 * 7 }}", "\u202e", "\r\nSet-Cookie: a=b", "٣", "\ufeff", "",
]  # fmt: skip

BAD_IDS = [
    "x", "-1", "1.5", "1e3", "0x1", "%00", "1%00", "9" * 19, "9" * 400, "..", "%2e%2e%2f", "%2Fetc",
    "..%2f..%2fetc%2fpasswd", "1%2f..", "%ff", "%ED%A0%80", "%3Cscript%3E", "'", "1;DROP", " 1",
]  # fmt: skip

#: What addresses may have in them, from all pages together.
ARGUMENTS = [
    "status", "handler", "q", "after", "before", "limit", "offset", "fields", "sort", "order",
    "task", "tasks", "started_by", "created_from", "created_to", "next", "name", "again", "column",
    "for", "csrf_token", "email", "role",
]  # fmt: skip


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that is sent may surprise the server."""
    with caplog.at_level(logging.ERROR):
        yield
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []


@pytest.fixture
def job(engine: Engine) -> int:
    """A job that must stay as it is."""
    return engine.start("swift", name="Untouched")


def everything(engine: Engine) -> dict[str, list[Any]]:
    """All that is stored, but who was here when."""
    tables = ("job", "task", "log", "file", "user")
    with engine.database.reading() as connection:
        there = {row[0] for row in connection.execute(text("SELECT name FROM sqlite_master"))}
        return {
            each: [tuple(row) for row in connection.execute(text(f"SELECT * FROM {each}"))]
            for each in tables
            if each in there
        }


def api_doors(method: str) -> list[Door]:
    """The ways into the API with this method, each once."""
    found = {str(each): each for each in DOORS if each.rule.startswith("/api/")}
    return [each for each in found.values() if each.method == method]


def says_what_is_wrong(answer: TestResponse) -> bool:
    """Whether it is an error of the API with a sentence."""
    error = answer.get_json()["error"]
    return 400 <= answer.status_code < 500 and error["message"].endswith((".", "}", "]", ")"))


@pytest.mark.parametrize("door", api_doors("POST") + api_doors("PATCH"), ids=str)
def test_a_body_that_makes_no_sense_changes_nothing(
    alice: Visitor, engine: Engine, job: int, door: Door
) -> None:
    before = everything(engine)
    address = door.rule.replace("<int:job_id>", str(job))
    is_state, says_nothing = (
        door.rule.endswith("/state"),
        door.rule.endswith(("/cancellation", "/retry")),
    )
    for body in BAD_JSON if is_state else BAD_JSON + BAD_FIELDS:
        if not body and says_nothing:
            continue
        for kind in ("application/json", "text/plain", "multipart/form-data", None):
            headers = {"X-CSRFToken": alice.token()}
            answer = alice.client.open(
                address, method=door.method, data=body, content_type=kind, headers=headers
            )
            assert says_what_is_wrong(answer), (body[:50], kind, answer.status_code, answer.text)
    assert everything(engine) == before


@pytest.mark.parametrize("door", [each for each in DOORS if "<int:" in each.rule], ids=str)
def test_an_id_that_is_none_leads_nowhere(
    alice: Visitor, engine: Engine, job: int, door: Door
) -> None:
    before = everything(engine)
    for bad in BAD_IDS:
        address = door.rule.replace("<int:job_id>", bad).replace("<int:row_id>", bad)
        answer = alice.client.open(
            address.replace("<name>", bad),
            method=door.method,
            headers={"X-CSRFToken": alice.token()},
            buffered=True,
        )
        # A path that climbs out may be the address of something else, which knows other methods.
        assert answer.status_code in (302, 303, 308, 404, 405, 422), (bad, answer.status_code)
        assert "Traceback" not in answer.text
    assert job
    assert everything(engine) == before


@pytest.mark.parametrize("door", [each for each in DOORS if "<int:" in each.rule], ids=str)
def test_an_id_that_is_written_otherwise_is_the_id_of_nothing(
    alice: Visitor, engine: Engine, job: int, door: Door
) -> None:
    before = everything(engine)
    for other in (f"0{job}", f"00{job}", f"+{job}", f"%20{job}", f"{job}.", "\u0661"):
        address = door.rule.replace("<int:job_id>", other).replace("<int:row_id>", other)
        headers = {"X-CSRFToken": alice.token()}
        answer = alice.client.open(
            address.replace("<name>", "x"), method=door.method, headers=headers
        )
        assert "Nothing has this address." in answer.text, (other, answer.status_code)
        assert answer.status_code == 404
    assert job == 1
    assert everything(engine) == before


def pages() -> list[str]:
    """The addresses that may be opened, each once."""
    return sorted({each.rule for each in DOORS if each.method == "GET" and each.rule != "/live"})


def arguments_of(rule: str) -> list[list[str]]:
    """All at once; and where they are read, those alone that another one would hide."""
    if rule.endswith(("/jobs", "/users", "/handlers", "/tasks", "<int:job_id>")):
        return [ARGUMENTS, ["q"], ["sort"], ["after"], ["before"], ["task"]]
    return [ARGUMENTS, ["next"]]


@pytest.mark.parametrize("rule", pages())
def test_an_address_may_ask_for_anything(
    alice: Visitor, engine: Engine, job: int, rule: str
) -> None:
    before = everything(engine)
    address = rule.replace("<int:job_id>", str(job)).replace("<int:row_id>", "1")
    for bad in BAD_TEXTS:
        asked = {name: bad[:10_000].encode("utf-8", "surrogatepass") for name in ARGUMENTS}
        for names in arguments_of(rule):
            only = {name: asked[name] for name in names}
            answer = alice.client.get(address, query_string=only, buffered=True)
            assert answer.status_code < 500, (names, bad[:50], answer.text[:500])
            assert HOSTILE not in answer.text
    assert everything(engine) == before


def forms() -> list[Door]:
    """The pages' ways to do something, each once."""
    found = {str(each): each for each in DOORS if not each.rule.startswith("/api/")}
    return [each for each in found.values() if each.method == "POST" and each.rule != "/logout"]


@pytest.mark.parametrize("door", forms(), ids=str)
def test_a_form_may_hold_anything(alice: Visitor, engine: Engine, job: int, door: Door) -> None:
    address = door.rule.replace("<int:job_id>", str(job)).replace("<int:row_id>", "99")
    before = everything(engine)
    for bad in BAD_TEXTS:
        form = dict.fromkeys((*ARGUMENTS, "password", "repeat", "current", "file"), bad)
        form |= {"csrf_token": alice.token(), "handler": "swift"}
        body = {key: value.encode("utf-8", "surrogatepass") for key, value in form.items()}
        answer = alice.client.post(address, data=body)
        assert answer.status_code < 500, (bad[:50], answer.text[:500])
        assert HOSTILE not in answer.text
    if "job_id" not in door.rule and door.rule != "/jobs":
        assert everything(engine) == before


WRITING = [each for each in DOORS if each.method != "GET"]


@pytest.mark.parametrize("door", WRITING, ids=str)
def test_without_the_token_of_the_page_nothing_is_done(
    app: Flask, alice: Visitor, engine: Engine, job: int, door: Door
) -> None:
    before = everything(engine)
    other = Visitor(app)
    with other.client.session_transaction() as session:
        session["csrf_token"] = "of another session"
    address = door.rule.replace("<int:job_id>", str(job)).replace("<int:row_id>", "1")
    for token in (None, "", "made up", other.token()):
        headers = {} if token is None else {"X-CSRFToken": token}
        answer = alice.client.open(address, method=door.method, headers=headers, data={})
        assert answer.status_code == 400, (door, token, answer.status_code)
        assert "This page is too old, or the request came from elsewhere." in answer.text
    assert everything(engine) == before


OTHER_ORIGINS = [
    "http://evil.example", "null", "http://localhost.evil.example", "http://[", "localhost", "",
]  # fmt: skip


@pytest.mark.parametrize("door", WRITING, ids=str)
def test_from_a_page_of_another_origin_nothing_is_done_even_with_the_token(
    alice: Visitor, engine: Engine, job: int, door: Door
) -> None:
    before = everything(engine)
    address = door.rule.replace("<int:job_id>", str(job)).replace("<int:row_id>", "1")
    for origin in OTHER_ORIGINS:
        headers = {"Origin": origin, "X-CSRFToken": alice.token()}
        answer = alice.client.open(address, method=door.method, headers=headers, data={})
        assert answer.status_code == 403, (door, origin, answer.status_code)
        assert "A page of another origin may not change anything here." in answer.text
    assert everything(engine) == before


def nested(depth: int) -> Any:
    """Lists within each other."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("bag", [nested(205), nested(300), nested(900), {"\ud800": 1}, ["\ud800"]])
def test_params_that_cannot_be_kept_are_refused_wherever_they_come_in(
    alice: Visitor, engine: Engine, caplog: pytest.LogCaptureFixture, bag: Any
) -> None:
    params = {"handler": "everything", "params": {"text": "xy", "extra": {"a": bag}}}
    answer = alice.client.post("/api/v1/jobs", json=params, headers={"X-CSRFToken": alice.token()})
    assert answer.status_code == 422
    assert '"fields":{"extra":' in answer.text
    form = {"handler": "everything", "extra": json.dumps({"a": bag}), "text": "xy"}
    form |= {"csrf_token": alice.token()}
    assert alice.client.post("/jobs", data=form).status_code == 422
    assert alice.client.post("/jobs/preview", data=form).status_code == 200
    assert not engine.jobs()
    assert "Traceback" not in caplog.text


def test_a_name_that_is_not_known_is_not_said_back_at_length(alice: Visitor) -> None:
    headers = {"X-CSRFToken": alice.token()}
    answer = alice.client.post("/api/v1/jobs", json={"handler": LONG}, headers=headers)
    assert answer.status_code == 422
    assert len(answer.data) < 2_000


def test_a_name_that_is_too_long_is_refused_in_every_way_in(alice: Visitor, engine: Engine) -> None:
    form = {"handler": "swift", "name": "x" * 501, "csrf_token": alice.token()}
    answer = alice.client.post("/jobs", data=form)
    assert answer.status_code == 422
    assert "A name has at most 500 characters." in answer.text
    assert not engine.jobs()
