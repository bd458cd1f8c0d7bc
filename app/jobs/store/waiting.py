"""Jobs that are not to start yet, and what lets them: their time, or a person (B1, B2).

Such a job is no part of the queue, so a million of them cost nobody anything. A small index, by
time, knows the next one.
"""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import Connection

from app.db import Database, iso, now, stamp
from app.sql import rows, statement

#: Jobs in one transaction, so that no other writer waits longer than some 50 ms for it.
CHUNK = 2_000

#: When a job is due, a task is to be tried again, or a pause ends: whatever comes first.
NEXT = statement("""
    SELECT min(moment) FROM (
        SELECT min(waiting_until) AS moment FROM job INDEXED BY ix_job_waiting
        WHERE waiting_until IS NOT NULL
        UNION ALL SELECT min(run_after) FROM task INDEXED BY ix_task_run_after
        WHERE run_after IS NOT NULL
        UNION ALL SELECT min(until) FROM pause WHERE until > :now) AS moments
""")
DUE = statement("""
    SELECT id FROM job INDEXED BY ix_job_waiting WHERE waiting_until <= :now
    ORDER BY waiting_until LIMIT :chunk
""")
LET_START = statement("""
    UPDATE job SET waiting_until = NULL, version = version + 1
    WHERE id IN (SELECT value FROM json_each(:ids)) AND +waiting_until <= :now
""")


def next_moment(connection: Connection) -> datetime | None:
    """Return when something is due next; None: nothing waits for its time."""
    found = rows(connection, NEXT, {"now": stamp()})[0][0]
    return datetime.fromisoformat(found) if isinstance(found, str) else found


def let_due_start(database: Database) -> list[int]:
    """Let some of the jobs join the queue whose time has come; return their ids."""
    values = {"now": iso(now()), "chunk": CHUNK}
    with database.reading() as connection:
        due = list(connection.execute(DUE, values).scalars())
    if due:
        with database.writing_once() as connection:
            connection.execute(LET_START, {"ids": json.dumps(due), "now": iso(now())})
    return due


LET_START_NOW = statement("""
    UPDATE job SET waiting_until = NULL, due_at = NULL, version = version + 1
    WHERE id = :job_id AND waiting_until IS NOT NULL AND preparing_until IS NULL
""")
SET_PRIORITY = statement("""
    UPDATE job SET priority = :priority, version = version + 1
    WHERE id = :job_id AND status = 'QUEUED' AND preparing_until IS NULL
""")


def let_start_now(connection: Connection, job_id: int) -> bool:
    """Let a job join the queue before its time; False: it does not wait for one."""
    return bool(connection.execute(LET_START_NOW, {"job_id": job_id}).rowcount)


def set_priority(connection: Connection, job_id: int, priority: int) -> bool:
    """Give a job that has not begun another place in the queue; False: it has begun."""
    values = {"job_id": job_id, "priority": priority}
    return bool(connection.execute(SET_PRIORITY, values).rowcount)
