"""Handlers that cannot be loaded: the panel is there, and says so to whom it concerns."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.config import Settings
from app.jobs import Engine, task_handler
from tests.command import Run
from tests.visitor import Visitor
from tests.web.jobs.page import opened, words

HEAD = "from app.jobs import task_handler\n\n\n@task_handler\n"
SHRED = f"{HEAD}def shred(task): ...\n\n\nraise RuntimeError('the <secret>')\n"


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of handlers: one works, one is broken, one module declares none."""
    folder = tmp_path / "modules" / "theirs"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "sow.py").write_text(f"{HEAD}def sow(task): ...\n")
    (folder / "shred.py").write_text(SHRED)
    (folder / "helps.py").write_text("import nowhere")
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.setenv("JOBDECK_HANDLERS", "theirs")
    yield folder
    for name in [each for each in sys.modules if each.split(".")[0] == "theirs"]:
        del sys.modules[name]


@pytest.fixture
def app(theirs: Path, make_app: Callable[[Settings], Flask], settings: Settings) -> Flask:
    return make_app(dataclasses.replace(settings, handlers=("theirs",)))


@pytest.fixture
def engine(app: Flask) -> Engine:
    found: Engine = app.extensions["jobdeck"]
    return found


@pytest.fixture
def job_id(engine: Engine) -> int:
    """A job that was started when its handler was not broken yet."""

    @task_handler
    def shred(_: object) -> None: ...

    failures = engine.registry.failures[:]
    engine.registry.add(shred)
    job_id = engine.start("shred")
    engine.registry._handlers.pop("shred")
    assert engine.registry.failures == failures
    return job_id


def test_superadmins_read_what_is_broken_and_why(alice: Visitor) -> None:
    page = opened(alice, "/handlers")
    helps, shred = map(words, page.hook("broken-handler"))
    assert "theirs.helps" in helps
    assert "No module named 'nowhere'" in helps
    assert "'theirs.shred' cannot be loaded: RuntimeError: the <secret>. Mend it" in shred
    assert "Traceback (most recent call last)" in shred
    assert "line 8, in <module>" in shred


def test_others_read_only_that_a_handler_they_know_is_broken(
    vera: Visitor, oscar: Visitor, job_id: int
) -> None:
    for visitor in (vera, oscar):
        said = opened(visitor, "/handlers")
        (line,) = said.hook("broken-handler")
        assert "Shred" in words(line)
        assert "secret" not in visitor.get("/handlers").text
        assert "Broken" in words(said.one("tr", id="handler-row-shred"))


def test_a_handler_that_was_never_seen_is_told_to_superadmins_only(vera: Visitor) -> None:
    assert not opened(vera, "/handlers").hook("broken-handler")


def test_a_job_of_a_broken_handler_waits_and_says_so(oscar: Visitor, job_id: int) -> None:
    notices = opened(oscar, f"/jobs/{job_id}").one("div", id=f"job-{job_id}-notices")
    assert "The handler shred is broken: its code cannot be loaded" in words(notices)
    assert "Its handler is broken" in oscar.get("/jobs").text
    assert "its handler is broken" in oscar.get(f"/jobs/{job_id}").text


def test_programs_are_told(oscar: Visitor, job_id: int, jobdeck: Run) -> None:
    told = oscar.get("/api/v1/handlers").get_json()["handlers"]
    assert {each["name"] for each in told if each["broken"]} == {"shred"}
    lines = jobdeck("handlers", "list").out.splitlines()
    assert [line.split()[0] for line in lines if "broken" in line] == ["shred"]


def test_nobody_starts_a_job_of_it_and_other_handlers_work(alice: Visitor, engine: Engine) -> None:
    refused = alice.send("POST", "/api/v1/jobs", {"handler": "shred"})
    assert (refused.status_code, refused.json["error"]["code"]) == (422, "broken_handler")  # type: ignore[index]
    assert "broken" in alice.get("/jobs/new?handler=shred").text
    assert alice.send("POST", "/api/v1/jobs", {"handler": "sow"}).status_code == 201
    assert "sow" in engine.registry


def test_its_jobs_go_on_once_it_is_mended(
    job_id: int, theirs: Path, engine: Engine, settings: Settings
) -> None:
    (theirs / "shred.py").write_text(SHRED.partition("raise")[0])
    mended = Engine(engine.database, dataclasses.replace(settings, handlers=("theirs",)))
    assert "shred" in mended.registry
    assert "shred" not in mended.registry.broken


def test_check_prints_each_problem_and_fails(theirs: Path, jobdeck: Run) -> None:
    (theirs / "components").mkdir()
    (theirs / "components/sow.html").write_text("{% if %}")
    head = HEAD.replace(
        "handler\n\n\n@task_handler", "handler\n@task_handler(component='lawn.html')"
    )
    (theirs / "mow.py").write_text(f"print('noise')\n{head}def mow(task): ...\n")
    ended = jobdeck("check")
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert len(lines) == 4
    assert "'theirs.helps' cannot be loaded: ModuleNotFoundError" in lines[0]
    assert "'theirs.shred' cannot be loaded: RuntimeError: the <secret>" in lines[1]
    assert "'mow' names a component 'lawn.html', which is in no folder" in lines[2]
    assert "The component 'sow.html' is broken in line 1: Expected an expression" in lines[3]
    told = json.loads(jobdeck("check", "--json").out)
    assert told["ok"] is False
    assert [each["message"] for each in told["problems"]] == lines
    assert "line 8" in told["problems"][1]["traceback"]


def test_check_is_content_when_all_is_well(
    jobdeck: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBDECK_HANDLERS", "tests.outside")
    monkeypatch.setenv("JOBDECK_DATA_DIR", str(settings.data_dir / "untouched"))
    ended = jobdeck("check")
    assert ended.code == 0
    assert ended.out.startswith("All is well: ")
    assert json.loads(jobdeck("check", "--json").out) == {"ok": True, "problems": []}
    assert not (settings.data_dir / "untouched").exists()


def test_check_names_a_setting_that_will_not_do(
    jobdeck: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBDECK_THREADS", "none")
    ended = jobdeck("check")
    assert (ended.code, ended.out[:23]) == (1, "JOBDECK_THREADS is 'non")
