"""How jobs end: by their finish step, or by a person who cancels them (A8, A11).

A job that somebody cancels is marked in one row. What has not begun is cancelled in chunks, what
runs is asked to stop, and only when nothing of it runs any more the job is CANCELLED.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.db import iso, now
from app.jobs.store.rescheduling import Reschedule, follow
from app.jobs.store.steering import not_paused
from app.sql import statement

#: Tasks in one transaction, so that no other writer waits longer than some 50 ms for it.
CHUNK = 5_000
#: What a job ends as when nothing of it runs any more.
OUTCOME = """CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN failed > 0 OR cancelled > 0 THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END"""
#: A job of which nothing is left to do, and whose end nobody sees to.
IS_COMPLETE = """+status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
    AND finisher IS NULL"""
#: After so many workers that died in it, a callback is not called again.
MOST_CRASHES = 3

ASK_TO_CANCEL = statement("""
    UPDATE job SET cancel_requested_at = :at, cancel_requested_by = :by, retrying = NULL,
                   waiting_until = NULL, version = version + 1
    WHERE id = :job_id AND status IN ('QUEUED', 'IN_PROGRESS') AND cancel_requested_at IS NULL
      AND preparing_until IS NULL
""")
IS_CANCELLING = statement("""
    SELECT end_index FROM job WHERE id = :job_id AND cancel_requested_at IS NOT NULL
      AND status IN ('QUEUED', 'IN_PROGRESS')
""")
_CANCEL = """
    UPDATE task SET status = 'CANCELLED', finished_at = :at, run_after = NULL"""
CANCEL_TASKS = statement(f"""{_CANCEL},
                    version = (SELECT version + 1 FROM job WHERE id = :job_id)
    WHERE id IN (SELECT id FROM (
        SELECT id, idx FROM task INDEXED BY ix_task_scheduled
        WHERE job_id = :job_id AND status = 'SCHEDULED' AND run_after IS NULL AND idx < :end
        UNION ALL SELECT id, idx FROM task WHERE job_id = :job_id AND run_after IS NOT NULL
        ORDER BY idx LIMIT :chunk) AS next)
""").on_mariadb(f"""{_CANCEL}
    WHERE job_id = :job_id AND status = 'SCHEDULED' AND idx < :end ORDER BY idx LIMIT :chunk
""")
END_CANCELLED = statement("""
    UPDATE job SET status = 'CANCELLED', finished_at = :at, finish_step = NULL,
                   version = version + 1
    WHERE id = :job_id AND status IN ('QUEUED', 'IN_PROGRESS') AND cancel_requested_at IS NOT NULL
      AND scheduled = 0 AND in_progress = 0 AND finisher IS NULL
""")


def ask_to_cancel(connection: Connection, job_id: int, by: int | None) -> bool:
    """Mark a job as one to be cancelled; False: it has ended, or was marked before."""
    values = {"job_id": job_id, "by": by, "at": iso(now())}
    return bool(connection.execute(ASK_TO_CANCEL, values).rowcount)


def cancel_chunk(connection: Connection, job_id: int, at: str) -> bool:
    """Cancel some of what has not begun, and the job with the last; tell whether there is more."""
    end = connection.execute(IS_CANCELLING, {"job_id": job_id}).scalar()
    if end is None:
        return False
    values = {"job_id": job_id, "at": at, "end": end, "chunk": CHUNK}
    if connection.execute(CANCEL_TASKS, values).rowcount == CHUNK:
        return True
    connection.execute(END_CANCELLED, values)
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnd:
    """What a finish step has come to: `error` of its callback; `is_owed`: another one follows.

    `reschedule`: how the job is started once more if it ends with errors.
    It is fenced by its worker, and by the `run` of the job that it belongs to: a job that is
    tried again while its last callback runs may come to its next finish step in the same worker.
    """

    job_id: int
    worker_id: int
    run: str | None
    error: str | None = None
    is_owed: bool = False
    reschedule: Reschedule | None = None

    @property
    def values(self) -> dict[str, Any]:
        """For the statements below."""
        return {
            "job_id": self.job_id,
            "worker_id": self.worker_id,
            "run": self.run,
            "error": self.error,
            "after": "after" if self.is_owed else None,
            "at": iso(now()),
        }


OWNED = "id = :job_id AND finisher = :worker_id AND started_at IS :run"
GO_ON = statement(f"""
    UPDATE job SET finisher = NULL, finish_step = NULL, finish_rounds = finish_rounds + 1,
                   finish_crashes = 0, version = version + 1
    WHERE {OWNED} AND finish_step = 'before'
      AND CAST(:error AS text) IS NULL AND (scheduled > 0 OR in_progress > 0)
      AND cancel_requested_at IS NULL
