"""What handlers have said and nobody has written yet. No thread and no database: just the rules.

The journal owns it and its lock. Two rules matter: what a claim says keeps its order, and a change
of a job's state is stored together with what its claim said just before it, or neither is. For the
second one a state rests for a moment after it was set: a change may follow that belongs to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping

from app.jobs.group import MOST_SIZE, Group, Head, Ticket, beyond_measure, unit_of
from app.jobs.store.recording import JobState, TaskWrites

#: A state that was just set rests so long, unless its task says something that ends its rest.
REST_SECONDS = 0.025
#: One that is set again and again rests no longer than this.
MOST_REST_SECONDS = 0.045
#: Jobs of which it is known which version of their state was stored from here last.
MOST_STORED = 1_000


class Gathering:
    """What is said and not yet being written."""

    def __init__(self) -> None:
        # Appended to without the lock: what is said and not looked at yet.
        self._said: deque[TaskWrites] = deque()
        self._pending: dict[int, TaskWrites] = {}
        # What a claim has said, kept back until the change that its thread makes is offered.
        self._held: dict[int, TaskWrites] = {}
        self._heads: dict[int, Head] = {}
        # The versions of states that were stored last from here: a change made from an older one is
        # not offered, for it would be lost, and until then it would be read as the newest.
        self._stored: dict[int, int] = {}
        # Tasks whose newest word is a state: until when it rests, and until when at most.
        self._resting: dict[int, tuple[float, float]] = {}
        # Tasks that still run although they have failed: the database refused what they said.
        self._refused: dict[int, str] = {}
        # Tries whose time is over and whose threads go on: nothing they say counts any more.
        self._cut_off: set[tuple[int, int]] = set()
        self._lines = 0  # of logs, among what is pending
        self._size = 0  # of what is pending, or more: a newer word takes the place of an older one
        #: Lost changes that nobody waits for.
        self.lost: dict[Ticket, None] = {}

    def __len__(self) -> int:
        """How much is said: a task counts once, and each line of its log."""
        return len(self._said) + len(self._pending) + self._lines

    def say(self, writes: TaskWrites) -> None:
        """Add to what a claim has to say, without the lock: nobody waits for it."""
        self._said.append(writes)

    def collect(self, worker_id: int, now: float) -> None:
        """Look at what was said, in its order.

        Void is what a worker says that was, a try whose time is over, or a task that has failed.
        """
        while self._said:
            writes = self._said.popleft()
            if writes.worker_id != worker_id or self.refusal(writes):
                continue
            if writes.status is not None:
                self.add(writes)
            elif not self.is_cut_off(writes):
                if writes.state is None:
                    self.add(writes)
                else:
                    self.add_state(writes, now)

    def rest(self, now: float) -> float | None:
        """For how long there is nothing to write: 0 is now, None until something is said."""
        if any(head.tickets for head in self._heads.values()):
            return 0.0
        if len(self._pending) > len(self._resting):
            return 0.0
        if not self._resting:
            return None
        return max(0.0, min(until for until, _ in self._resting.values()) - now)

    def __contains__(self, task_id: int) -> bool:
        return task_id in self._pending or task_id in self._held

    def newest(self, job_id: int) -> JobState | None:
        """The newest state of a job, if there is one that is not stored yet."""
        head = self._heads.get(job_id)
        return head.newest if head else None

    def refusal(self, claim: TaskWrites) -> str | None:
        """Why a task that still runs has failed already; asked for until it ends."""
        if not self._refused:
            return None
        reason = self._refused.get(claim.task_id)
        if reason and claim.status:
            del self._refused[claim.task_id]
        return reason

    def is_cut_off(self, claim: TaskWrites) -> bool:
        """Whether the time of this try was over before its thread ended."""
        return bool(self._cut_off) and (claim.task_id, claim.attempt) in self._cut_off

    def cut_off(self, outcome: TaskWrites) -> None:
        """Add the outcome of a try whose thread goes on; what that has set just before is void.

        For it may belong to a change of the job's state, which can be made no more.
        """
        task_id = outcome.task_id
        self._cut_off.add((task_id, outcome.attempt))
        if self.refusal(outcome):
            return  # it has failed already
        if task_id in self._held:
            self._held[task_id].state = None
        if task_id in self._pending and not self._is_waited_for(task_id):
            self._pending[task_id].state = None
        self.add(outcome)

    def forget(self, claim: TaskWrites) -> None:
        """The thread of a try that was cut off has ended."""
        self._cut_off.discard((claim.task_id, claim.attempt))

    def _is_waited_for(self, task_id: int) -> bool:
        """Whether a thread waits for a change that it has offered in the name of this task."""
        tickets = (ticket for head in self._heads.values() for ticket in head.tickets)
        return any(ticket.task_id == task_id and ticket.again is None for ticket in tickets)

    def add(self, writes: TaskWrites, *, releases: bool = False) -> None:
        """Add to what a claim has to say; its outcome, or who `releases`, ends its being held."""
        if self._resting:
            self._resting.pop(writes.task_id, None)
        held = self._held.get(writes.task_id) if self._held else None
        if held is not None:
            held.add(writes)
            if not releases and writes.status is None:
                return
            writes = self._held.pop(writes.task_id)
        self._put(writes)

    def _put(self, writes: TaskWrites) -> None:
        """Add to what is pending. Where two tries of a task speak, the later one's word counts."""
        earlier = self._pending.setdefault(writes.task_id, writes)
        if earlier.attempt > writes.attempt:
            return
        if earlier.attempt < writes.attempt:
            self._take_pending(writes.task_id)
            self._pending[writes.task_id] = writes
        elif earlier is not writes:
            earlier.add(writes)
        if writes.logs:
            self._lines += len(writes.logs)
        if writes.logs or not writes.is_plain:
            self._size += writes.size

    def add_state(self, writes: TaskWrites, now: float) -> None:
        """Add a state that was set now, and let it rest."""
        _, most = self._resting.get(writes.task_id, (now, now + MOST_REST_SECONDS))
        self.add(writes)
        if writes.task_id in self._pending:
            self._resting[writes.task_id] = (min(now + REST_SECONDS, most), most)

    def end_rest(self, task_id: int | None = None) -> None:
        """Let nothing rest any more: of one task, or of all."""
        if task_id is None:
            self._resting.clear()
        else:
            self._resting.pop(task_id, None)

    def hold(self, task_id: int) -> None:
        """Keep back what a task has said until it offers the change that it is making now."""
        self._keep_back(self._take_pending(task_id))

    def offer(
        self, seen: JobState, state: str, writes: TaskWrites, again: Callable[[], None] | None
    ) -> Ticket | None:
        """Add a job's next state, made from `seen`; None: that is not the newest any more."""
        if seen.base < self._stored.get(seen.job_id, 0):
            return None  # it was read before what is stored by now
        head = self._heads.setdefault(seen.job_id, Head(seen))
        if head.newest != seen:
            return None
        head.newest = JobState(seen.job_id, seen.base, state)
        ticket = Ticket(writes, again)
        head.tickets.append(ticket)
        self.add(writes, releases=again is None)
        return ticket

    def take(self, worker_id: int, now: float) -> Group:
        """Take out all that may be written now. A change made meanwhile builds on what it has."""
        left, kept = self._left(now)
        later = {id_: self._pending.pop(id_) for id_ in list(self._pending) if id_ in left}
        heads = {id_: self._heads.pop(id_) for id_ in list(self._heads) if id_ not in kept}
        group = Group(worker_id, self._pending, heads)
        self._pending = later
        self._lines = sum(len(each.logs) for each in later.values())
        self._size = sum(each.size for each in later.values())
        self._heads |= {
            job_id: Head(JobState(job_id, head.newest.base + 1, head.newest.state))
            for job_id, head in heads.items()
        }
        return group

    def _left(self, now: float) -> tuple[set[int], set[int]]:
        """Tasks and jobs that are not written yet: they rest, or the group would grow too large."""
        of_job = {each.task_id: id_ for id_, head in self._heads.items() for each in head.tickets}
        self._resting = {
            id_: each
            for id_, each in self._resting.items()
            if each[0] > now and id_ not in of_job  # a job's state goes with what was said before
        }
        states = sum(len(head.newest.state) for head in self._heads.values())
        if self._size + states <= MOST_SIZE:
            return set(self._resting), set()
        ready = [each for id_, each in self._pending.items() if id_ not in self._resting]
        beyond = beyond_measure(ready, self._heads, of_job)
        tasks = {each.task_id for each in ready if unit_of(each, of_job) in beyond}
        return tasks | self._resting.keys(), {-unit for unit in beyond}

    def is_stored(self, group: Group) -> None:
        """A group is written: tell it, and forget the heads that nothing was built on."""
        for job_id, head in group.heads.items():
            head.settle(stored=True)
            later = self._heads.get(job_id)
            if later and not later.tickets:
                del self._heads[job_id]
            self._stored[job_id] = head.newest.base + 1
        while len(self._stored) > MOST_STORED:
            del self._stored[next(iter(self._stored))]

    def clear(self) -> None:
        """Forget everything: the worker that said it is no more."""
        for head in self._heads.values():
            head.settle(stored=False)
        self._cut_off.clear()
        self._lines = self._size = 0
        said = (self._pending, self._resting, self._held, self._heads, self._refused, self.lost)
        for each in said:
            each.clear()

    # When a group cannot be written as it is

    def lose_changes(self, group: Group, job_ids: Iterable[int]) -> None:
        """Have the changes of these jobs made again later, with what belongs to them."""
        self._lose(group, self._take_tickets(group, job_ids))

    def fail(self, group: Group, reasons: Mapping[int, str]) -> None:
        """Fail these tasks; the changes of jobs that others made beside them are made again."""
        for task_id, reason in reasons.items():
            if task_id in group.failed:
                del group.writes[task_id]  # not even its failure can be stored
                continue
            group.failed.add(task_id)
            if task_id in self._held:
                group.writes[task_id] = self._held.pop(task_id)
            self._fail(group.writes[task_id], reason)
        touched = [
            job_id
            for job_id, head in group.heads.items()
            if any(ticket.task_id in reasons for ticket in head.tickets)
        ]
        tickets = self._take_tickets(group, touched)
        for ticket in tickets:
            ticket.refused = reasons.get(ticket.task_id)
        self._lose(group, [ticket for ticket in tickets if not ticket.refused])

    def fail_claim(self, claim: TaskWrites, reason: str) -> None:
        """Fail a task whose lost change cannot be made again."""
        writes = self._held.pop(claim.task_id, None) or claim.blank()
        self._fail(writes, reason)
        self._pending[claim.task_id] = writes

    def give_up(self, claim: TaskWrites) -> None:
        """Hold back no longer what a claim has said: its change is not made again after all."""
        held = self._held.get(claim.task_id)
        if held and held.attempt == claim.attempt:
            self.add(claim, releases=True)

    def _take_tickets(self, group: Group, job_ids: Iterable[int]) -> list[Ticket]:
        heads = (
            each.pop(id_, None) for id_ in list(job_ids) for each in (group.heads, self._heads)
        )
        return [ticket for head in heads if head for ticket in head.tickets]

    def _lose(self, group: Group, tickets: Collection[Ticket]) -> None:
        waited_for = {ticket.task_id for ticket in tickets if ticket.again is None}
        for task_id in {ticket.task_id for ticket in tickets}:
            said = group.writes.pop(task_id, None), self._take_pending(task_id)
            for writes in filter(None, said):
                if task_id in waited_for:
                    self._keep_back(writes)
                else:
                    self.add(writes)
            self._release_if_over(task_id)
        for ticket in tickets:
            if ticket.again is None:
                ticket.stored = False
            else:
                self.lost[ticket] = None

    def _keep_back(self, writes: TaskWrites | None) -> None:
        if writes:
            _merge(self._held, writes)

    def _release_if_over(self, task_id: int) -> None:
        """Hold back nothing for a change that is made no more: its try was cut off."""
        held = self._held.get(task_id)
        if held and held.status:
            held.state = None
            self._put(self._held.pop(task_id))

    def _take_pending(self, task_id: int) -> TaskWrites | None:
        self._resting.pop(task_id, None)
        taken = self._pending.pop(task_id, None)
        if taken:
            self._lines -= len(taken.logs)
        return taken

    def _fail(self, writes: TaskWrites, reason: str) -> None:
        """Turn what a claim says into its failure; a task that still runs hears of it."""
        later = self._take_pending(writes.task_id)
        if later:
            writes.add(later)
        if writes.status is None:
            self._refused[writes.task_id] = reason
        writes.fail_unstorable(reason)


def _merge(into: dict[int, TaskWrites], writes: TaskWrites) -> None:
    earlier = into.setdefault(writes.task_id, writes)
    if earlier is not writes:
        earlier.add(writes)
