"""A job and its tasks appear together or not at all, whatever their number (A4)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from sqlalchemy import Connection, text

from app.db import Database, iso, now
from app.jobs.errors import CreationInterrupted

#: Tasks in one transaction, and what their states may take in characters, which the last of them
#: may exceed: no other writer waits longer than some 50 ms for it.
CHUNK = 5_000
CHUNK_SIZE = 2_000_000
#: How long a creator may take for one chunk before its remains may be removed.
PREPARING = timedelta(minutes=15)
#: Until when a job is prepared that is being removed: its creator, should it live, must not go on.
DOOMED = "0001-01-01T00:00:00.000000Z"


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """What a job is created with; texts are JSON already."""

    name: str
    handler: str
    params: str = "{}"
    state: str = "{}"
    started_by: int | None = None
    parallel_limit: int | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class NewTask:
    """What a task is created with: its state as JSON text, and whether it shall not run."""

    state: str = "{}"
    skip: bool = False


INSERT_JOB = text("""
    INSERT INTO job (name, handler, status, held, parallel_limit, params, state, started_by,
                     created_at, preparing_until)
    VALUES (:name, :handler, 'QUEUED', :held, :parallel_limit, :params, :state, :started_by,
            :created_at, :preparing_until)
    RETURNING id
""")
INSERT_TASKS = text("""
    INSERT INTO task (job_id, idx, status, state)
    SELECT :job_id, :first + chunk.key, 'SCHEDULED', chunk.value FROM json_each(:states) AS chunk
""")
SKIP_TASKS = text("""
    UPDATE task SET status = 'SKIPPED', finished_at = :at
    WHERE job_id = :job_id AND idx IN (SELECT value FROM json_each(:skipped))
""")
PREPARE_ON = text(f"""
    UPDATE job SET preparing_until = :until WHERE id = :job_id AND preparing_until <> '{DOOMED}'
""")
SHOW_JOB = text(f"""
    UPDATE job SET preparing_until = NULL, total = :total, scheduled = :total - skipped,
                   version = version + 1
    WHERE id = :job_id AND preparing_until <> '{DOOMED}'
""")


def create_job(database: Database, job: NewJob, tasks: Iterable[NewTask]) -> int:
    """Write the job and all its tasks, and return its id once they are durable.

    Tasks are written in chunks under a job that nobody sees; the last chunk makes it visible. If
    `tasks` raises, what was written is removed and the error goes on.
    """
    chunks = _chunks(tasks)
    first, second = next(chunks, []), next(chunks, None)
    with database.writing() as connection:
        job_id = _insert_job(connection, job, first)
        if second is None:
            _show(connection, job_id, len(first))
            return job_id
    try:
        total = _insert_rest(database, job_id, len(first), chain([second], chunks))
    except BaseException:
        remove_preparing(database, job_id)
        raise
    with database.writing() as connection:
        _show(connection, job_id, total)
    return job_id


def _chunks(tasks: Iterable[NewTask]) -> Iterator[list[NewTask]]:
    chunk: list[NewTask] = []
    size = 0
    for task in tasks:
        chunk.append(task)
        size += len(task.state)
        if len(chunk) == CHUNK or size >= CHUNK_SIZE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _insert_job(connection: Connection, job: NewJob, first: Sequence[NewTask]) -> int:
    moment = now()
    job_id: int = connection.execute(
        INSERT_JOB,
        {
            "name": job.name,
            "handler": job.handler,
            "held": job.held,
            "parallel_limit": job.parallel_limit,
            "params": job.params,
            "state": job.state,
            "started_by": job.started_by,
            "created_at": iso(moment),
            "preparing_until": iso(moment + PREPARING),
        },
    ).scalar_one()
    _insert_chunk(connection, job_id, 0, first, moment)
    return job_id


def _insert_rest(
    database: Database, job_id: int, total: int, chunks: Iterable[Sequence[NewTask]]
) -> int:
    for chunk in chunks:
        moment = now()
        with database.writing() as connection:
            until = {"job_id": job_id, "until": iso(moment + PREPARING)}
            if not connection.execute(PREPARE_ON, until).rowcount:
                raise CreationInterrupted
            _insert_chunk(connection, job_id, total, chunk, moment)
        total += len(chunk)
    return total


def _insert_chunk(
    connection: Connection, job_id: int, first: int, chunk: Sequence[NewTask], moment: datetime
) -> None:
    states = "[" + ",".join(task.state for task in chunk) + "]"
    connection.execute(INSERT_TASKS, {"job_id": job_id, "first": first, "states": states})
    skipped = [first + place for place, task in enumerate(chunk) if task.skip]
    if skipped:
        values = {"job_id": job_id, "skipped": json.dumps(skipped), "at": iso(moment)}
        connection.execute(SKIP_TASKS, values)


def _show(connection: Connection, job_id: int, total: int) -> None:
    if not connection.execute(SHOW_JOB, {"job_id": job_id, "total": total}).rowcount:
        raise CreationInterrupted


ABANDONED = text("SELECT id FROM job WHERE preparing_until < :now LIMIT 1")
REMOVE_TASKS = text("""
    DELETE FROM task WHERE id IN (SELECT id FROM task WHERE job_id = :job_id LIMIT :chunk)
""")
DOOM = text(f"""
    UPDATE job SET preparing_until = '{DOOMED}' WHERE id = :job_id AND preparing_until IS NOT NULL
""")
REMOVE_JOB = text("DELETE FROM job WHERE id = :job_id AND preparing_until IS NOT NULL")


def remove_abandoned(database: Database) -> bool:
    """Remove a chunk of what creators that died have left; tell whether there may be more."""
    with database.reading() as connection:
        job_id = connection.execute(ABANDONED, {"now": iso(now())}).scalar()
    if job_id is None:
        return False
    _remove_chunk(database, job_id)
    return True


def remove_preparing(database: Database, job_id: int) -> None:
    """Remove a job that never became visible, in chunks that block nobody for long."""
    while _remove_chunk(database, job_id):
        pass


def _remove_chunk(database: Database, job_id: int) -> bool:
    """Remove some of its tasks, or the job with the last ones; tell whether there are more."""
    values = {"job_id": job_id, "chunk": CHUNK}
    with database.writing() as connection:
        if not connection.execute(DOOM, values).rowcount:
            return False
        if connection.execute(REMOVE_TASKS, values).rowcount == CHUNK:
            return True
        connection.execute(REMOVE_JOB, values)
        return False


RELEASE_HELD = text("""
    UPDATE job SET held = false, version = version + 1
    WHERE id IN (
        SELECT id FROM job WHERE handler = :handler AND status = 'QUEUED' AND held
          AND preparing_until IS NULL ORDER BY priority, id LIMIT :most)
    RETURNING id
""")
TAKEN_SLOTS = text("""
    SELECT count(*) FROM job WHERE handler = :handler AND preparing_until IS NULL
      AND (status = 'IN_PROGRESS' OR (status = 'QUEUED' AND NOT held))
""")


def release_held(
    database: Database, handler: str, *, limit: int | None, most: int | None
) -> list[int]:
    """Let held jobs of a handler start, as many as its slots allow and at most `most`."""
    with database.writing() as connection:
        taken = connection.execute(TAKEN_SLOTS, {"handler": handler}).scalar_one()
        free = NO_LIMIT if limit is None else max(0, limit - taken)
        values = {"handler": handler, "most": free if most is None else min(free, most)}
        return sorted(connection.execute(RELEASE_HELD, values).scalars())


NO_LIMIT = 2**31 - 1
