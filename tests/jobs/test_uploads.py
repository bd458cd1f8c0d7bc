"""Uploads: for their uploader, for one job, for a day; and then a param like any other."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from app.jobs import Engine, FileRow, Handler, JobDetail, Task, UploadedFile
from app.jobs.errors import (
    FileTooLarge,
    InvalidParams,
    JobFileNotFound,
    StoredParamsOutdated,
    TasksNotMade,
    TooManyUploads,
    UploadNotGood,
    UploadTaken,
)
from app.jobs.store import filing
from app.jobs.uploads import uploads_in
from app.users.people import add_user
from app.users.permissions import Role
from tests.eventually import eventually
from tests.jobs.conftest import Engines


class Reading(BaseModel):
    """A file, perhaps a second one, and more of them."""

    file: UploadedFile
    other: UploadedFile | None = None
    more: list[UploadedFile] = []
    named: dict[str, UploadedFile] = {}


def read(task: Task) -> Any:
    """Tell what is in the files."""
    params: Reading = task.job.params
    with params.file.open("r", encoding="utf-8") as text:
        first = text.read()
    return [first, params.file.name, params.file.size, *(each.name for each in params.more)]


def one_per_line(params: Reading) -> Iterator[dict[str, Any]]:
    """One task for each line."""
    with params.file.open() as content:
        for line in content:
            yield {"line": line.decode()}


READING = Handler(name="reading", run=read, params=Reading, concurrency_limit=None)
LINES = Handler(name="lines", run=read, params=Reading, make_tasks=one_per_line)


@pytest.fixture
def engine(engines: Engines) -> Engine:
    """An engine at work."""
    return engines(READING, LINES)


@pytest.fixture
def ann(engine: Engine) -> int:
    """Ann's id."""
    return add_user(engine.database, "ann@example.com", Role.OPERATOR, "correct horse battery").id


@pytest.fixture
def bob(engine: Engine) -> int:
    """Bob's id."""
    return add_user(engine.database, "bob@example.com", Role.OPERATOR, "correct horse battery").id


def uploaded(
    engine: Engine, said: str = "one\ntwo\n", by: int | None = None, name: str = "a.csv"
) -> FileRow:
    part = engine.shelf.begin_upload(name)
    part.write(said.encode())
    return engine.shelf.add_upload(part, name, by)


def ended(engine: Engine, job_id: int) -> JobDetail:
    eventually(lambda: engine.job(job_id).is_final)
    return engine.job(job_id)


def refusal(engine: Engine, given: Any, by: int | None = None) -> str:
    with pytest.raises(InvalidParams) as refused:
        engine.start("reading", {"file": given}, started_by=by)
    assert list(refused.value.fields) == ["file"]
    return " ".join(refused.value.fields["file"])


def test_an_upload_becomes_a_file_of_the_job_that_is_started_with_it(
    engine: Engine, ann: int
) -> None:
    row = uploaded(engine, by=ann)
    job = ended(engine, engine.start("reading", {"file": row.id}, started_by=ann))
    assert job.status == "DONE"
    assert engine.task(job.id, 0).result == ["one\ntwo\n", "a.csv", 8]
    (kept,) = engine.files(job.id)
    assert (kept.id, kept.name, kept.uploaded, kept.role) == (row.id, "a.csv", True, "operator")
    engine.shelf.clean()
    assert engine.file(job.id, "a.csv").size == 8


def test_whoever_looks_at_the_job_reads_the_files_name_among_its_params(engine: Engine) -> None:
    rows = [uploaded(engine, name=name) for name in ("a.csv", "b.csv", "c.csv")]
    given = {"file": rows[0].id, "more": [rows[1].id], "named": {"third": str(rows[2].id)}}
    job = ended(engine, engine.start("reading", given))
    assert job.params == {
        "file": "a.csv", "other": None, "more": ["b.csv"], "named": {"third": "c.csv"},
    }  # fmt: skip
    assert rows[0].token not in json.dumps(job.params)


def test_its_tasks_can_be_made_from_what_is_in_it(engine: Engine) -> None:
    row = uploaded(engine)
    assert engine.preview("lines", {"file": row.id}).count == 2
    checked = LINES.validate_params({"file": row.id}, {"uploads": engine.shelf})
    assert engine.preview("lines", {"file": checked.file}).count == 2
    job_id = engine.start("lines", {"file": row.id})
    assert [task.state["line"] for task in engine.tasks(job_id, limit=9)] == ["one\n", "two\n"]


