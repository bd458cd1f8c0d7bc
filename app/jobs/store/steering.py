"""What people decide about handlers while they run: pauses, and limits of their own (B11).

Claims ask for both in their guards. So a pause holds in every process from its commit on, and ends
at its moment though nobody writes anything then; and a limit counts from the next claim on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, literal_column, or_, select

from app.db import iso, now
from app.jobs import models
from app.jobs.store.listing import COUNT_CAP
from app.jobs.views import HandlerRow, Limit, Pause, Person, WorkerRow
from app.sql import Expression, statement
from app.users.models import User

#: Stands for all handlers where one is named.
EVERYTHING: Final = "*"

#: How many jobs of a `handler` may run at once: NULL is no limit.
CONCURRENCY_LIMIT: Final = """nullif(coalesce(
          handler.set_concurrency_limit, handler.concurrency_limit), 0)"""
_OF_HANDLER: Final = "handler.set_parallel_limit, handler.parallel_limit"
#: How many tasks of a `job` of this `handler` may run at once: NULL is no limit.
PARALLEL_LIMIT: Final = f"""nullif(coalesce(
          job.parallel_limit, {_OF_HANDLER}), 0)"""


def not_paused(handler: str, at: str) -> str:
    """The condition that at that moment neither this handler nor everything is paused."""
    return f"""NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN ({handler}, '{EVERYTHING}')
            AND (pause.until IS NULL OR pause.until > {at}))"""


#: Made once: the scheduler asks in each of its turns.
_PAUSES = (
    select(
        models.Pause.handler,
        models.Pause.paused_at,
        models.Pause.reason,
        models.Pause.until,
        User.id,
        User.email,
    )
    .outerjoin(User, User.id == models.Pause.paused_by)
    .where(or_(models.Pause.until.is_(None), models.Pause.until > bindparam("now")))
    .order_by(models.Pause.handler)
)


def pauses(connection: Connection) -> list[Pause]:
    """Return the pauses that are in force, the one of everything first."""
    return [
        Pause(
            handler=row.handler,
            paused_at=row.paused_at,
            paused_by=None if row.id is None else Person(row.id, row.email),
            reason=row.reason,
            until=row.until,
        )
        for row in connection.execute(_PAUSES, {"now": now()})
    ]


PAUSE = (
    statement("""
    INSERT INTO pause (handler, paused_at, paused_by, reason, until)
    VALUES (:handler, :at, :by, :reason, :until)
    ON CONFLICT (handler) DO UPDATE
    SET paused_at = excluded.paused_at, paused_by = excluded.paused_by,
        reason = excluded.reason, until = excluded.until
""")
    .on_mariadb("""
    REPLACE INTO pause (handler, paused_at, paused_by, reason, until)
    VALUES (:handler, :at, :by, :reason, :until)
""")
    .on_sql_server("""
    MERGE INTO pause WITH (HOLDLOCK)
    USING (SELECT :handler AS handler, :at AS at, :by AS said_by, :reason AS reason,
                  :until AS until) AS said ON pause.handler = said.handler
    WHEN MATCHED THEN UPDATE SET paused_at = said.at, paused_by = said.said_by,
                                 reason = said.reason, until = said.until
    WHEN NOT MATCHED THEN INSERT (handler, paused_at, paused_by, reason, until)
         VALUES (said.handler, said.at, said.said_by, said.reason, said.until);
""")
)
RESUME = statement("DELETE FROM pause WHERE handler = :handler")


def pause(
    connection: Connection, handler: str, *, by: int | None, reason: str, until: datetime | None
) -> None:
    """Pause a handler, or EVERYTHING; a pause that there is gives way to this one."""
    values = {"handler": handler, "by": by, "reason": reason, "at": iso(now())}
    connection.execute(PAUSE, values | {"until": None if until is None else iso(until)})


def resume(connection: Connection, handler: str) -> None:
    """End the pause of a handler, or that of EVERYTHING, if there is one."""
    connection.execute(RESUME, {"handler": handler})


SET_LIMIT = {
    name: statement(f"""
        UPDATE handler SET set_{name} = :limit, limits_set_at = :at, limits_set_by = :by
        WHERE name = :handler
    """)
    for name in ("parallel_limit", "concurrency_limit")
}
SET_LIMIT_OF_JOB = statement("""
    UPDATE job SET parallel_limit = :limit, version = version + 1
    WHERE id = :job_id AND status IN ('QUEUED', 'IN_PROGRESS') AND preparing_until IS NULL
