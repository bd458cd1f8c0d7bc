"""`jobdeck handlers`: list, pause, resume, limits; and `jobdeck jobs limit` (B11)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from app.config import Settings
from app.db import Database, iso, now
from app.jobs import EVERYTHING, Engine
from app.users.people import add_user
from app.users.permissions import Role
from tests.command import Run


@pytest.fixture
def engine(database: Database, settings: Settings) -> Engine:
    """An engine at rest, beside the command line."""
    return Engine(database, settings)


def test_handlers_are_listed(jobdeck: Run, engine: Engine) -> None:
    engine.pause("checksum_files", "The disk is full")
    engine.set_limits("export_jobs", {"parallel_limit": 9, "concurrency_limit": None})
    lines = jobdeck("handlers", "list").out.splitlines()
    by_name = {line.split()[0]: line for line in lines}
    assert "0 running, 0 queued, no worker" in by_name["checksum_files"]
    assert by_name["checksum_files"].endswith("paused until it is resumed: The disk is full")
    assert "jobs no limit (set), tasks 9 (set)" in by_name["export_jobs"]


def test_handlers_are_listed_for_programs(jobdeck: Run, engine: Engine) -> None:
    told = json.loads(jobdeck("handlers", "list", "--json").out)
    assert {each["name"] for each in told} >= {"checksum_files", "example_job_handler"}
    assert told[0]["pause"] is None


@pytest.mark.parametrize(
    ("until", "length"),
    [("90s", timedelta(seconds=90)), ("30m", timedelta(minutes=30)), ("1d", timedelta(days=1))],
)
def test_a_handler_is_paused_for_a_while_and_resumed(
    jobdeck: Run, engine: Engine, until: str, length: timedelta
) -> None:
    begun = now()
    ended = jobdeck("handlers", "pause", "checksum_files", "--reason", "x", "--until", until)
    assert ended.code == 0
    assert ended.out.startswith("Paused checksum_files.\nchecksum_files ")
    (pause,) = engine.pauses()
    assert pause.until
    assert begun <= pause.until - length <= now()
    assert iso(pause.until) in ended.out
    ended = jobdeck("handlers", "resume", "checksum_files", "--json")
    assert json.loads(ended.out)["pause"] is None
    assert engine.pauses() == []


def test_everything_is_paused_until_a_moment_and_resumed(jobdeck: Run, engine: Engine) -> None:
    until = iso(now() + timedelta(days=400))
    ended = jobdeck("handlers", "pause", "*", "--reason", "Maintenance", "--until", until)
    assert (ended.code, ended.out) == (0, "Paused everything.\n")
    listed = jobdeck("handlers", "list").out
    assert listed.startswith(f"Everything is paused until {until}: Maintenance\n")
    assert engine.pauses()[0].handler == EVERYTHING
    told = json.loads(jobdeck("handlers", "resume", "*", "--json").out)
    assert len(told) == len(engine.handlers())


def test_it_is_told_who_paused_in_the_panel(jobdeck: Run, engine: Engine) -> None:
    ann = add_user(engine.database, "ann@example.com", Role.SUPERADMIN, "a long password")
    engine.pause("checksum_files", "x", by=ann)
    assert "paused until it is resumed by ann@example.com: x" in jobdeck("handlers", "list").out


def test_a_pause_takes_a_reason_and_an_end_that_is_one(jobdeck: Run, engine: Engine) -> None:
    assert jobdeck("handlers", "pause", "checksum_files").code == 2
    ended = jobdeck("handlers", "pause", "checksum_files", "--reason", " ")
    assert (ended.code, engine.pauses()) == (1, [])
    assert "Write why" in ended.err
    for until in ("soon", "2026-11-30T09:00:00", "5 minutes"):
        asked = ("handlers", "pause", "checksum_files", "--reason", "x", "--until", until)
        ended = jobdeck(*asked)
        assert ended.code == 2
        assert "Write how long, as in 30m" in " ".join(ended.err.split())


def test_limits_are_set_and_taken_back(jobdeck: Run, engine: Engine) -> None:
    ended = jobdeck("handlers", "limits", "checksum_files", "--jobs", "4", "--tasks", "none")
    assert ended.out.startswith("The limits of checksum_files are set.\n")
    row = engine.handler("checksum_files")
    assert (row.concurrency_limit.now, row.parallel_limit.now) == (4, None)
    ended = jobdeck("handlers", "limits", "checksum_files", "--tasks", "declared", "--json")
    told = json.loads(ended.out)
    assert (told["concurrency_limit"], told["parallel_limit"]) == (4, 8)


def test_a_limit_is_a_number_or_a_word(jobdeck: Run, engine: Engine) -> None:
    assert jobdeck("handlers", "limits", "checksum_files").code == 2
    assert jobdeck("handlers", "limits", "checksum_files", "--jobs", "many").code == 2
    assert jobdeck("handlers", "limits", "checksum_files", "--jobs", "0").code == 1
    ended = jobdeck("handlers", "limits", "raking", "--jobs", "3")
    assert ended.code == 1
    assert "no handler named 'raking'" in ended.err


def test_a_job_gets_its_own_limit(jobdeck: Run, engine: Engine) -> None:
    job_id = str(engine.start("example_job_handler"))
    ended = jobdeck("jobs", "limit", job_id, "5")
    assert (ended.code, ended.out) == (0, f"Tasks of job {job_id} at once: 5.\n")
    assert "at once: no limit." in jobdeck("jobs", "limit", job_id, "none").out
    told = json.loads(jobdeck("jobs", "limit", job_id, "declared", "--json").out)
    assert told["parallel_limit"] == 1
