"""The progress of a cancelled job is how far it came, not 100 % for the tasks a cancel ended."""

from __future__ import annotations

import threading

import pytest

from app.jobs import Engine, Handler, JobStatus, Task
from app.jobs.views import JobDetail
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.looking import done, ended

pytestmark = pytest.mark.conformance


class Stepwise(Handler):
    """A handler of which each task fails, is done, or waits for the gate, as its state says."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__(name="work", run=self._step, parallel_limit=1)
        self._gate = gate

    def _step(self, task: Task) -> None:
        does = task.state["does"]
        if does == "fail":
            raise ValueError("It fails.")
        if does == "wait":
            assert self._gate.wait(20)


def start(engine: Engine, *steps: str) -> int:
    """A job whose tasks do these things, one after the other."""
    tasks = [{"state": {"does": step}, "skip": step == "skip"} for step in steps]
    return engine.start_new_job("x", None, tasks, "work")


def told(job: JobDetail) -> tuple[str, int, int]:
    """Its status, its progress and how many tasks count for that."""
    return job.status, job.progress, job.processed


def test_a_job_cancelled_in_the_queue_came_nowhere(engines: Engines, gate: threading.Event) -> None:
    engine = engines(Stepwise(gate), runs=False)
    assert told(engine.cancel(start(engine, "do", "do"))) == (JobStatus.CANCELLED, 0, 0)
    assert told(engine.cancel(start(engine))) == (JobStatus.CANCELLED, 0, 0)


def test_what_was_done_failed_or_skipped_counts_during_the_cancel_and_after_it(
    engines: Engines, gate: threading.Event
) -> None:
    engine = engines(Stepwise(gate))
    job_id = start(engine, "skip", "do", "fail", "wait", "do", "do", "do")
    eventually(lambda: engine.job(job_id).processed == 3 and engine.job(job_id).in_progress)
    assert told(engine.cancel(job_id)) == (JobStatus.IN_PROGRESS, 42, 3)
    gate.set()
    job = ended(engine, job_id)
    assert told(job) == (JobStatus.CANCELLED, 57, 4)
    assert job.final == 7
    listed = engine.jobs()[0]
    assert (listed.progress, listed.processed) == (57, 4)


def test_a_job_that_is_retried_reaches_100_again(engines: Engines, gate: threading.Event) -> None:
    gate.set()
    engine = engines(Stepwise(gate), runs=False)
    job_id = start(engine, "do", "do", "do")
    assert engine.cancel(job_id).progress == 0
    engine.retry(job_id, [0])
    engine.run()
    # Nobody cancels it any more: of what is left nothing will run, so that it has ended.
    job = ended(engine, job_id)
    assert told(job) == (JobStatus.DONE_WITH_ERRORS, 100, 3)
    engine.retry(job_id, "unfinished")
    assert told(done(engine, job_id)) == (JobStatus.DONE, 100, 3)