""")


def set_limits(
    connection: Connection, handler: str, limits: Mapping[str, int | None], by: int | None
) -> None:
    """Set these limits of a handler over the declared ones; None: what is declared, 0: no limit."""
    for name, limit in limits.items():
        values = {"handler": handler, "limit": limit, "at": iso(now()), "by": by}
        connection.execute(SET_LIMIT[name], values)


def set_limit_of_job(connection: Connection, job_id: int, limit: int | None) -> bool:
    """Set how many tasks of a job run at once (None: as its handler says); False: it has ended."""
    values = {"job_id": job_id, "limit": limit}
    return bool(connection.execute(SET_LIMIT_OF_JOB, values).rowcount)


def _queued(handler: str) -> str:
    """How many jobs are in the queue of a handler, by an expression for its name."""
    return f"""(SELECT count(*) FROM (
    SELECT 1 AS one FROM job
    WHERE job.handler = {handler} AND job.status = 'QUEUED' AND job.waiting_until IS NULL
      AND job.preparing_until IS NULL
    LIMIT {COUNT_CAP + 1}) AS some_of_them)"""


#: On MariaDB a table in a FROM knows nothing of the row that it is made for.
QUEUED_ON_MARIADB: Final = f"""CREATE OR REPLACE FUNCTION queued_of (the_handler VARCHAR(100))
RETURNS INTEGER
READS SQL DATA
RETURN {_queued("the_handler")}"""

_HANDLERS: Select[*tuple[Any, ...]] = (
    select(
        models.Handler,
        literal_column(CONCURRENCY_LIMIT).label("concurrency_now"),
        literal_column(f"nullif(coalesce({_OF_HANDLER}), 0)").label("parallel_now"),
        Expression(_queued("handler.name"), mariadb="queued_of(handler.name)").label("queued"),
        User.id,
        User.email,
    )
    .outerjoin(User, User.id == models.Handler.limits_set_by)
    .order_by(models.Handler.name)
)


def handlers(connection: Connection) -> list[HandlerRow]:
    """Return every handler that was ever declared, by name, as it stands just now."""
    paused = {each.handler: each for each in pauses(connection)}
    workers = Counter(name for worker in living(connection) for name in worker.handlers)
    return [
        HandlerRow(
            name=row.name,
            parallel_limit=_limit(row, "parallel"),
            concurrency_limit=_limit(row, "concurrency"),
            limits_set_at=row.limits_set_at,
            limits_set_by=None if row.id is None else Person(row.id, row.email),
            running=row.running,
            queued=row.queued,
            workers=workers[row.name],
            pause=paused.get(row.name),
        )
        for row in connection.execute(_HANDLERS)
    ]


def _limit(row: Row[*tuple[Any, ...]], name: str) -> Limit:
    return Limit(
        now=row._mapping[f"{name}_now"],
        declared=row._mapping[f"{name}_limit"],
        is_set=row._mapping[f"set_{name}_limit"] is not None,
    )


_LIVING = select(models.Worker).where(models.Worker.alive).order_by(models.Worker.id)


def living(connection: Connection) -> list[WorkerRow]:
    """Return the workers that are not known to be dead."""
    return [
        WorkerRow(
            id=row.id,
            host=row.host,
            pid=row.pid,
            threads=row.threads,
            handlers=tuple(json.loads(row.handlers)),
            started_at=row.started_at,
            renewed_at=row.renewed_at,
            is_late=row.expires_at < now(),
        )
        for row in connection.execute(_LIVING)
    ]
