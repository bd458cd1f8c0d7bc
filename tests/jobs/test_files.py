"""Files that handlers make: whole or not at all, bounded, fenced, and gone with their job."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from app.jobs import Engine, Handler, JobsError, Task, TaskLost
from app.jobs.errors import JobFileNotFound
from app.jobs.files import clean_name
from app.jobs.store import filing
from tests.eventually import eventually
from tests.jobs.conftest import Engines


def makes(name: str = "made.txt", said: str = "made", **how: Any) -> Handler:
    """A handler that makes one file."""

    def run(task: Task) -> None:
        with task.job.new_file(task.state.get("name", name), **how) as out:
            out.write(task.state.get("said", said))

    return Handler(name="makes", run=run, concurrency_limit=None)


def ended(engine: Engine, job_id: int) -> str:
    eventually(lambda: engine.job(job_id).is_final)
    return engine.job(job_id).status


def on_disk(engine: Engine) -> list[Path]:
    """Every file below DATA_DIR/files."""
    return [each for each in (engine.settings.data_dir / "files").rglob("*") if each.is_file()]


def test_a_made_file_can_be_read_when_its_block_has_ended(engines: Engines) -> None:
    engine = engines(makes(role="operator", said="grün\n"))
    job_id = engine.start("makes")
    assert ended(engine, job_id) == "DONE"
    (row,) = engine.files(job_id)
    assert (row.name, row.size, row.role, row.uploaded) == ("made.txt", 6, "operator", False)
    path = engine.file(job_id, "made.txt").path
    assert path
    assert path.read_bytes() == "grün\n".encode()


def test_it_lies_under_a_random_name_and_only_its_owner_may_read_it(engines: Engines) -> None:
    engine = engines(makes("../../escape.txt".rpartition("/")[2]))
    job_id = engine.start("makes")
    ended(engine, job_id)
    (path,) = on_disk(engine)
    assert path.parent == engine.settings.data_dir / "files"
    assert "escape" not in path.name
    assert path.stat().st_mode & 0o077 == 0


def test_nobody_sees_it_before(engines: Engines, gate: threading.Event) -> None:
    begun = threading.Event()

    def run(task: Task) -> None:
        with task.job.new_file("slow.bin", mode="wb") as out:
            out.write(b"x" * 10)
            begun.set()
            gate.wait(5)

    engine = engines(Handler(name="slow", run=run))
    job_id = engine.start("slow")
    assert begun.wait(5)
    assert engine.files(job_id) == []
    with pytest.raises(JobFileNotFound):
        engine.file(job_id, "slow.bin")
    gate.set()
    ended(engine, job_id)
    assert [row.size for row in engine.files(job_id)] == [10]


def test_a_block_that_raises_makes_nothing_and_leaves_nothing(engines: Engines) -> None:
    def run(task: Task) -> None:
        with task.job.new_file("half.txt") as out:
            out.write("half" * 100_000)
            raise ValueError("in the middle")

    engine = engines(Handler(name="fails", run=run))
    job_id = engine.start("fails")
    assert ended(engine, job_id) == "DONE_WITH_ERRORS"
    assert engine.files(job_id) == []
    assert on_disk(engine) == []


def test_a_file_of_the_same_name_takes_the_place_of_the_first(engines: Engines) -> None:
    engine = engines(makes())
    tasks = [{"state": {"said": "first"}}, {"state": {"said": "second, and longer"}}]
    engine.set_limits("makes", {"parallel_limit": 1})
    job_id = engine.start("makes", tasks=tasks)
    assert ended(engine, job_id) == "DONE"
    path = engine.file(job_id, "made.txt").path
    assert path
    assert path.read_text() == "second, and longer"
    engine.shelf.clean()
    assert on_disk(engine) == [path]


def test_the_role_can_be_said_when_the_file_is_whole(engines: Engines) -> None:
    seen: list[str] = []

    def run(task: Task) -> None:
        with task.job.new_file("a.txt", role=lambda: seen[-1]) as out:
            out.write("a")
            seen.append("superadmin")

    engine = engines(Handler(name="late", run=run))
    job_id = engine.start("late")
    ended(engine, job_id)
    assert [row.role for row in engine.files(job_id)] == ["superadmin"]


def test_a_file_is_no_larger_than_the_settings_allow(engines: Engines) -> None:
    def run(task: Task) -> None:
        with task.job.new_file("large.bin", mode="wb") as out:
            for _ in range(task.state["mb"]):
                out.write(b"\0" * 2**20)
            out.write(b"\0" * task.state["more"])

    engine = engines(Handler(name="large", run=run), max_file_mb=1)
    job_id = engine.start("large", tasks=[{"state": {"mb": 1, "more": 1}}])
    assert ended(engine, job_id) == "DONE_WITH_ERRORS"
    said = "The file 'large.bin' is larger than 1 MB, which is the most that JOBDECK_MAX_FILE_MB"
    assert said in str(engine.task(job_id, 0).error)
    assert on_disk(engine) == []
    assert ended(engine, engine.start("large", tasks=[{"state": {"mb": 1, "more": 0}}])) == "DONE"


@pytest.mark.parametrize("name", ["a/b", "..", "", "a\\b", "a\0b", "x" * 201, " a", "a\u202eb"])
def test_a_name_that_could_lead_elsewhere_is_refused(engines: Engines, name: str) -> None:
    engine = engines(makes(name))
    job_id = engine.start("makes")
    assert ended(engine, job_id) == "DONE_WITH_ERRORS"
    assert "BadFile: A file cannot be named" in str(engine.task(job_id, 0).error)
    assert on_disk(engine) == []


def test_an_unknown_mode_or_role_is_refused(engines: Engines) -> None:
    engine = engines(makes(mode="rb"))
    job_id = engine.start("makes")
    ended(engine, job_id)
    assert "mode 'w' or 'wb', not 'rb'" in str(engine.task(job_id, 0).error)
    other = engines(makes(role="king"))
    job_id = other.start("makes")
    ended(other, job_id)
    assert other.files(job_id) == []


def test_who_lost_the_task_makes_no_file_any_more(engines: Engines, gate: threading.Event) -> None:
    heard: list[Exception] = []
    begun = threading.Event()

    def run(task: Task) -> None:
        try:
            with task.job.new_file("late.txt") as out:
                out.write("late")
                begun.set()
                gate.wait(5)
        except JobsError as error:
            heard.append(error)
            raise

    engine = engines(Handler(name="late", run=run))
    job_id = engine.start("late")
    assert begun.wait(5)
    with engine.database.writing() as connection:
        connection.exec_driver_sql("UPDATE task SET attempt = attempt + 1")
    gate.set()
    eventually(lambda: heard)
    assert isinstance(heard[0], TaskLost)
    assert engine.files(job_id) == []
    engine.shelf.clean()
    assert on_disk(engine) == []


def test_a_job_has_only_so_many_files(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filing, "MOST_FILES", 1)
    engine = engines(makes())
    tasks = [{"state": {"name": "a"}}, {"state": {"name": "b"}}, {"state": {"name": "a"}}]
    engine.set_limits("makes", {"parallel_limit": 1})
    job_id = engine.start("makes", tasks=tasks)
    ended(engine, job_id)
    assert [row.name for row in engine.files(job_id)] == ["a"]
    assert "A job may have 1 files, and this one has them" in str(engine.task(job_id, 1).error)
    assert [task.status for task in engine.tasks(job_id, limit=3)] == ["DONE", "FAILED", "DONE"]


def test_a_file_that_took_too_long_to_hand_over_is_none(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filing, "HANDOVER", -filing.HANDOVER)
    engine = engines(makes())
    job_id = engine.start("makes")
    ended(engine, job_id)
    assert "It took too long" in str(engine.task(job_id, 0).error)


def test_deleting_a_job_removes_its_files(engines: Engines) -> None:
    engine = engines(makes())
    job_id, other = engine.start("makes"), engine.start("makes")
    ended(engine, job_id)
    ended(engine, other)
    engine.delete_job(job_id)
    kept = engine.file(other, "made.txt").path
    assert on_disk(engine) == [kept]


def test_however_a_jobs_row_goes_its_files_go_with_it(engines: Engines) -> None:
    engine = engines(makes())
    job_id = engine.start("makes")
    ended(engine, job_id)
    with engine.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM job")
    assert on_disk(engine)
    assert engine.shelf.clean() is False
    assert on_disk(engine) == []
    with engine.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM file").scalar() == 0


def test_a_file_that_is_gone_from_disk_is_not_found(engines: Engines) -> None:
    engine = engines(makes())
    job_id = engine.start("makes")
    ended(engine, job_id)
    on_disk(engine)[0].unlink()
    with pytest.raises(JobFileNotFound, match=f"Job {job_id} has no file named 'made.txt'"):
        engine.file(job_id, "made.txt")


def test_what_a_dead_writer_has_left_is_removed_and_what_is_written_now_is_not(
    engines: Engines,
) -> None:
    shelf = engines(runs=False).shelf
    dead, living = shelf.begin_upload("dead"), shelf.begin_upload("living")
    young = dead.place.with_name("young.part")
    young.touch()
    place = dead.place
    left = place.with_name("left.part")
    os.link(place, left)  # the same bytes, but nobody holds a lock on what is opened anew
    dead.close()
    for each in (left, living.place):
        os.utime(each, (0, 0))
    shelf.clean()
    assert not left.exists()
    assert living.place.exists()
    assert young.exists()
    living.close()


def test_more_than_a_chunk_is_cleaned_by_and_by(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.files.CHUNK", 2)
    engine = engines(makes())
    tasks = [{"state": {"name": str(number)}} for number in range(3)]
    job_id = engine.start("makes", tasks=tasks)
    ended(engine, job_id)
    with engine.database.writing() as connection:
        filing.orphan(connection, job_id=job_id)
    assert engine.shelf.clean() is True
    assert engine.shelf.clean() is False
    assert on_disk(engine) == []


def test_the_engine_cleans_by_itself(engines: Engines) -> None:
    quiet = engines(runs=False)
    part = quiet.shelf.begin_upload("a.txt")
    part.write(b"a")
    quiet.shelf.add_upload(part, "a.txt", None)
    with quiet.database.writing() as connection:
        connection.exec_driver_sql("UPDATE file SET expires_at = '2020-01-01T00:00:00.000000Z'")
    engine = engines()
    eventually(lambda: not on_disk(engine))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("people.csv", "people.csv"),
        ("C:\\Users\\me\\people.csv", "people.csv"),
        ("../../etc/passwd", "passwd"),
        ("a\0b\nc.csv", "abc.csv"),
        ("..", "file"),
        ("", "file"),
        ("  spaced.csv ", "spaced.csv"),
        ("u\u0308ber.csv", "über.csv"),
        ("\u202ecsv.exe", "csv.exe"),
        ("x" * 300, "x" * 200),
        ("x" * 300 + ".csv", "x" * 196 + ".csv"),
        ("." + "x" * 300, "." + "x" * 199),
    ],
)
def test_what_a_browser_calls_a_file_becomes_a_name(given: str, kept: str) -> None:
    assert clean_name(given) == kept
