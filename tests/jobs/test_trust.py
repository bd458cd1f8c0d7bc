"""A worker past its lease, as after SIGSTOP and SIGCONT, begins nothing that others may have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from app.jobs.executor import Work
from app.jobs.pool import Pool
from tests.eventually import eventually


class Doubted:
    """A worker whose lease is over until it is renewed."""

    is_trusted = False

    def runs(self, slot: int, mark: int) -> None:
        """Note nothing."""


class Ran(list[object]):
    """What was executed."""

    execute = list.append


class Claimed:
    """Something to run."""

    mark = 1


@pytest.fixture
def worker() -> Doubted:
    return Doubted()


@pytest.fixture
def ran() -> Ran:
    return Ran()


@pytest.fixture
def pool(worker: Doubted, ran: Ran) -> Iterator[Pool]:
    pool = Pool(cast(Any, ran), cast(Any, worker), threads=1, on_room=lambda: None)
    pool.start()
    yield pool
    pool.stop()


def test_what_was_taken_for_lost_is_not_begun(pool: Pool, worker: Doubted, ran: Ran) -> None:
    lost, next_one = cast(Work, Claimed()), cast(Work, Claimed())
    pool.submit([lost])
    eventually(lambda: pool._queue.empty())
    assert pool.take_back() == [lost]
    worker.is_trusted = True  # another incarnation
    pool.submit([next_one])
    eventually(lambda: ran == [next_one])


def test_it_is_begun_once_the_lease_is_renewed(pool: Pool, worker: Doubted, ran: Ran) -> None:
    work = cast(Work, Claimed())
    pool.submit([work])
    eventually(lambda: pool._queue.empty())
    assert ran == []
    worker.is_trusted = True
    eventually(lambda: ran == [work])
