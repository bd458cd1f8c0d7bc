"""Pausing handlers and changing limits by the API (B11)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.db import iso, now
from app.jobs import EVERYTHING, Engine
from tests.visitor import Visitor
from tests.web.jobs.api import fields_of, refused

HANDLER = {
    "name", "parallel_limit", "concurrency_limit", "declared", "limits_set_at", "limits_set_by",
    "running", "queued", "workers", "broken", "pause",
}  # fmt: skip


def test_handlers_are_listed(vera: Visitor, engine: Engine) -> None:
    engine.start_new_job("Gated", None, [{}], "gated", params={"gate": "/none"})
    found = vera.get("/api/v1/handlers").get_json()
    assert found["paused"] is None
    by_name = {each["name"]: each for each in found["handlers"]}
    assert "swift" in by_name
    assert "secretive" not in by_name
    gated = by_name["gated"]
    assert set(gated) == HANDLER
    assert (gated["parallel_limit"], gated["concurrency_limit"], gated["queued"]) == (10, None, 1)
    assert gated["declared"] == {"parallel_limit": 10, "concurrency_limit": None}
    assert gated["pause"] is None


def test_a_handler_is_paused_and_resumed(alice: Visitor, engine: Engine) -> None:
    until = iso(now() + timedelta(hours=1))
    asked = {"reason": "The disk is full", "until": until}
    told = alice.send("POST", "/api/v1/handlers/swift/pause", asked).get_json()
    pause = told["pause"]
    assert (told["name"], pause["reason"], pause["until"]) == ("swift", "The disk is full", until)
    assert pause["paused_by"]["email"] == alice.email
    assert pause["paused_at"].endswith("Z")
    for _ in range(2):  # asking again is fine
        told = alice.send("POST", "/api/v1/handlers/swift/resume").get_json()
        assert told["pause"] is None


def test_everything_is_paused_by_its_own_name(alice: Visitor, engine: Engine) -> None:
    told = alice.send("POST", "/api/v1/handlers/*/pause", {"reason": "Maintenance"}).get_json()
    assert told["name"] == EVERYTHING
    assert told["pause"]["until"] is None
    assert alice.get("/api/v1/handlers").get_json()["paused"]["reason"] == "Maintenance"
    told = alice.send("POST", "/api/v1/handlers/*/resume", {}).get_json()
    assert told == {"name": EVERYTHING, "pause": None}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "reason"),
        ({"reason": ""}, "reason"),
        ({"reason": 7}, "reason"),
        ({"reason": "x", "until": "soon"}, "until"),
        ({"reason": "x", "until": 7}, "until"),
        ({"reason": "x", "until": "2026-11-30T09:00:00"}, "until"),
        ({"reason": "x", "until": "2001-01-01T00:00:00Z"}, "until"),
        ({"reason": "x", "for": "1h"}, "for"),
    ],
)
def test_what_does_not_fit_is_told_by_field(
    alice: Visitor, engine: Engine, asked: dict[str, Any], field: str
) -> None:
    assert fields_of(alice.send("POST", "/api/v1/handlers/swift/pause", asked)) == {field}
    assert engine.pauses() == []


def test_limits_are_set_and_taken_back(alice: Visitor, engine: Engine) -> None:
    def set_to(**limits: object) -> tuple[object, object]:
        told = alice.send("PATCH", "/api/v1/handlers/gated", limits).get_json()
        return told["parallel_limit"], told["concurrency_limit"]

    assert set_to(parallel_limit=2, concurrency_limit=1) == (2, 1)
    assert set_to(parallel_limit=None) == (None, 1)
    assert set_to() == (None, 1)
    assert set_to(parallel_limit="declared", concurrency_limit="declared") == (10, None)
    row = engine.handler("gated")
    assert row.limits_set_by
    assert row.limits_set_by.email == alice.email


@pytest.mark.parametrize("limit", [0, -1, "many", 2.5, True, 10**9, [3]])
def test_a_limit_is_a_whole_number_or_none(alice: Visitor, engine: Engine, limit: object) -> None:
    job_id = engine.start("swift")
    for path in ("/api/v1/handlers/swift", f"/api/v1/jobs/{job_id}"):
        answer = alice.send("PATCH", path, {"parallel_limit": limit})
        assert fields_of(answer) == {"parallel_limit"}


def test_a_job_gets_its_own_limit(alice: Visitor, engine: Engine) -> None:
    job_id = engine.start_new_job("Gated", None, [{}], "gated", params={"gate": "/none"})
    for limit, shown in ((3, 3), (None, None), ("declared", 10)):
        told = alice.send("PATCH", f"/api/v1/jobs/{job_id}", {"parallel_limit": limit}).get_json()
        assert told["parallel_limit"] == shown
    assert engine.job(job_id).name == "Gated"


def test_there_must_be_such_a_handler(alice: Visitor) -> None:
    for method, path, asked in (
        ("POST", "/pause", {"reason": "x"}),
        ("POST", "/resume", {}),
        ("PATCH", "", {"parallel_limit": 3}),
    ):
        answer = alice.send(method, f"/api/v1/handlers/raking{path}", asked)
        assert "raking" in refused(answer, 422, "unknown_handler")["message"]
