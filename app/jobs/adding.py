"""Tasks that are to be: what callers give, as rows to write; and adding them to a job (A4, A10)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

from sqlalchemy import Connection

from app.db import Database
from app.jobs.errors import AddingInterrupted, JobCancelling, JobEnded, TaskLost
from app.jobs.patience import Patience, Rest
from app.jobs.store import adding, reading
from app.jobs.store.adding import Added, Adder
from app.jobs.store.creating import NewTask, chunks_of
from app.jobs.values import encode_object

#: Who has to wait for another one's many tasks asks so often whether they are there.
TURN_SECONDS = 0.05

Done = TypeVar("Done")


def new_tasks(tasks: Iterable[Mapping[str, Any]], limit: int) -> Iterator[NewTask]:
    """Turn `{"state": {...}, "skip": ...}` into what is written; raise ValueNotStorable."""
    for index, task in enumerate(tasks):
        state = task.get("state")
        if state is None or state == {}:
            text = "{}"
        else:
            text = encode_object(state, f"state of task {index}", limit)
        yield NewTask(text, bool(task.get("skip")))


def add_tasks(
    database: Database, adder: Adder, tasks: Iterable[NewTask], rest: Rest | None = None
) -> list[int]:
    """Add tasks to a job that has not ended, all or none; return their indexes once durable.

    With `rest` it waits for a database that is away. Raises JobNotFound, JobEnded, TaskLost for an
    adder that lost its task, AddingInterrupted.
    """
    patience, chunks = Patience(database, rest), chunks_of(tasks)
    first, second = next(chunks, []), next(chunks, None)
    while True:
        if second is None:
            added = patience.write(lambda connection: adding.add_few(connection, adder, first))
        else:
            added = add_many(patience, adder, chain(first, second, chain.from_iterable(chunks)))
        if added:
            return list(added.indexes)
        await_turn(patience, adder)


def add_many(patience: Patience, adder: Adder, tasks: Iterable[NewTask]) -> Added | None:
    """Add tasks in chunks that appear together; None: it is somebody else's turn, or too late."""
    try:
        added = adding.add_hidden(patience.database, adder, tasks, patience.write)
        if added:
            _show(patience, adder, added)
    except AddingInterrupted:
        _demand_that_it_may(patience, adder)
        raise
    return added


def _show(patience: Patience, adder: Adder, added: Added) -> None:
    if not patience.write(lambda connection: adding.show(connection, adder, added)):
        _remove(patience, adder.job_id, added.until)
        raise AddingInterrupted


def add_with(
    patience: Patience, adder: Adder, tasks: Sequence[NewTask], then: Callable[[Connection], Done]
) -> Done:
    """Add tasks and do `then` in one transaction, once; a job that takes none any more gets none.

    Raises AddingInterrupted when it took too long; then nothing was done, and it may be repeated.
    """
    chunks = chunks_of(tasks)
    few = next(chunks, [])
    if next(chunks, None):
        return _add_many_with(patience, adder, tasks, then)

    def add_and_do(connection: Connection) -> list[Done]:
        is_added = not few or adding.add_few(connection, adder, few)
        return [then(connection)] if is_added or not adding.may_add(connection, adder) else []

    while not (done := patience.write(add_and_do)):
        threading.Event().wait(TURN_SECONDS)
    return done[0]


def _add_many_with(
    patience: Patience, adder: Adder, tasks: Sequence[NewTask], then: Callable[[Connection], Done]
) -> Done:
    hidden = _hide(patience, adder, tasks)

    def show_and_do(connection: Connection) -> tuple[bool, Done]:
        is_shown = hidden is not None and adding.show(connection, adder, hidden)
        if not is_shown and adding.may_add(connection, adder):
            raise AddingInterrupted  # they were taken for a dead one's, and removed
        return is_shown, then(connection)

    is_shown = False
    try:
        is_shown, done = patience.write(show_and_do)
    finally:
        if hidden and not is_shown:
            adding.remove_hidden(patience.database, adder.job_id, hidden.until)
    return done


def _hide(patience: Patience, adder: Adder, tasks: Iterable[NewTask]) -> Added | None:
    while not (hidden := adding.add_hidden(patience.database, adder, tasks, patience.write)):
        if not patience.read(lambda connection: adding.may_add(connection, adder)):
            return None
        threading.Event().wait(TURN_SECONDS)
    return hidden


def await_turn(patience: Patience, adder: Adder) -> None:
    """Wait while somebody else adds many tasks; raise why there will be no turn."""
    _demand_that_it_may(patience, adder)
    if not remove_overdue(patience, adder.job_id):
        threading.Event().wait(TURN_SECONDS)


def remove_overdue(patience: Patience, job_id: int) -> bool:
    """Remove what an adder that died has written; False: there is no such thing."""
    until = patience.write(lambda connection: adding.take_over(connection, job_id))
    if until is None:
        return False
    _remove(patience, job_id, until)
    return True


def _remove(patience: Patience, job_id: int, until: str | None) -> None:
    more = True
    while more:
        more = patience.write(lambda conn: adding.remove_hidden_chunk(conn, job_id, until))


def _demand_that_it_may(patience: Patience, adder: Adder) -> None:
    job = patience.read(lambda connection: reading.job(connection, adder.job_id))
    is_lost = patience.read(lambda connection: adding.is_lost(connection, adder))
    if job.is_cancelling:
        raise JobCancelling(adder.job_id, "extended")
    if job.is_final:
        raise JobEnded(adder.job_id, job.status, "extended")
    if is_lost:
        raise TaskLost