""")
END = statement(f"""
    UPDATE job SET status = CASE WHEN cancel_requested_at IS NULL
                                   AND coalesce(:error, error) IS NOT NULL
                                 THEN 'DONE_WITH_ERRORS' ELSE {OUTCOME} END,
                   finished_at = :at, finish_crashes = 0, version = version + 1,
                   error = coalesce(:error, error),
                   finish_step = CASE WHEN cancel_requested_at IS NULL
                                      THEN CAST(:after AS text) END,
                   finisher = CASE WHEN cancel_requested_at IS NULL
                                     AND CAST(:after AS text) IS NOT NULL THEN finisher END
    WHERE {OWNED} AND finish_step = 'before'
      AND scheduled = 0 AND in_progress = 0
""")
LET_GO = statement(f"""
    UPDATE job SET finisher = NULL, finish_step = NULL, version = version + 1,
                   error = coalesce(error || '\n' || CAST(:error AS text), :error,
                                    error)
    WHERE {OWNED}
""")


@dataclass(frozen=True, slots=True)
class Ended:
    """What comes after `before_job_finish`: a last callback (never after a cancel), another job."""

    is_owed: bool = False
    successor: int | None = None


def end_step(connection: Connection, step: StepEnd) -> Ended:
    """Record that `before_job_finish` is over: the job goes on if it has tasks again, else ends."""
    if connection.execute(GO_ON, step.values).rowcount:
        return Ended()
    if connection.execute(END, step.values).rowcount:
        is_owed = step.is_owed and owns_step(connection, step)
        successor = follow(connection, step.job_id, step.reschedule) if step.reschedule else None
        return Ended(is_owed, successor)
    # It has tasks although its callback failed, or was cancelled with tasks that it has added.
    let_go(connection, step)
    return Ended()


def let_go(connection: Connection, step: StepEnd) -> None:
    """Record that the finish step is over for good, with the error of its last callback."""
    connection.execute(LET_GO, step.values)


OWNS = statement(f"SELECT 1 FROM job WHERE {OWNED}")
CANCELLED = statement("SELECT 1 FROM job WHERE id = :job_id AND cancel_requested_at IS NOT NULL")


def owns_step(connection: Connection, step: StepEnd) -> bool:
    """Whether the step still belongs to this worker."""
    return connection.execute(OWNS, step.values).first() is not None


def is_cancelled(connection: Connection, job_id: int) -> bool:
    """Whether somebody has asked to cancel a job."""
    return connection.execute(CANCELLED, {"job_id": job_id}).first() is not None


#: Asked for once a second: by the small index of each of these, never by all jobs that wait.
LEFT_BEHIND = statement(f"""
    SELECT 'cancel' AS what, id, finish_crashes FROM job INDEXED BY ix_job_cancelling
    WHERE cancel_requested_at IS NOT NULL AND status IN ('QUEUED', 'IN_PROGRESS')
      AND (scheduled > 0 OR in_progress = 0) AND finisher IS NULL
    UNION ALL SELECT 'retry', id, finish_crashes FROM job WHERE retrying IS NOT NULL
    UNION ALL SELECT 'add', id, finish_crashes FROM job
    WHERE adding_until IS NOT NULL AND adding_until < :now
    UNION ALL SELECT 'finish', id, finish_crashes FROM job INDEXED BY ix_job_finishing
    WHERE finish_step = 'after' AND finisher IS NULL
      AND handler IN (SELECT value FROM json_each(:handlers))
      AND {not_paused("job.handler", ":now")}
    LIMIT 100
""")


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """Something that was begun and not ended: a cancel, a retry, an add, or a finish step."""

    what: str
    job_id: int
    crashes: int = 0


def left_behind(connection: Connection, handlers: Iterable[str]) -> list[LeftBehind]:
    """Return what somebody began and, perhaps, will not end: its process may have died.

    Of finish steps, only those that a worker with these handlers can do just now.
    """
    values = {"now": iso(now()), "handlers": json.dumps(list(handlers))}
    return [LeftBehind(*row) for row in connection.execute(LEFT_BEHIND, values)]
