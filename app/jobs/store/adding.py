"""Tasks that join a job which is under way, or leave it, and its counts with them (A10).

Tasks appear together or not at all: they are written behind the job's `end_index`, where nobody
sees them, and become part of the job when that index moves. Few are added in one transaction;
many in chunks, and while somebody does that, others who want to add wait their turn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from app.db import Database, iso, now
from app.jobs.errors import AddingInterrupted
from app.jobs.store.creating import CHUNK, NewTask, chunks_of, insert_chunk
from app.sql import statement

#: How long one chunk may take before what was written may be removed.
ADDING = timedelta(minutes=1)
#: Does something in a transaction.
Write = Callable[[Callable[[Connection], Any]], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adder:
    """Who adds: a task may only while it is still claimed by its worker (0: anybody)."""

    job_id: int
    task_id: int = 0
    worker_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """Tasks that are written and not seen yet: their first index, how many, and until when."""

    first: int
    count: int = 0
    skipped: int = 0
    until: str | None = None

    @property
    def indexes(self) -> range:
        """The places of the tasks in their job."""
        return range(self.first, self.first + self.count)


MAY_ADD = """
    status IN ('QUEUED', 'IN_PROGRESS') AND cancel_requested_at IS NULL
    AND preparing_until IS NULL
    AND (:task_id = 0 OR EXISTS (SELECT 1 FROM task WHERE id = :task_id AND job_id = :job_id
                                   AND worker_id = :worker_id AND status = 'IN_PROGRESS'))
"""
END_INDEX = statement(f"""
    SELECT end_index FROM job WHERE id = :job_id AND adding_until IS NULL AND {MAY_ADD}
""")
TAKES = statement(f"SELECT 1 FROM job WHERE id = :job_id AND {MAY_ADD}")
OWNED = statement("""
    SELECT 1 FROM task WHERE id = :task_id AND job_id = :job_id
      AND worker_id = :worker_id AND status = 'IN_PROGRESS'
""")
RESERVE = statement("UPDATE job SET adding_until = :until WHERE id = :job_id")
GO_ON = statement(f"""
    UPDATE job SET adding_until = :until
    WHERE id = :job_id AND adding_until = :before AND {MAY_ADD}
""")
SHOW = statement(f"""
    UPDATE job SET end_index = :end, total = total + :count, skipped = skipped + :skipped,
                   scheduled = scheduled + :count - :skipped, adding_until = NULL,
                   version = version + 1
    WHERE id = :job_id AND {MAY_ADD}
      AND (adding_until = :until OR (:until IS NULL AND adding_until IS NULL))
""")


def add_few(connection: Connection, adder: Adder, tasks: Sequence[NewTask]) -> Added | None:
    """Add tasks in this one transaction; None: the job takes none, or somebody adds many now."""
    values = _of(adder)
    first = connection.execute(END_INDEX, values).scalar()
    if first is None:
        return None
    insert_chunk(connection, adder.job_id, first, tasks)
    added = Added(first=first, count=len(tasks), skipped=sum(task.skip for task in tasks))
    show(connection, adder, added)
    return added


def add_hidden(
    database: Database, adder: Adder, tasks: Iterable[NewTask], write: Write | None = None
) -> Added | None:
    """Write tasks in chunks that nobody sees until show(); None as add_few().

    `write` does something in a transaction; without it that is done at once, and once.
    """
    write, chunks = write or partial(_at_once, database), chunks_of(tasks)
    added: Added | None = write(partial(_reserve, adder))
    if added is None:
        return None
    try:
        for chunk in chunks:
            added = write(partial(_write, adder, added, chunk))
    except BaseException:
        with suppress(OperationalError):  # then they are removed as a dead one's are
            remove_hidden(database, adder.job_id, added.until)
        raise
    return added


def may_add(connection: Connection, adder: Adder) -> bool:
    """Whether the job still takes tasks from this adder, now or when it is its turn."""
    return connection.execute(TAKES, _of(adder)).first() is not None


def is_lost(connection: Connection, adder: Adder) -> bool:
    """Whether a task that wants to add is not this worker's any more."""
    return adder.task_id > 0 and connection.execute(OWNED, _of(adder)).first() is None


def show(connection: Connection, adder: Adder, added: Added) -> bool:
    """Let written tasks be part of their job; False: it has ended, or they were removed."""
    values = _of(adder) | {"end": added.first + added.count, "until": added.until}
    values |= {"count": added.count, "skipped": added.skipped}
    return bool(connection.execute(SHOW, values).rowcount)


