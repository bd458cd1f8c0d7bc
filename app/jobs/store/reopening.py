"""Trying again: a job that has ended runs once more, with the tasks that were chosen (P7).

The job is QUEUED again at once, marked with what is to be reopened. While it is so marked nothing
of it runs. Its tasks are reopened in chunks, by who asked, or by a scheduler if that one dies.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection

from app.jobs.states import TaskStatus
from app.jobs.store.rescheduling import copy_chunk
from app.sql import statement

CHUNK = 5_000
#: Which tasks a word means. A skipped one was never meant to run, unless it is named itself.
CHOICES = {
    "failed": (TaskStatus.FAILED,),
    "unfinished": (TaskStatus.FAILED, TaskStatus.CANCELLED),
    "all": (TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.CANCELLED),
}

REOPEN = statement("""
    UPDATE job SET status = 'QUEUED', held = false, started_at = NULL, finished_at = NULL,
                   cancel_requested_at = NULL, cancel_requested_by = NULL, error = NULL,
                   finish_step = NULL, finisher = NULL, finish_rounds = 0, finish_crashes = 0,
                   retrying = :retrying, due_at = NULL, version = version + 1
    WHERE id = :job_id AND status IN ('DONE', 'DONE_WITH_ERRORS', 'CANCELLED')
      AND preparing_until IS NULL
""")
WANTED = statement("SELECT retrying FROM job WHERE id = :job_id AND retrying IS NOT NULL")
MARK = statement("UPDATE job SET retrying = :retrying, version = version + 1 WHERE id = :job_id")

#: The next tasks of a choice, from an index on; each status has its index, so nothing is searched.
NEXT = """
    SELECT id, idx FROM task INDEXED BY ix_task_{index}
    WHERE job_id = :job_id AND status = '{status}' AND idx >= :first
      AND idx < (SELECT end_index FROM job WHERE id = :job_id)
    ORDER BY idx LIMIT :chunk
"""
NEXT_OF = {
    status: statement(NEXT.format(status=status, index=status.lower()))
    for status in CHOICES["unfinished"]
}
NEXT_OF_ALL = statement("""
    SELECT id, idx FROM task WHERE job_id = :job_id AND idx >= :first
      AND status IN ('DONE', 'FAILED', 'CANCELLED')
      AND idx < (SELECT end_index FROM job WHERE id = :job_id)
    ORDER BY idx LIMIT :chunk
""")
NAMED = statement("""
    SELECT id, idx FROM task WHERE job_id = :job_id
      AND idx IN (SELECT value FROM json_each(:indexes))
      AND +idx < (SELECT end_index FROM job WHERE id = :job_id)
    ORDER BY idx
""")
KEEP_ATTEMPTS = statement("""
    INSERT INTO attempt (task_id, number, status, worker_id, started_at, finished_at, error)
    SELECT id, attempt, status, worker_id, started_at, finished_at, error FROM task
    WHERE id IN (SELECT value FROM json_each(:ids)) AND attempt > 0 AND worker_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM attempt WHERE task_id = task.id AND number = task.attempt)
""")
SCHEDULE = statement("""
    UPDATE task SET status = 'SCHEDULED', worker_id = NULL, started_at = NULL, finished_at = NULL,
                    error = NULL, result = NULL, crashes = 0, retries = 0,
                    version = (SELECT version + 1 FROM job WHERE id = :job_id)
    WHERE id IN (SELECT value FROM json_each(:ids))
      AND +status IN ('DONE', 'FAILED', 'CANCELLED', 'SKIPPED')
""")

Choice = str | Sequence[int]


def reopen(connection: Connection, job_id: int, choice: Choice) -> bool:
    """Queue a job that has ended once more; False: it has not ended."""
    wanted = {"tasks": choice if isinstance(choice, str) else sorted(set(choice)), "first": 0}
    values = {"job_id": job_id, "retrying": json.dumps(wanted)}
    return bool(connection.execute(REOPEN, values).rowcount)


def known_indexes(connection: Connection, job_id: int, indexes: Sequence[int]) -> set[int]:
    """Return those of these indexes that the job has."""
    values = {"job_id": job_id, "indexes": json.dumps(list(indexes))}
    return {row.idx for row in connection.execute(NAMED, values)}


def reopen_chunk(connection: Connection, job_id: int) -> bool:
    """Reopen some of the tasks that a retry is for, or copy some; tell whether there are more."""
    stored = connection.execute(WANTED, {"job_id": job_id}).scalar()
    if stored is None:
        return False  # it is done, or the job was cancelled meanwhile
    wanted = json.loads(stored)
    if "of" in wanted:
        return copy_chunk(connection, job_id, wanted)
    found, left = _next(connection, job_id, wanted["tasks"], wanted["first"])
    values = {"job_id": job_id, "ids": json.dumps([task_id for task_id, _ in found])}
    connection.execute(KEEP_ATTEMPTS, values)
    connection.execute(SCHEDULE, values)
    retrying = None if left is None else json.dumps(left)
    connection.execute(MARK, {"job_id": job_id, "retrying": retrying})
    return left is not None


Found = Sequence[tuple[int, int]]


def _next(
    connection: Connection, job_id: int, tasks: Choice, first: int
) -> tuple[Found, dict[str, object] | None]:
    """The next (task id, index) to reopen, and what is wanted after these; None is nothing."""
    if not isinstance(tasks, str):
        named, rest = tasks[:CHUNK], tasks[CHUNK:]
        values: dict[str, object] = {"job_id": job_id, "indexes": json.dumps(list(named))}
        found = [(row.id, row.idx) for row in connection.execute(NAMED, values)]
        return found, {"tasks": rest, "first": 0} if rest else None
    values = {"job_id": job_id, "first": first, "chunk": CHUNK}
    if tasks == "all":
        found = [(row.id, row.idx) for row in connection.execute(NEXT_OF_ALL, values)]
        is_last = len(found) < CHUNK
        return found, None if is_last else {"tasks": tasks, "first": found[-1][1] + 1}
    found = [
        (row.id, row.idx)
        for status in CHOICES[tasks]
        for row in connection.execute(NEXT_OF[status], values)
    ]
    # What is reopened is found no more, so each chunk may begin at the first index again.
    return found, {"tasks": tasks, "first": 0} if len(found) >= CHUNK else None
