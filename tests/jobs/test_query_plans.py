"""What is asked often finds what it wants by an index, however many jobs and tasks there are."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import TextClause, event, text

from app.db import Database
from app.jobs.store import (
    adding,
    candidates,
    claiming,
    ending,
    keeping,
    pending,
    reading,
    reopening,
    rescheduling,
    retrying,
    waiting,
)

NAMES = {"handlers": "[]", "called": "[]", "jobs": "[]", "ids": "[]", "indexes": "[]", "ran": "[]"}

pytestmark = pytest.mark.about_sqlite("test_query_plans_there.py asks PostgreSQL")

#: Each statement that is asked often or beside a million tasks, and the indexes that it must use.
PLANS: dict[str, tuple[TextClause, set[str]]] = {
    "left behind": (
        ending.LEFT_BEHIND,
        {"ix_job_cancelling", "ix_job_retrying", "ix_job_adding", "ix_job_finishing"},
    ),
    "running": (candidates.RUNNING, {"ix_job_ready"}),
    "suspect": (candidates.SUSPECT, {"ix_task_suspect"}),
    "queued": (candidates.QUEUED, {"ix_job_queued"}),
    "scheduled": (candidates.SCHEDULED, {"ix_task_scheduled"}),
    "claimed steps": (claiming.CLAIMED_STEPS, {"ix_job_finisher"}),
    "steps of the dead": (keeping.RETURN_STEPS, {"ix_job_finisher"}),
    "tasks of the dead": (keeping.RETURN_ORPHANS, {"ix_task_in_progress"}),
    "to cancel": (ending.CANCEL_TASKS, {"ix_task_scheduled", "ix_task_waiting"}),
    "due to be tried": (retrying.DUE, {"ix_task_run_after"}),
    "failed to retry": (reopening.NEXT_OF[reopening.CHOICES["failed"][0]], {"ix_task_failed"}),
    "failed to copy": (rescheduling.FAILED, {"ix_task_failed"}),
    "successor": (rescheduling.FOLLOW, {"ix_job_rescheduled"}),
    "next moment": (waiting.NEXT, {"ix_job_waiting", "ix_task_run_after"}),
    "due": (waiting.DUE, {"ix_job_waiting"}),
    "chosen to retry": (reopening.NAMED, {"uq_task_job_id_idx"}),
    "chosen to delete": (adding.DELETE_TASKS, {"uq_task_job_id_idx"}),
}


@pytest.mark.parametrize(("statement", "indexes"), PLANS.values(), ids=list(PLANS))
def test_it_is_found_by_its_index(
    database: Database, statement: TextClause, indexes: set[str]
) -> None:
    asked = text(f"EXPLAIN QUERY PLAN {statement.text}")
    values = {name: NAMES.get(name, "1") for name in asked.compile().params}
    with database.reading() as connection:
        plan = [row.detail for row in connection.execute(asked, values)]
    used = {word for line in plan for word in line.split() if word.startswith(("ix_", "uq_"))}
    assert used >= indexes
    scans = [line for line in plan if line.startswith("SCAN") and "INDEX" not in line]
    whole = [line for line in scans if f"CO-ROUTINE {line.split()[1]}" not in plan]
    assert not whole, plan


def test_who_has_a_million_jobs_has_those_counted_that_are_active(database: Database) -> None:
    asked: list[tuple[str, Any]] = []
    with database.reading() as connection:
        event.listen(
            connection,
            "before_cursor_execute",
            lambda _, cursor, statement, values, *more: asked.append((statement, values)),
        )
        reading.count_active(connection, 1, frozenset())
        statement, values = asked[0]
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    assert any("ix_job_active" in row.detail for row in plan), plan


def test_chosen_tasks_are_looked_up_one_by_one(database: Database) -> None:
    asked = text(f"EXPLAIN QUERY PLAN {reopening.NAMED.text}")
    with database.reading() as connection:
        plan = [row.detail for row in connection.execute(asked, {"job_id": 1, "indexes": "[]"})]
    assert any("(job_id=? AND idx=?)" in line for line in plan), plan


def test_why_a_job_does_not_run_is_found_by_indexes(database: Database) -> None:
    asked: list[tuple[str, Any]] = []
    job = pending.PendingJob(
        id=1, handler="work", status="QUEUED", held=False, priority=100, waiting_until=None,
        is_reopening=False, is_cancelling=False, scheduled=1, in_progress=0, waiting=0,
        is_finishing=False, finisher=None, started_by_job=None, slots=None, slots_taken=None,
    )  # fmt: skip
    with database.reading() as connection:
        event.listen(
            connection, "before_cursor_execute", lambda *said: asked.append((said[2], said[3]))
        )
        pending.pending_jobs(connection, [1])
        pending.busy_threads(connection)
        pending.slot_holders(connection, ["work"])
        pending.children(connection, [1, 2])
        pending.started_jobs(connection, 1)
        pending.place_in_queue(connection, job)
        pending.next_tries(connection, [1])
        pending.suspect_job(connection)
        plans = [
            [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", values)]
            for said, values in list(asked)
        ]
    used = " ".join(word for plan in plans for line in plan for word in line.split())
    for index in ("task_in_progress", "job_finisher", "job_status", "job_started_by_job",
                  "job_queued (handler=? AND priority<?)", "task_waiting", "task_suspect",
                  "job_queued (handler=? AND priority=? AND id<?)"):  # fmt: skip
        assert f"ix_{index}" in used, plans
    assert not [line for plan in plans for line in plan if line in ("SCAN job", "SCAN task")], plans