def test_files_of_one_name_get_names_of_their_own_in_the_job(engine: Engine) -> None:
    ids = [uploaded(engine, name=name).id for name in ("a.csv", "a.csv", "a.csv", "b", "b", ".c")]
    job_id = engine.start("reading", {"file": ids[0], "more": ids})
    names = [row.name for row in engine.files(job_id)]
    assert names == [".c", "a (2).csv", "a (3).csv", "a.csv", "b", "b (2)"]


def test_an_upload_is_for_one_job(engine: Engine, ann: int) -> None:
    row = uploaded(engine, by=ann)
    engine.start("reading", {"file": row.id}, started_by=ann)
    assert "was used for another job" in refusal(engine, row.id, ann)


def test_an_upload_is_for_its_uploader(engine: Engine, ann: int, bob: int) -> None:
    row = uploaded(engine, by=ann)
    for somebody in (bob, None):
        assert "no such upload of yours" in refusal(engine, row.id, somebody)
    assert engine.start("reading", {"file": row.id}, started_by=ann)


def test_an_upload_is_for_a_day(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engines(READING, runs=False)  # one at work may clean by itself before it is looked at
    ann = add_user(engine.database, "ann@example.com", Role.OPERATOR, "correct horse battery").id
    monkeypatch.setattr(filing, "UPLOAD_LIFETIME", -filing.UPLOAD_LIFETIME)
    row = uploaded_expired(engine, ann)
    assert "more than a day old" in refusal(engine, row, ann)
    engine.shelf.clean()
    assert "no such upload" in refusal(engine, row, ann)


def uploaded_expired(engine: Engine, by: int) -> int:
    with pytest.raises(UploadNotGood):
        uploaded(engine, by=by)
    with engine.database.reading() as connection:
        return int(connection.exec_driver_sql("SELECT id FROM file").scalar_one())


@pytest.mark.parametrize(
    "given",
    [0, -1, 999, 2**63, 2**80, "", "x", "-1", "1" * 30, "٣", 1.5, True, None, [], {},
     {"$file": {"id": 1, "name": "a", "size": 1, "token": "../../etc/passwd"}}],
)  # fmt: skip
def test_nothing_else_is_taken_for_a_file(engine: Engine, given: Any) -> None:
    assert refusal(engine, given)


def test_two_jobs_at_once_cannot_both_have_an_upload(engine: Engine) -> None:
    row = uploaded(engine)
    checked = READING.validate_params(
        {"file": row.id}, {"started_by": None, "uploads": engine.shelf}
    )
    engine.start_new_job("First", None, [{}], "reading", params=checked)
    with pytest.raises(UploadTaken, match="used for another job just now"):
        engine.start_new_job("Second", None, [{}], "reading", params=checked)
    assert [job.name for job in engine.jobs()] == ["First"]


def test_a_large_job_gets_its_upload_with_its_last_tasks_or_is_not_there(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.store.creating.CHUNK", 2)
    row = uploaded(engine, "".join(f"{number}\n" for number in range(7)))
    checked = LINES.validate_params({"file": row.id}, {"started_by": None, "uploads": engine.shelf})
    job_id = engine.start("lines", {"file": row.id})
    assert [file.id for file in engine.files(job_id)] == [row.id]
    states: list[dict[str, Any]] = [{"state": {}} for _ in range(7)]
    with pytest.raises(UploadTaken):
        engine.start_new_job("Second", None, states, "lines", params=checked)
    with engine.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM job").scalar() == 1
        assert connection.exec_driver_sql("SELECT count(*) FROM task").scalar() == 7


def test_an_upload_can_be_used_again_when_the_job_could_not_be_started(engine: Engine) -> None:
    def fails(params: Reading) -> Iterator[dict[str, Any]]:
        yield {}
        raise ValueError("no more")

    engine.registry.add(Handler(name="fails", run=read, params=Reading, make_tasks=fails))
    row = uploaded(engine)
    with pytest.raises(TasksNotMade):
        engine.start("fails", {"file": row.id})
    assert engine.start("reading", {"file": row.id})


def test_the_file_of_a_narrowed_handler_asks_for_the_role_that_may_start_it(
    engine: Engine,
) -> None:
    roles = {"start": "superadmin"}
    engine.registry.add(Handler(name="few", run=read, params=Reading, roles=roles))
    job_id = engine.start("few", {"file": uploaded(engine).id})
    assert [row.role for row in engine.files(job_id)] == ["superadmin"]


def test_somebody_may_have_only_so_many_uploads_waiting(
    engine: Engine, ann: int, bob: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filing, "MOST_UPLOADS", 2)
    first = uploaded(engine, by=ann)
    uploaded(engine, by=ann)
    with pytest.raises(TooManyUploads, match="You have 2 uploads that no job has used"):
        uploaded(engine, by=ann)
    uploaded(engine, by=bob)
    engine.start("reading", {"file": first.id}, started_by=ann)
    uploaded(engine, by=ann)
    parts = engine.settings.data_dir / "files" / "parts"
    assert list(parts.iterdir()) == []


def test_an_upload_is_no_larger_than_the_settings_allow(engines: Engines) -> None:
    part = engines(runs=False, max_upload_mb=1).shelf.begin_upload("large.bin")
    part.write(b"\0" * 2**20)
    with pytest.raises(FileTooLarge, match=r"'large.bin' is larger than 1 MB.*MAX_UPLOAD_MB"):
        part.write(b"\0")
    part.close()
    assert not part.place.exists()


def test_a_job_can_be_run_again_with_a_copy_of_its_file(engine: Engine, ann: int, bob: int) -> None:
    row = uploaded(engine, by=ann)
    job_id = engine.start("reading", {"file": row.id}, started_by=ann)
    again = engine.copy_file(job_id, "a.csv", bob)
    assert again != row.id
    ended(engine, job_id)
    engine.delete_job(job_id)
    job = ended(engine, engine.start("reading", {"file": again}, started_by=bob))
    assert engine.task(job.id, 0).result == ["one\ntwo\n", "a.csv", 8]
    with pytest.raises(JobFileNotFound):
        engine.copy_file(job.id, "b.csv", bob)


def test_a_task_cannot_write_to_an_upload_or_in_place_of_it(engine: Engine) -> None:
    def writes(task: Task) -> None:
        try:
            task.job.params.file.open("w")
        except ValueError as error:
            task.set_state_field("said", str(error))
        with task.job.new_file("a.csv") as out:
            out.write("mine")

    engine.registry.add(Handler(name="writes", run=writes, params=Reading))
    other = Engine(engine.database, engine.settings, engine.registry)
    other.run()
    job_id = other.start("writes", {"file": uploaded(other).id})
    ended(other, job_id)
    task = other.task(job_id, 0)
    assert task.state["said"] == "An upload is opened with mode 'rb' or 'r', not 'w'."
    assert "has an upload named 'a.csv'" in str(task.error)
    assert other.file(job_id, "a.csv").size == 8
    other.stop()


def test_what_is_stored_with_a_job_is_read_by_the_core_alone(engine: Engine) -> None:
    stored = {"$file": {"id": 1, "name": "a", "size": 1, "token": "0" * 32}}
    for value in (stored, {"$file": 1}, 1, {"$given": 0}):
        with pytest.raises(InvalidParams, match=r"Files can be given|Choose a file"):
            READING.validate_params({"file": value})
    text = json.dumps({"file": stored})
    read_here = engine.shelf.reading(lambda: READING.load_params(text))
    assert read_here().file.path == engine.settings.data_dir / "files" / ("0" * 32)
    bad = text.replace("0" * 32, "../../secret")
    with pytest.raises(StoredParamsOutdated, match="not an uploaded file"):
        engine.shelf.reading(lambda: READING.load_params(bad))()
    with pytest.raises(StoredParamsOutdated, match="not an uploaded file"):
        READING.load_params(text)  # without the folder that they lie in


def test_a_handler_without_a_model_may_keep_whatever_looks_like_a_file(engines: Engines) -> None:
    engine = engines(Handler(name="plain", run=lambda task: None), runs=False)
    job_id = engine.start("plain", {"a": {"$file": {"name": "x"}}, "b": [{"$file": 1}]})
    assert engine.job(job_id).params == {"a": {"$file": {"name": "x"}}, "b": [{"$file": 1}]}
    assert engine.files(job_id) == []
    assert uploads_in({"a": 1}) == []


def test_an_upload_counts_its_uses_exactly_also_when_many_try_at_once(engine: Engine) -> None:
    row = uploaded(engine)
    started: list[int] = []

    def start() -> None:
        with contextlib.suppress(InvalidParams, UploadTaken):
            started.append(engine.start("reading", {"file": row.id}))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 1
    assert [file.id for file in engine.files(started[0])] == [row.id]
