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
PREPARE_ON = text("""
    UPDATE job SET preparing_until = :until WHERE id = :job_id AND preparing_until IS NOT NULL
""")
SHOW_JOB = text("""
    UPDATE job SET preparing_until = NULL, total = :total, scheduled = :total - skipped,
                   version = version + 1
    WHERE id = :job_id AND preparing_until IS NOT NULL
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


ABANDONED = text("SELECT id FROM job WHERE preparing_until < :now")
REMOVE_TASKS = text("""
    DELETE FROM task WHERE id IN (SELECT id FROM task WHERE job_id = :job_id LIMIT :chunk)
""")
REMOVE_JOB = text("DELETE FROM job WHERE id = :job_id AND preparing_until IS NOT NULL")


def remove_abandoned(database: Database) -> list[int]:
    """Remove what creators that died have left, and return the ids of those jobs."""
    with database.reading() as connection:
        ids = list(connection.execute(ABANDONED, {"now": iso(now())}).scalars())
    for job_id in ids:
        remove_preparing(database, job_id)
    return ids


def remove_preparing(database: Database, job_id: int) -> None:
    """Remove a job that never became visible, in chunks that block nobody for long."""
    removed = CHUNK
    while removed == CHUNK:
        with database.writing() as connection:
            values = {"job_id": job_id, "chunk": CHUNK}
            removed = connection.execute(REMOVE_TASKS, values).rowcount
    with database.writing() as connection:
        connection.execute(REMOVE_JOB, {"job_id": job_id})


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
