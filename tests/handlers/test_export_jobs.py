"""Jobs in a file: those that match, those that its starter may see, and nothing that runs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from app.admin import form_for
from app.config import Settings
from app.db import Database
from app.handlers import export_jobs as module
from app.handlers.export_jobs import Params, export_jobs
from app.jobs import Engine, Handler, JobDetail, Registry, Task
from tests.handlers.uploading import ended, refusal


@dataclass(frozen=True)
class Somebody:
    """A person, as far as a handler can tell."""

    role: str
    id: int | None = None


class Secretive(BaseModel):
    """Something that nobody reads."""

    key: SecretStr


def nothing(task: Task) -> None:
    """Do nothing."""
    if task.state.get("fails"):
        raise ValueError("it failed")


@pytest.fixture
def engine(settings: Settings, database: Database) -> Iterator[Engine]:
    """An engine that runs, with some kinds of jobs to export."""
    kinds = [
        export_jobs,
        Handler(name="plain", run=nothing, concurrency_limit=None),
        Handler(name="hidden", run=nothing, roles={"view": "superadmin"}),
        Handler(name="internal", run=nothing, roles={"view": "operator"}),
        Handler(name="secretive", run=nothing, params=Secretive),
    ]
    engine = Engine(database, settings, Registry(kinds))
    engine.run()
    yield engine
    engine.stop()


def exported(engine: Engine, role: str = "superadmin", **params: Any) -> JobDetail:
    who: Any = Somebody(role)
    return ended(engine, engine.start("export_jobs", params, started_by=who))


def content(engine: Engine, job: JobDetail) -> str:
    path = engine.file(job.id, job.state["file"]).path
    assert isinstance(path, Path)
    return path.read_bytes().decode()


def lines(engine: Engine, job: JobDetail) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content(engine, job).splitlines()]


def table(engine: Engine, job: JobDetail) -> list[dict[str, str]]:
    return list(csv.DictReader(content(engine, job).splitlines()))


def test_json_lines_tell_each_job_as_the_api_does(engine: Engine) -> None:
    first = ended(engine, engine.start("secretive", {"key": "hunter2"}))
    second = ended(
        engine, engine.start("plain", {"a": [1]}, name="Zoë", tasks=[{"state": {"fails": 1}}])
    )
    job = exported(engine, format="jsonl")
    told = lines(engine, job)
    assert [each["id"] for each in told] == [second.id, first.id]
    assert told[0]["name"] == "Zoë"
    assert told[0]["status"] == "DONE_WITH_ERRORS"
    assert told[0]["params"] == {"a": [1]}
    assert told[0]["counts"]["failed"] == 1
    assert told[0]["created_at"].endswith("Z")
    assert "hunter2" not in content(engine, job)
    assert job.state == {
        "rows": 2, "percent": 100, "file": f"jobs-{job.id}.jsonl",
        "bytes": len(content(engine, job).encode()),
    }  # fmt: skip


def test_a_table_has_a_row_for_each_job(engine: Engine) -> None:
    made = [
        ended(engine, engine.start("plain", name=f'"{number}", and\nmore')) for number in range(3)
    ]
    job = exported(engine)
    assert job.state["file"] == f"jobs-{job.id}.csv"
    path = engine.file(job.id, job.state["file"]).path
    with open(str(path), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [each.name for each in reversed(made)]
    assert rows[0]["done"] == "1"
    assert rows[0]["params"] == "{}"
    assert (rows[0]["started_by"], rows[0]["error"]) == ("", "")
    assert list(rows[0])[:5] == ["id", "name", "handler", "status", "progress"]


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "=HYPERLINK(\"http://x\")", "＝1"]  # noqa: RUF001
)  # fmt: skip
def test_no_cell_is_a_formula(engine: Engine, name: str) -> None:
    ended(engine, engine.start("plain", name=name))
    (row,) = table(engine, exported(engine))
    assert row["name"] == "'" + name


def test_jobs_are_filtered(engine: Engine) -> None:
    fails = [{"state": {"fails": True}}]
    bad = ended(engine, engine.start("plain", tasks=fails))
    good = ended(engine, engine.start("plain"))
    other = ended(engine, engine.start("hidden"))

    def ids(**params: Any) -> set[int]:
        job = exported(engine, format="jsonl", **params)
        return {each["id"] for each in lines(engine, job) if each["handler"] != "export_jobs"}

    assert ids() == {bad.id, good.id, other.id}
    assert ids(status="DONE_WITH_ERRORS") == {bad.id}
    assert ids(handler="plain", status="DONE") == {good.id}
    assert ids(handler="nothing") == set()
    today, day = datetime.now(UTC).date(), timedelta(days=1)
    assert ids(created_from=str(today), created_to=str(today), handler="plain") == {bad.id, good.id}
    assert ids(created_from=str(today + day)) == set()
    assert ids(created_to=str(today - day)) == set()
    assert ids(created_from=good.created_at.isoformat(), handler="plain") == {good.id}
    assert ids(created_to=bad.created_at.isoformat(), handler="plain") == {bad.id}


def test_all_pages_are_written_and_nothing_that_came_later(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 3)
    monkeypatch.setattr(module, "TELL_SECONDS", 0.0)
    made = [engine.start("plain") for _ in range(10)]
    job = exported(engine, format="jsonl")
    assert [each["id"] for each in lines(engine, job)] == made[::-1]
    assert (job.state["rows"], job.state["percent"]) == (10, 100)


def test_nobody_exports_what_they_may_not_see(engine: Engine) -> None:
    for kind in ("plain", "hidden", "internal"):
        ended(engine, engine.start(kind))
    told = lines(engine, exported(engine, "operator", format="jsonl"))
    assert {each["handler"] for each in told} == {"plain", "internal"}
    injected = exported(engine, "operator", format="jsonl", seen_by="superadmin", handler="hidden")
    assert lines(engine, injected) == []
    assert injected.params["seen_by"] == "operator"
    everything = {each["handler"] for each in lines(engine, exported(engine, format="jsonl"))}
    assert everything == {"plain", "hidden", "internal", "export_jobs"}


@pytest.mark.parametrize(
    ("kinds", "role"),
    [
        (["plain"], "viewer"),
        (["plain", "internal"], "operator"),
        (["hidden", "internal"], "superadmin"),
        ([], "viewer"),
    ],
)
def test_the_file_asks_for_the_strictest_role_among_what_is_in_it(
    engine: Engine, kinds: list[str], role: str
) -> None:
    for kind in kinds:
        ended(engine, engine.start(kind))
    job = exported(engine)
    assert engine.file(job.id, job.state["file"]).role == role


def test_what_does_not_fit_is_refused(engine: Engine) -> None:
    assert set(refusal(engine, "export_jobs", {"format": "xls", "status": "GONE"})) == {
        "format", "status",
    }  # fmt: skip
    swapped = {"created_from": "2026-02-01", "created_to": "2026-01-01"}
    said = "The first day comes after the last one."
    assert refusal(engine, "export_jobs", swapped) == {"": said}
    assert set(refusal(engine, "export_jobs", {"created_to": "soon"})) == {"created_to"}


def test_its_form_asks_for_days_and_for_nothing_that_the_server_says() -> None:
    widgets = {each.name: each.widget for each in form_for(Params).fields}
    assert widgets == {
        "format": "select", "status": "select", "handler": "text",
        "created_from": "date", "created_to": "date",
    }  # fmt: skip


def test_run_again_shows_the_days_that_were_asked_for(engine: Engine) -> None:
    job = exported(engine, created_from="2026-01-01", created_to="2026-01-31")
    form = form_for(Params)
    form.fill({name: [str(job.params[name])] for name in ("created_from", "created_to")})
    shown = {each.name: each.value for each in form.fields}
    assert (shown["created_from"], shown["created_to"]) == ("2026-01-01", "2026-01-31")
