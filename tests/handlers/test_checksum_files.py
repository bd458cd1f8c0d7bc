"""Every file once, summed once, and nothing read that the person may not read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.admin import form_for
from app.config import Settings
from app.db import Database
from app.handlers.checksum_files import Params, checksum_files
from app.jobs import Engine, JobDetail, Registry
from app.jobs.errors import InvalidParams
from tests.eventually import eventually


@dataclass(frozen=True)
class Operator:
    """An operator, as far as a handler can tell."""

    id: int | None = None
    role: str = "operator"


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that is open to operators, with three files in it."""
    folder = tmp_path / "open"
    (folder / "below").mkdir(parents=True)
    (folder / "a.txt").write_text("a" * 10)
    (folder / "b.txt").write_text("b" * 2_000)
    (folder / "below" / "ü.txt").write_text("c")
    return folder


@pytest.fixture
def engine(settings: Settings, database: Database, open_folder: Path) -> Iterator[Engine]:
    """An engine that runs, with the folder among its JOBDECK_FILE_ROOTS."""
    rooted = Settings(data_dir=settings.data_dir, file_roots=(open_folder.resolve(),))
    engine = Engine(database, rooted, Registry([checksum_files]))
    engine.run()
    yield engine
    engine.stop()


def ended(engine: Engine, job_id: int) -> JobDetail:
    eventually(lambda: engine.job(job_id).is_final, within=20)
    return engine.job(job_id)


def test_every_file_is_read_and_counted(engine: Engine, open_folder: Path) -> None:
    job_id = engine.start("checksum_files", {"folder": str(open_folder)})
    job = ended(engine, job_id)
    assert (job.status, job.state["files"], job.state["bytes"]) == ("DONE", 3, 2_011)
    assert job.params == {"folder": str(open_folder)}
    assert [Path(each["path"]).name for each in job.state["largest"]] == ["b.txt", "a.txt", "ü.txt"]
    for task in engine.tasks(job_id, limit=9):
        content = Path(task.state["path"]).read_bytes()
        assert task.state["sha256"] == hashlib.sha256(content).hexdigest()


def test_an_operator_reads_what_is_open_to_operators(engine: Engine, open_folder: Path) -> None:
    who: Any = Operator()
    job_id = engine.start("checksum_files", {"folder": str(open_folder)}, started_by=who)
    assert ended(engine, job_id).status == "DONE"


@pytest.mark.parametrize("folder", ["/etc", "{open}/..", "/nowhere", "{open}/link"])
def test_an_operator_reads_nothing_else(engine: Engine, open_folder: Path, folder: str) -> None:
    (open_folder / "link").symlink_to("/etc")
    named, who = folder.format(open=open_folder), Operator()
    with pytest.raises(InvalidParams, match="not open to you") as refused:
        engine.preview("checksum_files", {"folder": named, "within": ["/"]}, started_by=who)  # type: ignore[arg-type]
    assert list(refused.value.fields) == ["folder"]


@pytest.mark.parametrize("path", ["{open}/link/hostname", "/etc/hostname", "{open}/../secret"])
def test_an_operators_task_leads_nowhere_else(engine: Engine, open_folder: Path, path: str) -> None:
    (open_folder / "link").symlink_to("/etc")
    (open_folder.parent / "secret").write_text("secret")
    tasks, who = [{"state": {"path": path.format(open=open_folder)}}], Operator()
    params = {"folder": str(open_folder), "within": ["/"]}
    job_id = engine.start("checksum_files", params, started_by=who, tasks=tasks)  # type: ignore[arg-type]
    ended(engine, job_id)
    task = engine.task(job_id, 0)
    assert (task.status, "sha256" in task.state) == ("FAILED", False)
    assert str(task.error).startswith("OutsideOfTheFolder: ")


def test_a_superadmins_links_are_followed(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("four")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "link").symlink_to(tmp_path / "elsewhere")
    job_id = engine.start("checksum_files", {"folder": str(tmp_path / "mine")})
    assert ended(engine, job_id).state["bytes"] == 4


def test_only_the_folder_is_asked_for() -> None:
    assert [field.name for field in form_for(Params).fields] == ["folder"]


def test_what_cannot_be_read_fails_and_the_rest_goes_on(engine: Engine, open_folder: Path) -> None:
    os.mkfifo(open_folder / "pipe")
    (open_folder / "lost").symlink_to(open_folder / "moved-away")
    job = ended(engine, engine.start("checksum_files", {"folder": str(open_folder)}))
    assert (job.status, job.done, job.failed, job.state["files"]) == ("DONE_WITH_ERRORS", 3, 2, 3)
    said = sorted(str(task.error) for task in engine.tasks(job.id, limit=9, status="FAILED"))
    assert said[0].startswith("FileNotFoundError: ")
    assert said[1].endswith("pipe is neither a file nor a link to one")
