"""Jobs that go: deleted ones, and those whose creator never came to an end.

Such a job is invisible from the first moment, since it counts as one that is being prepared. Its
tasks go in chunks, with their attempts and log lines, and the job itself last of all.
"""

from __future__ import annotations

from sqlalchemy import Connection

from app.db import Database, iso, now
from app.sql import statement

CHUNK = 5_000
#: Until when a job is prepared that is being removed: its creator, should it live, must not go on.
DOOMED = "0001-01-01T00:00:00.000000Z"

DOOM_ENDED = statement(f"""
    UPDATE job SET preparing_until = '{DOOMED}', finish_step = NULL, finisher = NULL,
                   version = version + 1
    WHERE id = :job_id AND status IN ('DONE', 'DONE_WITH_ERRORS', 'CANCELLED')
      AND preparing_until IS NULL
""")
DOOM_PREPARING = statement(f"""
    UPDATE job SET preparing_until = '{DOOMED}' WHERE id = :job_id AND preparing_until IS NOT NULL
""")
REMOVE_TASKS = statement("""
    DELETE FROM task WHERE id IN (SELECT id FROM task WHERE job_id = :job_id LIMIT :chunk)
""").on_mariadb("DELETE FROM task WHERE job_id = :job_id LIMIT :chunk")
REMOVE_JOB = statement(f"DELETE FROM job WHERE id = :job_id AND preparing_until = '{DOOMED}'")
ABANDONED = statement("SELECT id FROM job WHERE preparing_until < :now LIMIT 1")


def doom_ended(connection: Connection, job_id: int) -> bool:
    """Let a job that has ended be gone for everybody; False: there is none, or it has not."""
    return bool(connection.execute(DOOM_ENDED, {"job_id": job_id}).rowcount)


def abandoned(database: Database) -> int | None:
    """Return a job that is to be removed: a deleted one, or one whose creator has died."""
    with database.reading() as connection:
        found: int | None = connection.execute(ABANDONED, {"now": iso(now())}).scalar()
        return found


def remove_tasks_chunk(database: Database, job_id: int) -> bool:
    """Remove some tasks of an invisible job; tell whether it may have more."""
    values = {"job_id": job_id, "chunk": CHUNK}
    with database.writing() as connection:
        if not connection.execute(DOOM_PREPARING, values).rowcount:
            return False
        return connection.execute(REMOVE_TASKS, values).rowcount == CHUNK


def remove_job(database: Database, job_id: int) -> None:
    """Remove an invisible job whose tasks are gone."""
    with database.writing() as connection:
        connection.execute(REMOVE_JOB, {"job_id": job_id})


def remove_preparing(database: Database, job_id: int) -> None:
    """Remove a job that never became visible, in chunks that block nobody for long."""
    while remove_tasks_chunk(database, job_id):
        pass
    remove_job(database, job_id)
