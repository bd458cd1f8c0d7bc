"""A job and its tasks appear together or not at all, whatever their number (A4)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from sqlalchemy import Connection

from app.db import Database, iso, now, stamp
from app.jobs.errors import CreationInterrupted, UploadTaken
from app.jobs.options import PRIORITY
from app.jobs.states import TaskStatus
from app.jobs.store import filing
from app.jobs.store.removing import DOOMED, remove_preparing
from app.jobs.store.steering import CONCURRENCY_LIMIT
from app.sql import Statement, rows, statement
from app.users.permissions import Role

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
    input: str = "{}"
    state: str = "{}"
    started_by: int | None = None
    priority: int = PRIORITY
    #: Not to start before; a time that is past means now (B2).
    due: datetime | None = None
    #: Tasks at once: None is what its handler has just then, 0 is no limit.
    parallel_limit: int | None = None
    #: Its own, in place of what its handler declares: retries, and seconds that a try may take.
    retries: int | None = None
    timeout: float | None = None
    held: bool = False
    #: The job that this one repeats (Q5), and the one whose handler starts it.
    rescheduled_from: int | None = None
    started_by_job: int | None = None
    #: Ids of uploads that become the job's, with their names, and the role that may read them.
    uploads: Sequence[tuple[int, str]] = ()
    upload_role: str = Role.OPERATOR


@dataclass(frozen=True, slots=True)
class NewTask:
    """What a task is created with: its state as JSON text, and whether it shall not run."""

    state: str = "{}"
    skip: bool = False


INSERT_JOB = statement("""
    INSERT INTO job (name, handler, status, held, priority, due_at, waiting_until, parallel_limit,
                     retries, timeout, params, input, state, started_by, rescheduled_from_job,
                     created_at, preparing_until, end_index, total, scheduled, skipped,
                     started_by_job)
    VALUES (:name, :handler, 'QUEUED', :held, :priority, :due_at, :waiting_until, :parallel_limit,
            :retries, :timeout, :params, :input, :state, :started_by, :rescheduled_from,
            :created_at, :preparing_until, :total, :total, :total - :skipped, :skipped,
            :started_by_job)
    RETURNING id
""")
#: A job and all its tasks in one statement, for PostgreSQL: no other costs a way there and back.
INSERT_AT_ONCE = statement(f"""
    WITH made AS ({INSERT_JOB.text}),
    tasks AS (
        INSERT INTO task (job_id, idx, status, state)
        SELECT made.id, chunk.place - 1, 'SCHEDULED', chunk.state
        FROM made CROSS JOIN json_array_elements(CAST(:states AS json))
          WITH ORDINALITY AS chunk (state, place))
    SELECT id FROM made
""")
INSERT_TASKS = statement("""
    INSERT INTO task (job_id, idx, status, state)
    SELECT :job_id, :first + chunk.key, 'SCHEDULED', chunk.value FROM json_each(:states) AS chunk
""").on_postgresql("""
    INSERT INTO task (job_id, idx, status, state)
    SELECT :job_id, :first + chunk.place - 1, 'SCHEDULED', chunk.state
    FROM json_array_elements(CAST(:states AS json)) WITH ORDINALITY AS chunk (state, place)
""")
INSERT_SOME_SKIPPED = statement("""
    INSERT INTO task (job_id, idx, status, state, finished_at)
    SELECT :job_id, :first + chunk.key,
           CASE WHEN skipped.value IS NULL THEN 'SCHEDULED' ELSE 'SKIPPED' END, chunk.value,
           CASE WHEN skipped.value IS NOT NULL THEN :at END
    FROM json_each(:states) AS chunk
    LEFT JOIN json_each(:skipped) AS skipped ON skipped.value = chunk.key
