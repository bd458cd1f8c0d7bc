"""What happens to jobs and tasks is told to those who listen, and harms nobody (B9)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from blinker import NamedSignal

from app.db import Database
from app.jobs import Handler, JobRow, JobStatus, Task, signals
from app.jobs.store import claiming, keeping, reading
from app.jobs.store.claiming import Order
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.hooked import FREE, Hooked, nothing
from tests.jobs.looking import blank, done, ended, running, sql

ALL = {each.name: each for each in vars(signals).values() if isinstance(each, NamedSignal)}


class Notes:
    """What was told, in its order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.facts: dict[str, dict[str, Any]] = {}

    @contextmanager
    def taken_of(self, *names: str) -> Iterator[None]:
        """Listen to these signals until the block is left."""
        with ExitStack() as stack:
            for name in names:
                stack.enter_context(ALL[name].connected_to(self._note(name)))
            yield

    def _note(self, name: str) -> Any:
        def note(handler: str, **facts: Any) -> None:
            self.facts[name] = {"handler": handler, **facts}
            self.told.append(name)

        return note

    def job(self, name: str) -> JobRow:
        """The job of which that was told last."""
        job = self.facts[name]["job"]
        assert isinstance(job, JobRow)
        return job

    def has(self, *names: str) -> None:
        """Wait until these were told, each as often as it is named here."""
        eventually(lambda: sorted(self.told) == sorted(names))


@pytest.fixture
def notes() -> Notes:
    return Notes()


def test_progress_alone_may_be_listened_to(engines: Engines, notes: Notes) -> None:
    engine = engines(Handler(name="work", run=lambda _: None))
    with notes.taken_of("job-progress"):
        done(engine, engine.start_new_job("x", None, blank(1), "work"))
        notes.has("job-progress")


def test_what_happened_at_another_time_is_not_told_again(engines: Engines, notes: Notes) -> None:
    engine = engines(Handler(name="work", run=lambda _: None))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    done(engine, job_id)
    with notes.taken_of("job-started", "job-finished"):
        then = "2001-01-01T00:00:00.000000Z"
        signals.tell_of_jobs(engine.database, signals.job_started, [job_id], then)
        signals.tell_of_ends(engine.database, [job_id], then)
    assert notes.told == []


def test_a_job_that_goes_well(engines: Engines, notes: Notes) -> None:
    engine = engines(Handler(name="work", run=lambda task: task.index))
    with notes.taken_of(*ALL):
        job_id = engine.start_new_job("a name", None, blank(1), "work")
        notes.has(
            "job-created",
            "job-started",
            "task-started",
            "task-done",
            "job-progress",
            "job-finished",
        )
    assert notes.told.index("job-started") < notes.told.index("task-started")
    assert notes.job("job-created").id == job_id
    assert (notes.job("job-created").name, notes.job("job-created").total) == ("a name", 1)
    assert notes.job("job-started").started_at
    assert notes.job("job-progress").progress == 100
    assert notes.job("job-finished").status == JobStatus.DONE
    facts = {"handler": "work", "job_id": job_id, "task_index": 0, "attempt": 1}
    assert notes.facts["task-started"] == notes.facts["task-done"] == facts


