"""What people decide about handlers while they run: pause, resume, other limits (B11)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from app.db import now
from app.jobs.amending import NewLimit, stored_limit
from app.jobs.changing import HasId, id_of
from app.jobs.errors import InvalidParams, UnknownHandler
from app.jobs.events import NO_JOB, Bus
from app.jobs.looking import Looking
from app.jobs.pending import HandlerCode, pending_reasons
from app.jobs.registry import Registry
from app.jobs.store import keeping, steering
from app.jobs.store.steering import EVERYTHING
from app.jobs.values import storable_text
from app.jobs.views import HandlerRow, Pause, PendingReason, WorkerRow

LIMITS: Final = ("parallel_limit", "concurrency_limit")
LONGEST_REASON: Final = 500


class Steering(Looking):
    """Decides for all processes: what is stored here is in the guard of every claim."""

    bus: Bus
    registry: Registry
    _is_declared = False

    def handlers(self) -> list[HandlerRow]:
        """Every handler that was ever declared, by name, as it stands just now."""
        self._declare()
        with self.database.reading() as connection:
            return steering.handlers(connection)

    def handler(self, name: str) -> HandlerRow:
        """One of them; raise UnknownHandler."""
        found = self.handlers()
        for each in found:
            if each.name == name:
                return each
        raise UnknownHandler(name, [each.name for each in found])

    def pending_reason(self, job_id: int, hidden: Collection[str] = ()) -> PendingReason | None:
        """Return why a job does not run; None: it does, or it has ended.

        Jobs of the `hidden` handlers are not named.
        """
        with self.database.reading() as connection:
            found = pending_reasons(connection, [job_id], code=self._code(), hidden=hidden)
        return found.get(job_id)

    def pending_reasons(
        self, job_ids: Collection[int], hidden: Collection[str] = ()
    ) -> dict[int, PendingReason]:
        """Return why these jobs do not run, by id; of those that do, nothing.

        Without their places in the queue, which pending_reason() tells.
        """
        with self.database.reading() as connection:
            return pending_reasons(
                connection,
                job_ids,
                code=self._code(),
                hidden=hidden,
                with_place=False,
            )

    def _code(self) -> HandlerCode:
        installed = frozenset(each.name for each in self.registry)
        return HandlerCode(installed=installed, broken=self.registry.broken.keys())

    def workers(self) -> list[WorkerRow]:
        """The workers that are not known to be dead."""
        with self.database.reading() as connection:
            return steering.living(connection)

    def pauses(self) -> list[Pause]:
        """The pauses that are in force, that of everything first."""
        with self.database.reading() as connection:
            return steering.pauses(connection)

    def pause(
        self,
        handler: str,
        reason: str,
        *,
        until: datetime | None = None,
        by: HasId | int | None = None,
    ) -> None:
        """Let nothing of a handler begin any more, or of EVERYTHING, in any process.

        What runs goes on to its end, and a job can be cancelled. With `until` it ends by itself.
        Raises UnknownHandler, and InvalidParams for a reason or an end that will not do.
        """
        reason = _reason(reason)
        if until is not None and until <= now():
            raise InvalidParams({"until": ["Name a time that is to come."]})
        self._demand(handler)
        with self.database.writing() as connection:
            steering.pause(connection, handler, by=id_of(by), reason=reason, until=until)
        self._tell()

    def resume(self, handler: str) -> None:
        """End the pause of a handler, or that of EVERYTHING; nothing happens when there is none.

        Each has its own: a handler stays paused while everything is. Raises UnknownHandler.
        """
        self._demand(handler)
        with self.database.writing() as connection:
            steering.resume(connection, handler)
        self._tell()

    def set_limits(
        self, handler: str, limits: Mapping[str, NewLimit], *, by: HasId | int | None = None
    ) -> None:
        """Set `parallel_limit`, `concurrency_limit` or both, over what the handler's code declares.

        It counts from the next claim on, in every process, also for jobs that exist; what runs
        above a lower one goes on. None is no limit, DECLARED takes back what was set. Raises
        UnknownHandler, InvalidParams.
        """
        stored = {name: _stored(limits, name) for name in limits}
        self.handler(handler)  # or there is no such handler, as EVERYTHING is none
        with self.database.writing() as connection:
            steering.set_limits(connection, handler, stored, id_of(by))
        self._tell()

    def _tell(self) -> None:
        """Have others look: at all that has not ended, and at what is shown beside it."""
        self.bus.announce({NO_JOB, *self.active_versions()})

    def _demand(self, handler: str) -> None:
        if handler != EVERYTHING:
            self.handler(handler)

    def _declare(self) -> None:
        """Have it known what the handlers declare, also where no worker has them yet."""
        if self._is_declared:
            return
        with self.database.writing() as connection:
            keeping.declare_handlers(connection, self.registry.declared)
        self._is_declared = True


def _reason(said: str) -> str:
    reason = storable_text(said).strip()
    if not reason:
        raise InvalidParams({"reason": ["Write why, for those who wonder what is going on."]})
    if len(reason) > LONGEST_REASON:
        raise InvalidParams({"reason": [f"A reason has at most {LONGEST_REASON} characters."]})
    return reason


def _stored(limits: Mapping[str, NewLimit], name: str) -> int | None:
    if name not in LIMITS:
        raise InvalidParams({name: [f"The limits are {' and '.join(LIMITS)}."]})
    return stored_limit(name, limits[name])