""").on_postgresql("""
    INSERT INTO task (job_id, idx, status, state, finished_at)
    SELECT :job_id, :first + chunk.place - 1,
           CASE WHEN skipped.place IS NULL THEN 'SCHEDULED' ELSE 'SKIPPED' END, chunk.state,
           CASE WHEN skipped.place IS NOT NULL THEN CAST(:at AS timestamptz) END
    FROM json_array_elements(CAST(:states AS json)) WITH ORDINALITY AS chunk (state, place)
    LEFT JOIN (SELECT CAST(value AS bigint) + 1 AS place
               FROM json_array_elements_text(CAST(:skipped AS json))) AS skipped USING (place)
""")
#: What MariaDB's driver makes one statement of: its JSON knows no more than 32 levels.
INSERT_ONE = statement("""
    INSERT INTO task (job_id, idx, status, state, finished_at)
    VALUES (:job_id, :idx, :status, :state, :finished_at)
""")
PREPARE_ON = statement(f"""
    UPDATE job SET preparing_until = :until WHERE id = :job_id AND preparing_until <> '{DOOMED}'
""")
SHOW_JOB = statement(f"""
    UPDATE job SET preparing_until = NULL, end_index = :total, total = :total,
                   scheduled = :total - :skipped, skipped = :skipped, version = version + 1,
                   waiting_until = CASE WHEN due_at > :at THEN due_at END
    WHERE id = :job_id AND preparing_until <> '{DOOMED}'