def test_a_task_that_fails(engines: Engines, notes: Notes) -> None:
    engine = engines(Handler(name="work", run=lambda _: 1 // 0))
    with notes.taken_of("task-failed", "task-done", "job-finished"):
        engine.start_new_job("x", None, blank(1), "work")
        notes.has("task-failed", "job-finished")
    assert "division" in notes.facts["task-failed"]["error"]
    assert notes.job("job-finished").status == JobStatus.DONE_WITH_ERRORS


def test_a_task_that_is_tried_again(engines: Engines, notes: Notes) -> None:
    def body(task: Task) -> None:
        if task.attempt == 1:
            raise ValueError("not yet")

    engine = engines(Handler(name="work", run=body, retries=1, retry_delay=0))
    with notes.taken_of("task-retrying", "task-failed", "task-done"):
        engine.start_new_job("x", None, blank(1), "work")
        notes.has("task-retrying", "task-done")
    assert (notes.facts["task-retrying"]["attempt"], notes.facts["task-done"]["attempt"]) == (1, 2)
    assert "not yet" in notes.facts["task-retrying"]["error"]


def test_a_retry_that_a_cancel_takes_away_is_a_failure(
    engines: Engines, notes: Notes, gate: threading.Event
) -> None:
    def body(_: Task) -> None:
        gate.wait(20)
        raise ValueError("no")

    engine = engines(Handler(name="work", run=body, retries=5))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    running(engine, job_id, 1)
    with notes.taken_of("task-retrying", "task-failed"):
        engine.cancel(job_id)
        gate.set()
        notes.has("task-failed")


def test_the_end_by_a_finish_step(engines: Engines, notes: Notes) -> None:
    engine = engines(Hooked(before=nothing, after=nothing))
    with notes.taken_of("job-finished"):
        engine.start_new_job("x", None, blank(2), "work")
        notes.has("job-finished")


def test_a_job_that_waits_is_cancelled(engines: Engines, notes: Notes) -> None:
    engine = engines(Handler(name="work", run=lambda _: None), runs=False)
    job_id = engine.start_new_job("x", None, blank(3), "work")
    with notes.taken_of("job-cancelled", "job-finished"):
        engine.cancel(job_id)
        engine.cancel(job_id)  # which changes nothing any more
    assert notes.told == ["job-cancelled"]
    assert notes.job("job-cancelled").status == JobStatus.CANCELLED


def test_a_job_that_runs_is_cancelled(
    engines: Engines, notes: Notes, gate: threading.Event
) -> None:
    engine = engines(Handler(name="work", run=lambda _: gate.wait(20)))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    running(engine, job_id, 1)
    with notes.taken_of("job-cancelled", "job-finished"):
        engine.cancel(job_id)
        assert not notes.told
        gate.set()
        notes.has("job-cancelled")


def test_a_worker_that_dies_under_a_job(
    engines: Engines, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.housekeeping.SEARCH_SECONDS", 0.01)
    engine = engines(Handler(name="work", run=lambda _: None), runs=False)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    die_with_its_task(engine.database, job_id)
    with notes.taken_of("job-stalled"):
        engine.run()
        notes.has("job-stalled")
        done(engine, job_id)
    assert notes.job("job-stalled").id == job_id


def die_with_its_task(database: Database, job_id: int) -> None:
    """Let a worker on another host have the only task, and its lease be over."""
    with database.writing() as connection:
        worker = keeping.NewWorker(host="far", pid=1, mark="m", handlers=["work"], lease=-1)
        worker_id = keeping.register(connection, worker)
    ((task_id,),) = sql(database, "SELECT id FROM task")
    with database.writing_once() as connection:
        order = Order(start=[(job_id, 1)], tasks={job_id: [task_id]})
        claiming.claim(connection, worker_id, order)


def test_only_what_happens_here_is_told(engines: Engines, notes: Notes) -> None:
    """Each is told in one process: there, the other one's engine has nothing to say."""
    work = Handler(name="work", run=lambda _: None, **FREE)
    engine, other = engines(work), engines(work)
    names = [name for name in ALL if name.startswith(("job-st", "job-fin", "task-done"))]
    with notes.taken_of(*names):
        jobs = [each.start_new_job("x", None, blank(1), "work") for each in (engine, other) * 5]
        for each in jobs:
            done(engine, each)
        notes.has(*["job-started", "task-done", "job-finished"] * 10)


def test_a_listener_that_raises_harms_nothing(
    engines: Engines, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(handler: str, **_: Any) -> None:
        raise SystemExit("out of my way")

    engine = engines(Handler(name="work", run=lambda _: None))
    with ExitStack() as stack:
        for signal in ALL.values():
            stack.enter_context(signal.connected_to(raises))
        stack.enter_context(notes.taken_of("job-finished"))
        done(engine, engine.start_new_job("x", None, blank(2), "work"))
        notes.has("job-finished")
    assert "A listener of job-finished failed" in caplog.text
    assert "A listener of task-done failed" in caplog.text


def test_what_cannot_be_read_is_not_told(
    engines: Engines,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no such disk")

    engine = engines(Handler(name="work", run=lambda _: None), runs=False)
    monkeypatch.setattr(reading, "jobs_of", fail)
    with notes.taken_of("job-created"):
        job_id = engine.start_new_job("x", None, blank(1), "work")
    assert not notes.told
    assert "Listeners are not told" in caplog.text
    assert engine.job(job_id).status == JobStatus.QUEUED


def test_without_listeners_nothing_is_read(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(*_: object) -> None:
        raise AssertionError("Nobody listens")

    monkeypatch.setattr("app.jobs.signals._jobs", look)
    monkeypatch.setattr("app.jobs.signals._fates", look)
    engine = engines(Hooked(before=nothing))
    done(engine, engine.start_new_job("x", None, blank(2), "work"))


def test_one_may_listen_to_one_handler(engines: Engines) -> None:
    engine = engines(*(Handler(name=name, run=lambda _: None) for name in ("mow", "rake")))
    heard: list[str] = []

    @signals.job_finished.connect_via("mow")
    def hear(handler: str, job: JobRow) -> None:
        heard.append(f"{handler} {job.name}")

    for name in ("rake", "mow"):
        ended(engine, engine.start_new_job("x", None, blank(1), name))
    eventually(lambda: heard)
    signals.job_finished.disconnect(hear)
    assert heard == ["mow x"]


def test_a_listener_may_ask_the_engine_and_start_another_job(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda _: None, **FREE))
    later: list[int] = []

    def follow(handler: str, job: JobRow) -> None:
        if job.name == "first":
            later.append(engine.start_new_job("second", None, blank(1), handler))

    with signals.job_finished.connected_to(follow):
        engine.start_new_job("first", None, blank(1), "work")
        eventually(lambda: later)
        done(engine, later[0])


def test_of_a_cancelled_task_only_the_job_tells(engines: Engines, notes: Notes) -> None:
    def body(task: Task) -> None:
        task.sleep(20)

    engine = engines(Handler(name="work", run=body, **FREE))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    running(engine, job_id, 1)
    with notes.taken_of("task-done", "task-failed", "job-cancelled"):
        engine.cancel(job_id)
        notes.has("job-cancelled")
