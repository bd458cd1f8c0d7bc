"""A job that ended with errors is followed by another one, which tries what failed (Q4).

The successor comes with the end of its predecessor, in one transaction: there is exactly one,
whenever a process dies. Tasks of which there are many are copied in chunks, by the mark
`retrying`, as a retry reopens them; until all are there nothing of the job runs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from app.db import iso, now
from app.sql import statement

CHUNK = 5_000
#: How often, when there is no bound.
UNBOUNDED: Final = 2**31 - 1
#: So much of a chain is shown, before a job and after it.
MOST_IN_CHAIN: Final = 20


@dataclass(frozen=True, slots=True)
class Reschedule:
    """Start a job again after `delay` seconds, at most so often in a row (None: no bound)."""

    delay: float
    most: int | None

    @property
    def said(self) -> str:
        """Why a job is not started again any more."""
        times = "once" if self.most == 1 else f"{self.most} times"
        return (
            f"It is not started again: it has been {times}, the most that max_reschedules of its "
            "handler allows. Mend what fails, then retry it."
        )


#: The state goes on, as it does for a retry. The places of the tasks are kept from the beginning:
#: what is added meanwhile comes behind them.
FOLLOW = statement("""
    INSERT INTO job (name, handler, status, priority, parallel_limit, retries, timeout, params,
                     input, state, started_by, created_at, due_at, waiting_until,
                     rescheduled_from_job, reschedules, end_index)
    SELECT name, handler, 'QUEUED', priority, parallel_limit, retries, timeout, params,
           input, state, started_by, :at, :due, :due,
           id, reschedules + 1, failed
    FROM job
    WHERE id = :job_id AND status = 'DONE_WITH_ERRORS' AND reschedules < :most
      AND NOT EXISTS (SELECT 1 FROM job AS later
                      WHERE later.rescheduled_from_job = :job_id AND later.reschedules > 0)
    RETURNING id, end_index
""")
HAND_UPLOADS_ON = statement("""
    UPDATE file SET job_id = :later WHERE job_id = :job_id AND uploaded
""")
GIVE_UP = statement("""
    UPDATE job SET error = CASE WHEN error IS NULL THEN '' ELSE error || '\n' END || :said,
                   version = version + 1
    WHERE id = :job_id AND status = 'DONE_WITH_ERRORS' AND reschedules >= :most
""")
FAILED = statement("""
    SELECT id, idx FROM task INDEXED BY ix_task_failed
    WHERE job_id = :job_id AND status = 'FAILED' AND idx >= :first
    ORDER BY idx LIMIT :most
""")
COPY = statement("""
    INSERT INTO task (job_id, idx, status, state)
    SELECT :later, :place + row_number() OVER (ORDER BY idx) - 1, 'SCHEDULED', state
    FROM task WHERE id IN (SELECT value FROM json_each(:ids))
""")
COUNT = statement("""
    UPDATE job SET total = total + :copied, scheduled = scheduled + :copied, retrying = :retrying,
                   version = version + 1
    WHERE id = :later
""")


def follow(connection: Connection, job_id: int, how: Reschedule) -> int | None:
    """Start a job that ended with errors once more, with copies of what failed; return its id.

    None: it did not end so, it has its successor (somebody has retried it since), or it may have
    none any more; that is said on it.
    """
    moment = now()
    values = {
        "job_id": job_id,
        "most": UNBOUNDED if how.most is None else how.most,
        "at": iso(moment),
        "due": iso(moment + timedelta(seconds=how.delay)),
        "said": how.said,
    }
    made = connection.execute(FOLLOW, values).first()
    if made is None:
        connection.execute(GIVE_UP, values)
        return None
    connection.execute(HAND_UPLOADS_ON, {"job_id": job_id, "later": made.id})
    copy_chunk(connection, made.id, {"of": job_id, "first": 0, "place": 0, "end": made.end_index})
    later: int = made.id
    return later


def copy_chunk(connection: Connection, later: int, wanted: dict[str, int]) -> bool:
    """Copy some of the tasks `of` a job that failed, from index `first` on; tell if there are more.

    One that somebody retries meanwhile is not copied: it runs where it is.
    """
    most = min(CHUNK, wanted["end"] - wanted["place"])
    asked = {"job_id": wanted["of"], "first": wanted["first"], "most": most}
    failed = connection.execute(FAILED, asked).all()
    values = {"later": later, "ids": json.dumps([each.id for each in failed])}
    connection.execute(COPY, values | {"place": wanted["place"]})
    is_last = len(failed) < CHUNK
    rest = wanted | {"place": wanted["place"] + len(failed)}
    retrying = None if is_last else json.dumps(rest | {"first": failed[-1].idx + 1})
    connection.execute(COUNT, values | {"copied": len(failed), "retrying": retrying})
    return not is_last


#: Both ways no further than anybody follows; a deleted job is named by the one that repeats it.
EARLIER = statement("""
    WITH RECURSIVE chain (id, steps) AS (
        SELECT rescheduled_from_job, 1 FROM job WHERE id = :job_id
        UNION ALL
        SELECT job.rescheduled_from_job, steps + 1
        FROM chain CROSS JOIN job WHERE job.id = chain.id AND steps < :most)
    SELECT id FROM chain WHERE id IS NOT NULL ORDER BY steps DESC
""")
LATER = statement("""
    WITH RECURSIVE chain (id, steps) AS (
        SELECT CAST(:job_id AS bigint), 0
        UNION ALL
        SELECT job.id, steps + 1
        FROM chain CROSS JOIN job
        WHERE job.rescheduled_from_job = chain.id AND job.preparing_until IS NULL
          AND steps < :most)
    SELECT id FROM chain WHERE steps > 0 ORDER BY steps, id LIMIT :most
""")


def earlier_jobs(connection: Connection, job_id: int) -> list[int]:
    """Return what a job repeats, and what that repeats, oldest first; some may be deleted."""
    values = {"job_id": job_id, "most": MOST_IN_CHAIN}
    return list(connection.execute(EARLIER, values).scalars())


def later_jobs(connection: Connection, job_id: int) -> list[int]:
    """Return the jobs that repeat this one, those that repeat these, and so on."""
    values = {"job_id": job_id, "most": MOST_IN_CHAIN}
    return list(connection.execute(LATER, values).scalars())