""")


@dataclass(frozen=True, slots=True)
class Written:
    """How many tasks were written, and how many of them shall not run."""

    total: int = 0
    skipped: int = 0


NOTHING_YET = Written()


def create_job(database: Database, job: NewJob, tasks: Iterable[NewTask]) -> int:
    """Write the job and all its tasks, and return its id once they are durable.

    Tasks are written in chunks under a job that nobody sees; the last chunk makes it visible. If
    `tasks` raises, what was written is removed and the error goes on.
    """
    chunks = chunks_of(tasks)
    first, second = next(chunks, []), next(chunks, None)
    written = Written(len(first), _skipped(first))
    if second is None:
        return _create_at_once(database, job, first, written)
    with database.writing() as connection:
        job_id = _inserted(connection, INSERT_JOB, job, preparing_until=now() + PREPARING)
        insert_chunk(connection, job_id, 0, first)
    try:
        written = _insert_rest(database, job_id, written, chain([second], chunks))
        with database.writing() as connection:
            _show(connection, job, job_id, written)
    except BaseException:
        remove_preparing(database, job_id)
        raise
    return job_id


def chunks_of(tasks: Iterable[NewTask]) -> Iterator[list[NewTask]]:
    """Divide tasks into what may be written in one transaction."""
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


def _create_at_once(
    database: Database, job: NewJob, tasks: Sequence[NewTask], written: Written
) -> int:
    if database.kind.makes_at_once and not (written.skipped or job.uploads):
        with database.writing_once() as connection:
            return _inserted(connection, INSERT_AT_ONCE, job, written, states=_states(tasks))
    with database.writing() as connection:
        job_id = _inserted(connection, INSERT_JOB, job, written)
        insert_chunk(connection, job_id, 0, tasks)
        _give_uploads(connection, job, job_id)
    return job_id


def _inserted(
    connection: Connection,
    statement: Statement,
    job: NewJob,
    written: Written = NOTHING_YET,
    *,
    preparing_until: datetime | None = None,
    **more: object,
) -> int:
    created_at, due_at = stamp(), job.due and iso(job.due)
    values = {
        "name": job.name,
        "handler": job.handler,
        "held": job.held,
        "priority": job.priority,
        "due_at": due_at,
        "waiting_until": due_at if due_at and due_at > created_at else None,
        "parallel_limit": job.parallel_limit,
        "retries": job.retries,
        "timeout": job.timeout,
        "params": job.params,
        "input": job.input,
        "state": job.state,
        "started_by": job.started_by,
        "rescheduled_from": job.rescheduled_from,
        "started_by_job": job.started_by_job,
        "created_at": created_at,
        "preparing_until": preparing_until and iso(preparing_until),
        "total": written.total,
        "skipped": written.skipped,
    }
    job_id: int = rows(connection, statement, values | more)[0][0]
    return job_id


def _insert_rest(
    database: Database, job_id: int, written: Written, chunks: Iterable[Sequence[NewTask]]
) -> Written:
    for chunk in chunks:
        until = {"job_id": job_id, "until": iso(now() + PREPARING)}
        with database.writing() as connection:
            if not connection.execute(PREPARE_ON, until).rowcount:
                raise CreationInterrupted
            insert_chunk(connection, job_id, written.total, chunk)
        written = Written(written.total + len(chunk), written.skipped + _skipped(chunk))
    return written


def insert_chunk(connection: Connection, job_id: int, first: int, chunk: Sequence[NewTask]) -> None:
    """Write tasks, the first of them with this index. Who calls this counts them."""
    if connection.dialect.name == "mariadb":
        if chunk:
            connection.execute(INSERT_ONE, _rows(job_id, first, chunk))
        return
    values = {"job_id": job_id, "first": first, "states": _states(chunk)}
    skipped = [place for place, task in enumerate(chunk) if task.skip]
    if skipped:
        some = {"skipped": json.dumps(skipped), "at": iso(now())}
        rows(connection, INSERT_SOME_SKIPPED, values | some)
    else:
        rows(connection, INSERT_TASKS, values)


def _rows(job_id: int, first: int, chunk: Sequence[NewTask]) -> list[dict[str, object]]:
    at = iso(now())
    return [
        {
            "job_id": job_id,
            "idx": idx,
            "status": TaskStatus.SKIPPED if task.skip else TaskStatus.SCHEDULED,
            "state": task.state,
            "finished_at": at if task.skip else None,
        }
        for idx, task in enumerate(chunk, first)
    ]


def _states(chunk: Sequence[NewTask]) -> str:
    return "[" + ",".join(task.state for task in chunk) + "]"


def _skipped(chunk: Sequence[NewTask]) -> int:
    return sum(task.skip for task in chunk)


def _show(connection: Connection, job: NewJob, job_id: int, written: Written) -> None:
    counts = {"total": written.total, "skipped": written.skipped}
    values = {"job_id": job_id, "at": iso(now())} | counts
    if not connection.execute(SHOW_JOB, values).rowcount:
        raise CreationInterrupted
    _give_uploads(connection, job, job_id)


def _give_uploads(connection: Connection, job: NewJob, job_id: int) -> None:
    if not filing.use(connection, job_id, job.uploads, job.upload_role):
        raise UploadTaken


HELD = statement("""
    SELECT id FROM job WHERE handler = :handler AND status = 'QUEUED' AND held
      AND waiting_until IS NULL AND preparing_until IS NULL
    ORDER BY priority, id LIMIT :most
""")
RELEASE_HELD = statement("""
    UPDATE job SET held = false, version = version + 1
    WHERE id IN (SELECT value FROM json_each(:ids)) AND held
""")
TAKEN_SLOTS = statement("""
    SELECT count(*) FROM job WHERE handler = :handler AND preparing_until IS NULL
      AND (status = 'IN_PROGRESS'
           OR (status = 'QUEUED' AND waiting_until IS NULL AND NOT held))
""")


SLOTS = statement(f"SELECT {CONCURRENCY_LIMIT} FROM handler WHERE name = :handler")


def release_held(database: Database, handler: str, *, most: int | None) -> list[int]:
    """Let held jobs of a handler start, as many as its slots allow and at most `most`."""
    with database.writing() as connection:
        limit = connection.execute(SLOTS, {"handler": handler}).scalar_one()
        taken = connection.execute(TAKEN_SLOTS, {"handler": handler}).scalar_one()
        free = NO_LIMIT if limit is None else max(0, limit - taken)
        values = {"handler": handler, "most": free if most is None else min(free, most)}
        held = list(connection.execute(HELD, values).scalars())
        connection.execute(RELEASE_HELD, {"ids": json.dumps(held)})
        return sorted(held)


NO_LIMIT = 2**31 - 1
