"""Workers: their rows, their heartbeat, and the return of what dead ones had claimed (B7)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection

from app.db import Database, iso, now
from app.jobs.store.candidates import SUSPECT_CRASHES
from app.sql import rows, statement
from app.wordings import NOW_ON_MARIADB, NOW_ON_POSTGRESQL

# Leases are by the clock of SQLite's host, or of the server itself: no other can end them.
_END_ON_POSTGRESQL = f"{NOW_ON_POSTGRESQL} + make_interval(secs => :lease)"
_END_ON_MARIADB = NOW_ON_MARIADB.replace("(6)", "(6) + INTERVAL :lease SECOND")
_REGISTER = """
    INSERT INTO worker (host, pid, mark, handlers, threads, alive, started_at, expires_at)
    VALUES (:host, :pid, :mark, :handlers, :threads, true, {now}, {end}) RETURNING id
"""
REGISTER = (
    statement(_REGISTER.format(now=":now", end=":expires_at"))
    .on_postgresql(_REGISTER.format(now=NOW_ON_POSTGRESQL, end=_END_ON_POSTGRESQL))
    .on_mariadb(_REGISTER.format(now=NOW_ON_MARIADB, end=_END_ON_MARIADB))
)
DECLARE_HANDLER = (
    statement("""
    INSERT INTO handler (name, concurrency_limit, parallel_limit, roles)
    VALUES (:name, :concurrency_limit, :parallel_limit, :roles)
    ON CONFLICT (name) DO UPDATE
    SET concurrency_limit = excluded.concurrency_limit,
        parallel_limit = excluded.parallel_limit, roles = excluded.roles
    WHERE coalesce(handler.concurrency_limit, -1) <> coalesce(excluded.concurrency_limit, -1)
       OR coalesce(handler.parallel_limit, -1) <> coalesce(excluded.parallel_limit, -1)
       OR handler.roles <> excluded.roles
""")
    .on_mariadb("""
    INSERT INTO handler (name, concurrency_limit, parallel_limit, roles)
    VALUES (:name, :concurrency_limit, :parallel_limit, :roles)
    ON DUPLICATE KEY UPDATE concurrency_limit = value(concurrency_limit),
        parallel_limit = value(parallel_limit), roles = value(roles)
""")
    .on_sql_server("""
    MERGE INTO handler WITH (HOLDLOCK)
    USING (SELECT :name AS name, :concurrency_limit AS concurrency_limit,
                  :parallel_limit AS parallel_limit, :roles AS roles) AS said
    ON handler.name = said.name
    WHEN MATCHED THEN UPDATE SET concurrency_limit = said.concurrency_limit,
                                 parallel_limit = said.parallel_limit, roles = said.roles
    WHEN NOT MATCHED THEN INSERT (name, concurrency_limit, parallel_limit, roles)
         VALUES (said.name, said.concurrency_limit, said.parallel_limit, said.roles);
""")
)


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker as others see it."""

    id: int
    host: str
    mark: str
    is_late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a worker died: what it was running, and whether one of these tasks may have done it."""

    ran: tuple[int, ...]
    blames_tasks: bool = True


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back from a dead worker: the jobs it touches, and how many tasks were failed."""

    job_ids: tuple[int, ...]
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorker:
    """What a process tells of itself when it begins: `mark` is its file, `lease` is in seconds."""

    host: str
    pid: int
    mark: str
    handlers: Iterable[str]
    lease: float
    threads: int = 1


def register(connection: Connection, worker: NewWorker) -> int:
    """Add a worker and return its id, which is the fence of all that it will claim."""
    moment = now()
    worker_id: int = connection.execute(
        REGISTER,
        {
            "host": worker.host,
            "pid": worker.pid,
            "mark": worker.mark,
            "handlers": json.dumps(sorted(worker.handlers)),
            "threads": worker.threads,
            "now": iso(moment),
            "lease": worker.lease,
            "expires_at": iso(moment + timedelta(seconds=worker.lease)),
        },
    ).scalar_one()
    return worker_id


@dataclass(frozen=True, slots=True)
class Declared:
    """What a handler's code declares: jobs and tasks at once (None: no limit), who may do what."""

    concurrency_limit: int | None = 1
    parallel_limit: int | None = 3
    roles: Mapping[str, str] = field(default_factory=dict)


def declare_handlers(connection: Connection, handlers: Mapping[str, Declared]) -> None:
    """Keep a row for each of these handlers, with what its code declares."""
    for name, declared in handlers.items():
        roles = json.dumps(dict(declared.roles), sort_keys=True)
        values = {
            "name": name,
            "concurrency_limit": declared.concurrency_limit,
            "parallel_limit": declared.parallel_limit,
            "roles": roles,
        }
        connection.execute(DECLARE_HANDLER, values)


ROLES = statement("SELECT name, roles FROM handler", columns="name, roles")


def declared_roles(connection: Connection) -> dict[str, dict[str, str]]:
    """Return who may do what with each handler that was ever declared."""
    return {name: json.loads(roles) for name, roles in rows(connection, ROLES, {})}


_RENEW = """
    UPDATE worker SET expires_at = {end}, renewed_at = {now} WHERE id = :worker_id AND alive
"""
RENEW = (
    statement(_RENEW.format(now=":now", end=":expires_at"))
    .on_postgresql(_RENEW.format(now=NOW_ON_POSTGRESQL, end=_END_ON_POSTGRESQL))
    .on_mariadb(_RENEW.format(now=NOW_ON_MARIADB, end=_END_ON_MARIADB))
)


