"""Tasks that have failed and wait for their next try (B4).

Such a task is scheduled, and in no index that a claim looks at, until its time has come. Then it is
let go, and claimed as any other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from app.db import Database, iso, now
from app.sql import statement

#: Tasks in one transaction, so that no other writer waits longer than some 50 ms for it.
CHUNK = 5_000

DUE = statement("""
    SELECT id, job_id FROM task INDEXED BY ix_task_run_after WHERE run_after <= :now
    ORDER BY run_after LIMIT :chunk
""")
LET_GO = statement("""
    UPDATE task SET run_after = NULL,
                    version = (SELECT version + 1 FROM job WHERE id = task.job_id)
    WHERE id IN (SELECT value FROM json_each(:ids)) AND +run_after <= :now
""")


def let_due_go(database: Database) -> set[int]:
    """Let some of the tasks be claimed whose time has come; return the ids of their jobs."""
    values = {"now": iso(now()), "chunk": CHUNK}
    with database.reading() as connection:
        due = connection.execute(DUE, values).all()
    if due:
        _let_go(database, [row.id for row in due])
    return {row.job_id for row in due}


def _let_go(database: Database, task_ids: Sequence[int]) -> None:
    with database.writing_one() as connection:
        connection.execute(LET_GO, {"ids": json.dumps(task_ids), "now": iso(now())})
