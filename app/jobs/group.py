"""What is written in one statement: words of tasks, and states of jobs with who changed them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, islice

from app.jobs.store.numbering import next_number
from app.jobs.store.recording import JobState, TaskWrites

#: What a group says, in characters, but for what belongs together: there are databases that take no
#: larger statement.
MOST_SIZE = 2_000_000


@dataclass(eq=False, slots=True)
class Ticket:
    """A change of a job's state that was handed over; `stored` is None until that is known.

    A lost one is made again: by `again` if it has that, else by the thread that waits for it.
    """

    writes: TaskWrites
    again: Callable[[], None] | None
    stored: bool | None = None
    refused: str | None = None

    @property
    def task_id(self) -> int:
        """Whose change it is."""
        return self.writes.task_id

    def make_again(self) -> None:
        """Make the change anew, on the newest state; for one that nobody waits for."""
        assert self.again
        self.again()


@dataclass(slots=True)
class Head:
    """The newest state of a job handed over here, and the version it must find stored."""

    newest: JobState
    tickets: list[Ticket] = field(default_factory=list)

    def settle(self, *, stored: bool) -> None:
        """Tell those who wait what became of their changes."""
        for ticket in self.tickets:
            ticket.stored = stored


@dataclass(slots=True)
class Group:
    """What is written in one statement. It belongs to the worker that its claims belong to."""

    worker_id: int
    writes: dict[int, TaskWrites]
    heads: dict[int, Head]
    #: Tasks that were failed because the database refuses what they say.
    failed: set[int] = field(default_factory=set)
    written_at: str = ""
    #: By which it is known when it is written twice.
    number: int = field(default_factory=next_number)

    @property
    def job_states(self) -> list[JobState]:
        """The states of jobs to store."""
        return [head.newest for head in self.heads.values()]

    @property
    def ending(self) -> set[int]:
        """The jobs that may have ended with it."""
        return {each.job_id for each in self.writes.values() if each.may_end_job}

    @property
    def job_ids(self) -> set[int]:
        """The jobs that it changes."""
        return {each.job_id for each in self.writes.values()} | set(self.heads)


def unit_of(writes: TaskWrites, of_job: Mapping[int, int]) -> int:
    """What is written together or not at all: a task's id, or a job's below 0."""
    job_id = of_job.get(writes.task_id)
    return writes.task_id if job_id is None else -job_id


def beyond_measure(
    ready: Iterable[TaskWrites], heads: Mapping[int, Head], of_job: Mapping[int, int]
) -> set[int]:
    """What is left for the next group, for this one would grow too large.

    By their units: a job's has all its tasks that have a part in a change of it, see `of_job`.
    """
    sizes: dict[int, int] = {}
    for writes in ready:
        unit = unit_of(writes, of_job)
        sizes[unit] = sizes.get(unit, 0) + writes.size
    for job_id, head in heads.items():
        sizes[-job_id] = sizes.get(-job_id, 0) + len(head.newest.state)
    so_far = accumulate(sizes.values())
    beyond = {unit for unit, size in zip(sizes, so_far, strict=True) if size > MOST_SIZE}
    return beyond - set(islice(sizes, 1))  # the first one is written, however large