def renew(connection: Connection, worker_id: int, lease: float) -> bool:
    """Renew a worker's lease; False: it was taken for dead meanwhile."""
    moment = now()
    expires_at = iso(moment + timedelta(seconds=lease))
    values = {"worker_id": worker_id, "expires_at": expires_at, "now": iso(moment), "lease": lease}
    return bool(connection.execute(RENEW, values).rowcount)


_LIVING = """
    SELECT id, host, mark, expires_at < {now} AS is_late FROM worker WHERE alive AND id <> :but
"""
LIVING = (
    statement(_LIVING.format(now=":now"))
    .on_postgresql(_LIVING.format(now=NOW_ON_POSTGRESQL))
    .on_mariadb(_LIVING.format(now=NOW_ON_MARIADB))
)


def living(connection: Connection, but: int) -> list[WorkerRow]:
    """Return the workers that are not known to be dead, without the one that asks."""
    rows = connection.execute(LIVING, {"now": iso(now()), "but": but})
    return [WorkerRow(id_, host, mark, bool(late)) for id_, host, mark, late in rows]


BURY = statement("UPDATE worker SET alive = false WHERE id = :worker_id AND alive")
ORPHANS = """
    FROM task WHERE status = 'IN_PROGRESS' AND +worker_id = :worker_id
"""
TOUCHED = statement(f"""
    SELECT DISTINCT job_id {ORPHANS} UNION SELECT id FROM job WHERE finisher = :worker_id
""")
KEEP_CRASHES = statement(f"""
    INSERT INTO attempt (task_id, number, status, worker_id, started_at, finished_at, error)
    SELECT id, attempt, 'CRASHED', worker_id, started_at, :now,
           'The worker process died while this task ran.' {ORPHANS}
      AND (:all OR id IN (SELECT value FROM json_each(:ran)))
""")
FAIL_REPEATED = statement(f"""
    UPDATE task SET status = 'FAILED', crashes = crashes + 1, finished_at = :now, error = :reason,
                    version = (SELECT version + 1 FROM job WHERE id = task.job_id)
    WHERE status = 'IN_PROGRESS' AND +worker_id = :worker_id AND crashes >= {SUSPECT_CRASHES}
      AND :blames_tasks AND (:all OR id IN (SELECT value FROM json_each(:ran)))
""")
RETURN_ORPHANS = statement("""
    UPDATE task SET status = 'SCHEDULED', worker_id = NULL,
                    crashes = crashes + CASE WHEN :blames_tasks
                      AND (:all OR id IN (SELECT value FROM json_each(:ran))) THEN 1 ELSE 0 END,
                    attempt = attempt - CASE WHEN :all
                      OR id IN (SELECT value FROM json_each(:ran)) THEN 0 ELSE 1 END,
                    version = (SELECT version + 1 FROM job WHERE id = task.job_id)
    WHERE status = 'IN_PROGRESS' AND +worker_id = :worker_id
""")
#: The mark of a worker names a finish step by the job's id below 0.
RETURN_STEPS = statement("""
    UPDATE job SET finisher = NULL, finish_step = nullif(finish_step, 'before'),
                   version = version + 1,
                   finish_crashes = finish_crashes + CASE WHEN :blames_tasks
                     AND (:all OR -id IN (SELECT value FROM json_each(:ran))) THEN 1 ELSE 0 END
    WHERE finisher = :worker_id
""")
REPEATED = (
    f"Its worker process died {SUSPECT_CRASHES + 1} times while this task ran, the last time with "
    "nothing else beside it, so it is not tried again. Look for a crash of native code or for "
    "memory that runs out."
)


def bury(database: Database, worker_id: int, death: Death | None) -> Returned | None:
    """Mark a worker dead and return its claims, in one transaction; None: another one did it.

    What it was running is tried anew, and counts a crash when a task may be to blame. With
    `death` not known (it was on another host), every one of its tasks may have been running.
    """
    values = {
        "worker_id": worker_id,
        "now": iso(now()),
        "all": death is None,
        "ran": json.dumps(death.ran if death else ()),
        "blames_tasks": death is None or death.blames_tasks,
        "reason": REPEATED,
    }
    with database.writing() as connection:
        if not connection.execute(BURY, values).rowcount:
            return None
        touched = tuple(connection.execute(TOUCHED, values).scalars())
        connection.execute(KEEP_CRASHES, values)
        failed = connection.execute(FAIL_REPEATED, values).rowcount
        connection.execute(RETURN_ORPHANS, values)
        connection.execute(RETURN_STEPS, values)
    return Returned(touched, failed)


HAND_BACK = statement("""
    UPDATE task SET status = 'SCHEDULED', worker_id = NULL, attempt = attempt - 1,
                    started_at = NULL,
                    version = (SELECT version + 1 FROM job WHERE id = task.job_id)
    WHERE status = 'IN_PROGRESS' AND +worker_id = :worker_id
""")
HAND_BACK_STEPS = statement("""
    UPDATE job SET finisher = NULL, finish_step = nullif(finish_step, 'before'),
                   version = version + 1
    WHERE finisher = :worker_id
""")


def retire(database: Database, worker_id: int) -> None:
    """Mark a worker that leaves in good order. What it has not ended counts as no try (B10)."""
    with database.writing() as connection:
        if connection.execute(BURY, {"worker_id": worker_id}).rowcount:
            connection.execute(HAND_BACK, {"worker_id": worker_id})
            connection.execute(HAND_BACK_STEPS, {"worker_id": worker_id})
