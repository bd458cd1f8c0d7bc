"""Which of the jobs that wait starts first: that of the lowest number, the oldest of these (B1)."""

from __future__ import annotations

import pytest

from app.jobs import Handler, JobStatus, Task
from app.jobs.errors import InvalidParams, JobBegun, JobNotFound
from app.jobs.models import Job
from app.jobs.options import PRIORITY
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended
from tests.jobs.test_due_jobs import Noted


def test_the_lower_number_starts_first_and_of_these_the_older_job(engines: Engines) -> None:
    handler = Noted(concurrency_limit=1)
    engine = engines(handler, runs=False)
    given = [200, 100, 10, -5, 10, 100]
    jobs = [engine.start("work", priority=priority) for priority in given]
    engine.run()
    for job_id in jobs:
        done(engine, job_id)
    assert handler.ran == [jobs[place] for place in (3, 2, 4, 1, 5, 0)]


def test_without_one_it_is_the_same_however_the_job_is_made(engines: Engines) -> None:
    engine = engines(Noted(), runs=False)
    made = [
        engine.start_new_job("x", None, blank(1), "work"),
        engine.queue_new_job("x", None, blank(1), "work"),
        engine.start("work"),
    ]
    assert [engine.job(job_id).priority for job_id in made] == [PRIORITY] * 3
    default = Job.__table__.c.priority.server_default
    assert str(getattr(default, "arg", None)) == str(PRIORITY) == "100"


def test_what_a_handler_declares_holds_unless_a_start_says_otherwise(engines: Engines) -> None:
    engine = engines(Noted(priority=7, parallel_limit=2), runs=False)
    job = engine.job(engine.start("work"))
    assert (job.priority, job.parallel_limit) == (7, 2)
    job = engine.job(engine.start("work", priority=8, parallel_limit=None))
    assert (job.priority, job.parallel_limit) == (8, None)


def test_it_survives_a_retry(engines: Engines) -> None:
    def fails_once(task: Task) -> None:
        if task.attempt == 1:
            raise ValueError("not yet")

    engine = engines(Handler(name="work", run=fails_once))
    job_id = engine.start("work", priority=3)
    ended(engine, job_id)
    engine.retry(job_id)
    assert done(engine, job_id).priority == 3


def test_it_can_be_changed_while_the_job_waits(engines: Engines) -> None:
    handler = Noted(concurrency_limit=1)
    engine = engines(handler, runs=False)
    first, second = engine.start("work"), engine.start("work")
    assert engine.set_priority(second, 99).priority == 99
    engine.run()
    done(engine, first)
    assert handler.ran == [second, first]


def test_it_cannot_be_changed_any_more_once_the_job_has_begun(engines: Engines) -> None:
    engine = engines(Noted())
    job_id = engine.start("work")
    assert done(engine, job_id).status == JobStatus.DONE
    with pytest.raises(JobBegun, match="its priority says nothing any more"):
        engine.set_priority(job_id, 5)
    with pytest.raises(JobNotFound):
        engine.set_priority(job_id + 1, 5)
    with pytest.raises(InvalidParams, match="priority: Write a whole number"):
        engine.set_priority(job_id, True)
