"""Write one group of the journal, whatever it takes: again, in part, or with changes made anew.

For the journal's thread. While the database cannot be written a group is kept and tried again; a
change of a job's state whose base has moved is made again; and what the database refuses is found,
and fails its own task only.
"""

from __future__ import annotations

import logging
import threading

from sqlalchemy.exc import DBAPIError, OperationalError

from app.db import Database, Line, why
from app.jobs.errors import EngineStopped, JobNotFound, TaskLost, ValueNotStorable
from app.jobs.gathering import Gathering
from app.jobs.group import Group, Ticket
from app.jobs.refusals import refused
from app.jobs.store import recording
from app.jobs.store.recording import Fenced, StateMoved

log = logging.getLogger(__name__)

#: After a failure the same group is tried again, at first soon.
RETRY_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)


class Writer:
    """Writes groups. `changed` is the lock of what is gathered, and tells those who wait for it."""

    def __init__(
        self,
        database: Database,
        gathering: Gathering,
        changed: threading.Condition,
        given_up: threading.Event,
    ) -> None:
        self._database = database
        self._line = Line(database)
        self._gathering = gathering
        self._changed = changed
        self._given_up = given_up
        #: Why nothing can be written just now, as a sentence; None when all is well.
        self.trouble: str | None = None

    def close(self) -> None:
        """Give the connection back."""
        self._line.close()

    def write(self, group: Group) -> None:
        """Write a group, again and again while the database cannot be written.

        Raises Fenced, and EngineStopped when it is to be given up.
        """
        tries = 0
        while True:
            try:
                self._write(group)
                break
            except Fenced:
                self.trouble = None  # of whoever comes next nothing is known yet
                raise
            except EngineStopped:
                raise
            except OperationalError as error:
                self._tell_trouble(why(error))
            except Exception as error:
                # Whatever it is, without this thread no task would end any more.
                log.exception("The journal failed; it tries again.")
                self._tell_trouble(error)
            if self._given_up.wait(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]):
                raise EngineStopped
            tries += 1
        self.trouble = None

    def _tell_trouble(self, error: object) -> None:
        self.trouble = f"The database cannot be written just now: {error}."
        log.warning("%s Results are kept in memory and tried again.", self.trouble)

    def _write(self, group: Group) -> None:
        """Write what of a group can be written; what was lost meanwhile waits for the next one."""
        while True:
            self._make_again()
            try:
                with self._line.writing_once() as connection:
                    group.written_at = recording.write_group(
                        connection,
                        group.worker_id,
                        group.writes.values(),
                        group.job_states,
                        group.number,
                    )
                return
            except StateMoved:
                self._set_moved_apart(group)
            except OperationalError:
                raise
            except DBAPIError:
                if not self._set_refused_apart(group):
                    raise

    def _set_moved_apart(self, group: Group) -> None:
        """Take the changes whose base moved out of a group, with all that their claims say."""
        stored = {job_id: self._stored_version(job_id) for job_id in group.heads}
        with self._changed:
            self._gathering.lose_changes(
                group, [id_ for id_, base in stored.items() if base != group.heads[id_].newest.base]
            )
            self._changed.notify_all()

    def _stored_version(self, job_id: int) -> int | None:
        try:
            with self._database.reading() as connection:
                return recording.job_state(connection, job_id).base
        except JobNotFound:
            return None

    def _make_again(self) -> None:
        """Make lost changes again that nobody waits for."""
        while ticket := self._next_lost():
            try:
                ticket.make_again()
            except (TaskLost, JobNotFound):
                pass  # There is no state to change any more; what else was said goes on.
            except ValueNotStorable as error:
                with self._changed:
                    self._gathering.fail_claim(ticket.writes, str(error))
            with self._changed:
                self._gathering.lost.pop(ticket, None)

    def _next_lost(self) -> Ticket | None:
        with self._changed:
            return next(iter(self._gathering.lost), None)

    def _set_refused_apart(self, group: Group) -> bool:
        """Find what the database refuses, and fail its own tasks only; False: nothing is found."""
        reasons = refused(self._database, group)
        for task_id, refusal in reasons.items():
            log.error("What task %s has to say cannot be stored: %s", task_id, refusal)
        with self._changed:
            self._gathering.fail(group, reasons)
            self._changed.notify_all()
        return bool(reasons)
