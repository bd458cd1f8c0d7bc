"""SIGKILL at every step of a job's life, by its name; then another process goes on with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.jobs import Engine, JobStatus
from tests.eventually import eventually
from tests.faults import verdict
from tests.faults.errand import Errand
from tests.faults.life import Fate, Life
from tests.faults.steps import ASKED, RUNNING, TIDYING
from tests.jobs.looking import blank

TASKS = 12


@pytest.mark.conformance
@pytest.mark.parametrize("step", RUNNING)
def test_a_worker_that_dies_there_leaves_all_to_the_next(
    folder: Path, looking: Engine, step: str
) -> None:
    jobs = some_jobs(looking, folder)
    assert Life(folder, fate=Fate(dies=step)).wait() != 0
    for job_id in jobs:
        verdict.counts_are_exact(looking, job_id)
    end_well(folder, looking)
    good, bad, called, empty = (looking.job(job_id) for job_id in jobs)
    assert (good.status, good.done) == (JobStatus.DONE, TASKS)
    assert (bad.status, bad.done, bad.failed) == (JobStatus.DONE_WITH_ERRORS, TASKS - 3, 3)
    assert (called.status, called.done, called.error) == (JobStatus.DONE, 6, None)
    assert (empty.status, empty.total) == (JobStatus.DONE, 0)


def some_jobs(looking: Engine, folder: Path) -> list[int]:
    """A job of each kind: one that ends well, one that does not, one with callbacks, no tasks."""
    file = str(folder / "testimony")
    return [
        looking.start("witnessed", {"file": file, "tasks": TASKS}),
        looking.start("limited", {"file": file, "tasks": TASKS, "failing": 4}),
        looking.start("called_back", {"file": file, "tasks": 2}),
        looking.start("witnessed", {"file": file, "tasks": 0}),
    ]


def end_well(folder: Path, looking: Engine) -> None:
    """Let another process run what there is to its end, and compare all books."""
    life = Life(folder)
    eventually(lambda: verdict.all_is_over(looking), within=30)
    life.kill()
    verdict.books_balance(looking, folder / "testimony")


@pytest.mark.conformance
@pytest.mark.parametrize("step", TIDYING)
def test_who_dies_while_he_tidies_up_leaves_that_to_the_next(
    folder: Path, looking: Engine, step: str
) -> None:
    job_id = looking.start("witnessed", {"file": str(folder / "testimony"), "tasks": TASKS})
    assert Life(folder, fate=Fate(dies="after a claim was read")).wait() != 0
    assert Life(folder, fate=Fate(dies=step)).wait() != 0
    end_well(folder, looking)
    verdict.all_is_right(looking, job_id, TASKS)


@pytest.mark.parametrize("step", ASKED)
def test_what_was_asked_for_is_whole_or_not_at_all(
    folder: Path, looking: Engine, step: str
) -> None:
    what, _ = step.split(": ")
    job_id = prepared(folder, looking, what)
    number = str(TASKS) if what in ("start", "add") else "unfinished"
    errand = Errand(folder, what, job_id, number, fate=Fate(dies=step, small=True))
    errand.begin()
    assert errand.wait() == -9
    verdict.forget_who_died(looking)
    looking.start_queued_jobs("witnessed")
    end_well(folder, looking)
    assert outcome(looking) == EXPECTED[what][step in DURABLE]


def prepared(folder: Path, looking: Engine, what: str) -> int:
    """A job that waits, or has been cancelled, so that this can be done to it."""
    if what == "start":
        return 0
    params = {"file": str(folder / "testimony")}
    job_id = looking.start_new_job(
        "x", None, blank(TASKS), "witnessed", params=params, auto_start=False
    )
    if what in ("retry", "delete"):
        looking.cancel(job_id)
    return job_id


def outcome(looking: Engine) -> list[tuple[str, int, int]]:
    """How the jobs that there are have ended."""
    return [(job.status, job.done, job.cancelled) for job in looking.jobs()]


#: What has become of it, if it did not happen and if it did.
EXPECTED = {
    "start": ([], [("DONE", TASKS, 0)]),
    "cancel": ([("DONE", TASKS, 0)], [("CANCELLED", 0, TASKS)]),
    "retry": ([("CANCELLED", 0, TASKS)], [("DONE", TASKS, 0)]),
    "add": ([("DONE", TASKS, 0)], [("DONE", 2 * TASKS, 0)]),
    "delete": ([("CANCELLED", 0, TASKS)], []),
}
#: Where what was asked for will come true, whoever dies.
DURABLE = {
    "start: after it is shown",
    "cancel: after the first chunk",
    "cancel: within the second chunk",
    "cancel: after the last chunk",
    "retry: after the first chunk",
    "retry: within the second chunk",
    "retry: after the last chunk",
    "add: after they are shown",
    "delete: after it is committed",
    "delete: before the job's own row goes",
}