HIDDEN = statement("""
    DELETE FROM task WHERE id IN (
        SELECT id FROM task WHERE job_id = :job_id
          AND idx >= (SELECT end_index FROM job WHERE id = :job_id) LIMIT :chunk)
""").on_mariadb("""
    DELETE FROM task WHERE job_id = :job_id
      AND idx >= (SELECT end_index FROM job WHERE id = :job_id) LIMIT :chunk
""")
RELEASE = statement("""
    UPDATE job SET adding_until = NULL WHERE id = :job_id AND adding_until = :until
""")
OVERDUE = statement("""
    UPDATE job SET adding_until = :until WHERE id = :job_id AND adding_until < :now
""")
HOLDS = statement("SELECT 1 FROM job WHERE id = :job_id AND adding_until = :until")


def remove_hidden(database: Database, job_id: int, until: str | None) -> None:
    """Remove tasks that never were part of their job, in chunks, and let others add again."""
    more = True
    while more:
        with database.writing() as connection:
            more = remove_hidden_chunk(connection, job_id, until)


def remove_hidden_chunk(connection: Connection, job_id: int, until: str | None) -> bool:
    """Remove some of them; tell whether there are more."""
    values = {"job_id": job_id, "until": until, "chunk": CHUNK}
    if connection.execute(HOLDS, values).first() is None:
        return False  # they are another adder's by now
    if connection.execute(HIDDEN, values).rowcount == CHUNK:
        return True
    connection.execute(RELEASE, values)
    return False


def take_over(connection: Connection, job_id: int) -> str | None:
    """Take from an adder that is overdue what it has written, to remove it; None: it is not."""
    values = {"job_id": job_id, "until": _until(), "now": iso(now())}
    return values["until"] if connection.execute(OVERDUE, values).rowcount else None  # type: ignore[return-value]


DELETE_TASKS = statement("""
    DELETE FROM task INDEXED BY uq_task_job_id_idx
    WHERE job_id = :job_id AND status = 'SCHEDULED'
      AND idx IN (SELECT value FROM json_each(:indexes))
      AND +idx < (SELECT end_index FROM job WHERE id = :job_id)
    RETURNING run_after
""")
COUNT_DELETED = statement("""
    UPDATE job SET total = total - :count, scheduled = scheduled - :count,
                   waiting = waiting - :waiting, version = version + 1
    WHERE id = :job_id
""")
BEGUN = statement("""
    SELECT idx, status FROM task WHERE job_id = :job_id
      AND idx IN (SELECT value FROM json_each(:indexes))
      AND +idx < (SELECT end_index FROM job WHERE id = :job_id)
    ORDER BY idx
""")


def statuses_of(connection: Connection, job_id: int, indexes: Collection[int]) -> dict[int, str]:
    """Return the status of each of these tasks that the job has."""
    values = {"job_id": job_id, "indexes": json.dumps(sorted(indexes))}
    return {row.idx: row.status for row in connection.execute(BEGUN, values)}


def delete_tasks(connection: Connection, job_id: int, indexes: Collection[int]) -> None:
    """Delete tasks that wait. Other tasks keep their indexes, which is what others know them by."""
    values = {"job_id": job_id, "indexes": json.dumps(sorted(indexes))}
    run_after = connection.execute(DELETE_TASKS, values).scalars().all()
    # Asked for here: what `IS NOT NULL` returns of a deleted row, SQLite 3.40 gets wrong.
    counts = {"count": len(run_after), "waiting": len(run_after) - run_after.count(None)}
    connection.execute(COUNT_DELETED, {"job_id": job_id} | counts)


def _of(adder: Adder) -> dict[str, object]:
    return {"job_id": adder.job_id, "task_id": adder.task_id, "worker_id": adder.worker_id}


def _at_once(database: Database, act: Callable[[Connection], Any]) -> Any:
    with database.writing() as connection:
        return act(connection)


def _reserve(adder: Adder, connection: Connection) -> Added | None:
    first = connection.execute(END_INDEX, _of(adder)).scalar()
    if first is None:
        return None
    added = Added(first=first, until=_until())
    connection.execute(RESERVE, {"job_id": adder.job_id, "until": added.until})
    return added


def _write(adder: Adder, added: Added, chunk: Sequence[NewTask], connection: Connection) -> Added:
    until = _until()
    values = _of(adder) | {"until": until, "before": added.until}
    if not connection.execute(GO_ON, values).rowcount:
        raise AddingInterrupted
    insert_chunk(connection, adder.job_id, added.first + added.count, chunk)
    count = added.count + len(chunk)
    skipped = added.skipped + sum(task.skip for task in chunk)
    return Added(first=added.first, count=count, skipped=skipped, until=until)


def _until() -> str:
    return iso(now() + ADDING)
