"""Why jobs do not run: what is stored about them, put into one reason each, in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from sqlalchemy import Connection

from app.jobs.states import JobStatus, PendingCode
from app.jobs.store import pending, steering
from app.jobs.store.listing import COUNT_CAP
from app.jobs.store.pending import BusyThreads, Child, PendingJob
from app.jobs.views import Pause, PendingReason, WorkerRow

#: Jobs that a sentence names.
NAMED: Final = 3
_MORE_THREADS: Final = (
    "Give the workers more threads, start more of them, or let handlers not wait for jobs that "
    "they start."
)
_MORE_SLOTS: Final = "Raise the limit, or let the handler not wait for jobs that it starts."


@dataclass(frozen=True, kw_only=True)
class HandlerCode:
    """The handlers whose code is here, and those whose code is here and cannot be loaded."""

    installed: Collection[str]
    broken: Collection[str] = ()


def pending_reasons(
    connection: Connection,
    job_ids: Collection[int],
    *,
    code: HandlerCode,
    hidden: Collection[str] = (),
    with_place: bool = True,
) -> dict[int, PendingReason]:
    """Return why these jobs do not run, by id, of those that have not ended and that do not.

    `hidden`: handlers whose jobs are not to be named.
    `with_place`: also how many jobs are before each one, a question of its own for each.
    """
    jobs = pending.pending_jobs(connection, job_ids)
    if not jobs:
        return {}
    look = _Look(connection, jobs, code, hidden, with_place)
    found = {job.id: look.reason(job) for job in jobs}
    return {job_id: reason for job_id, reason in found.items() if reason is not None}


class _Look:
    """Facts about several jobs, each asked once and only if one of them needs it."""

    def __init__(
        self,
        connection: Connection,
        jobs: Sequence[PendingJob],
        code: HandlerCode,
        hidden: Collection[str],
        with_place: bool,
    ) -> None:
        self._connection = connection
        self._jobs = jobs
        self._code = code
        self._hidden = hidden
        self._with_place = with_place

    def reason(self, job: PendingJob) -> PendingReason | None:
        """Return why this one does not run; None: it does."""
        if not job.is_idle:
            return self._of_parent(job)
        of_itself = self._of_itself(job)
        if of_itself or job.is_cancelling:
            return of_itself
        return self._paused(job) or self._without_worker(job) or self._without_room(job)

    # What it waits for by itself

    def _of_itself(self, job: PendingJob) -> PendingReason | None:
        if job.is_cancelling:
            return _because(PendingCode.CANCELLING, "It is being cancelled.")
        if job.is_reopening:
            sentence = "Its tasks are being reopened. It starts when all of them are."
            return _because(PendingCode.REOPENING, sentence)
        if job.waiting_until:
            return PendingReason(
                code=PendingCode.DUE, message="It waits for its time.", until=job.waiting_until
            )
        if job.held:
            return _because(
                PendingCode.HELD,
                "It was queued without being started: it waits until start_next_queued_job() or "
                f"start_queued_jobs() is called for {job.handler}.",
            )
        if _waits_for_retries(job):
            return PendingReason(
                code=PendingCode.RETRY,
                message=f"{_tasks(job.waiting)} failed and will be tried again; nothing of it runs "
                "until then.",
                until=self._next_tries.get(job.id),
            )
        return None

    @cached_property
    def _next_tries(self) -> Mapping[int, datetime]:
        retrying = [each.id for each in self._jobs if _waits_for_retries(each)]
        return pending.next_tries(self._connection, retrying)

    def _paused(self, job: PendingJob) -> PendingReason | None:
        for each in self._pauses:
            if each.handler in (job.handler, steering.EVERYTHING):
                what = "Everything" if each.handler == steering.EVERYTHING else each.handler
                by = f" by {each.paused_by.email}" if each.paused_by else ""
                end = "" if each.until else ", until somebody resumes it"
                message = f"{what} is paused{by}{end}: {each.reason}"
                return PendingReason(code=PendingCode.PAUSED, message=message, until=each.until)
        return None

    @cached_property
    def _pauses(self) -> Sequence[Pause]:
        return steering.pauses(self._connection)

    # Workers and their threads

    def _without_worker(self, job: PendingJob) -> PendingReason | None:
        is_installed = job.handler in self._code.installed
        if is_installed and not self._workers:
            sentence = "No worker runs at all. Start one with `jobdeck worker`, or serve with one."
            return _because(PendingCode.NO_WORKER, sentence)
        if any(job.handler in each.handlers for each in self._workers):
            return None
        if job.handler in self._code.broken:
            return _because(
                PendingCode.BROKEN_HANDLER,
                f"The handler {job.handler} is broken: its code cannot be loaded. The job waits "
                "until it is mended; `jobdeck check` says more.",
            )
        here = "" if is_installed else " Its code is not installed here, either."
        sentence = f"No living worker has the handler {job.handler}. The job waits until one does."
        return _because(PendingCode.NO_HANDLER, sentence + here)

    @cached_property
    def _workers(self) -> Sequence[WorkerRow]:
        return [each for each in steering.living(self._connection) if not each.is_late]

    def _without_room(self, job: PendingJob) -> PendingReason | None:
        reason = self._without_slot(job) or self._without_thread(job) or self._beside_suspect(job)
        before = self._before(job)
        if reason is None:
            return _because(PendingCode.NEXT, before or _next(job))
        return reason if not before else reason.with_more(before)

    def _before(self, job: PendingJob) -> str:
        if job.status != JobStatus.QUEUED or not self._with_place:
            return ""
        place = pending.place_in_queue(self._connection, job)
        if place > COUNT_CAP:
            return f"Over {COUNT_CAP:,} jobs of its handler are before it in the queue."
        if place:
            jobs = "1 job of its handler is" if place == 1 else f"{place:,} jobs of its handler are"
            return f"{jobs} before it in the queue."
        return ""

    def _without_slot(self, job: PendingJob) -> PendingReason | None:
        taken, slots = job.slots_taken or 0, job.slots
        if job.status != JobStatus.QUEUED or slots is None or taken < slots:
            return None
        holders = self._holders.get(job.handler, [])
        jobs = "1 job" if slots == 1 else f"{slots:,} jobs"
        who = _named(holders, taken) or "Others"
        hold = "holds the slot" if taken == 1 else "hold the slots"
        sentence = f"{job.handler} runs {jobs} at a time, and {who} {hold}."
        if holders and self._stuck.issuperset(holders) and job.started_by_job in self._stuck:
            return _because(
                PendingCode.DEADLOCK,
                f"{sentence} #{job.started_by_job} has started this job: if it waits for it, "
                f"neither goes on. {_MORE_SLOTS}",
                job.started_by_job,
            )
        return _because(PendingCode.SLOT, sentence, holders[0] if holders else None)

    @cached_property
    def _holders(self) -> Mapping[str, list[int]]:
        return pending.slot_holders(self._connection, {each.handler for each in self._jobs})

    def _without_thread(self, job: PendingJob) -> PendingReason | None:
        threads = self._threads_for(job.handler)
        if not threads.are_all_busy:
            return None
        sentence = f"No thread is free: {threads.sentence(self._hidden)}"
        if not self._stuck.issuperset(threads.jobs):
            return _because(PendingCode.NO_THREAD, f"{sentence}.", threads.busiest(self._hidden))
        sentence += ", which started jobs that wait for a thread. "
        parent = job.started_by_job
        if parent in self._stuck:
            sentence += f"#{parent} has started this job: if it waits for it, neither goes on. "
        about = parent or threads.busiest(self._hidden)
        return _because(PendingCode.DEADLOCK, sentence + _MORE_THREADS, about)

    def _beside_suspect(self, job: PendingJob) -> PendingReason | None:
        alone = self._suspect
        if alone is None or alone == job.id:
            return None
        sentence = f"A task of #{alone}, whose workers died, runs alone first."
        return _because(PendingCode.ALONE, sentence, alone)

    @cached_property
    def _suspect(self) -> int | None:
        running = next((each.job_id for each in self._busy if each.is_alone), None)
        return running or pending.suspect_job(self._connection)

    def _threads_for(self, handler: str) -> _Threads:
        workers = [each for each in self._workers if handler in each.handlers]
        ids = {each.id for each in workers}
        busy = [each for each in self._busy if each.worker_id in ids]
        return _Threads(sum(each.threads for each in workers), busy)

    @cached_property
    def _busy(self) -> Sequence[BusyThreads]:
        return pending.busy_threads(self._connection)

    # Jobs that wait for jobs

    def _of_parent(self, job: PendingJob) -> PendingReason | None:
        """Return why a running job may not end: it may wait for one that cannot begin."""
        if job.id not in self._parents or job.id not in self._stuck:
            return None
        child = next(each for each in self._children if each.parent == job.id)
        threads = self._threads_for(job.handler)
        if threads.are_all_busy and self._stuck.issuperset(threads.jobs):
            why, remedy = f"no thread is free: {threads.sentence(self._hidden)}", _MORE_THREADS
        elif child.id in self._without_slots:
            why, remedy = "no slot of its handler is free", _MORE_SLOTS
        else:
            return None
        sentence = (
            f"It has started #{child.id}, which cannot begin, for {why}. If it waits for that job, "
            f"neither goes on. {remedy}"
        )
        return _because(PendingCode.DEADLOCK, sentence, child.id)

    @cached_property
    def _parents(self) -> set[int]:
        """Those of these jobs that have started others. Mostly there are none, and all is said."""
        running = [each.id for each in self._jobs if not each.is_idle]
        return {each.parent for each in pending.children(self._connection, running)}

    @cached_property
    def _children(self) -> Sequence[Child]:
        running = {each.job_id for each in self._busy}
        return pending.children(self._connection, running | {each.id for each in self._jobs})

    @cached_property
    def _without_slots(self) -> set[int]:
        idle = [each.id for each in self._children if each.is_idle]
        return {
            each.id
            for each in pending.pending_jobs(self._connection, idle)
            if each.slots is not None and (each.slots_taken or 0) >= each.slots
        }

    @cached_property
    def _stuck(self) -> set[int]:
        """The jobs that have started one that does not run, or that is stuck itself."""
        found: set[int] = set()
        while newly := {
            each.parent
            for each in self._children
            if (each.is_idle or each.id in found) and each.parent not in found
        }:
            found |= newly
        return found


@dataclass(frozen=True)
class _Threads:
    """The threads that could run a job, and what they are busy with."""

    count: int
    busy: Sequence[BusyThreads]

    @property
    def are_all_busy(self) -> bool:
        return sum(each.threads for each in self.busy) >= self.count

    @property
    def jobs(self) -> set[int]:
        return {each.job_id for each in self.busy}

    def busiest(self, hidden: Collection[str]) -> int | None:
        """Return the job that takes the most of them, of those that may be named."""
        return next(iter(self._by_job(hidden)), None)

    def sentence(self, hidden: Collection[str]) -> str:
        """Return what they are busy with: all 10 are busy with #3 and #4."""
        named = self._by_job(hidden)
        who = _named(named, len(self.jobs)) or "other jobs"
        return (
            f"{'the only one is' if self.count == 1 else f'all {self.count:,} are'} busy with {who}"
        )

    def _by_job(self, hidden: Collection[str]) -> list[int]:
        counts: Counter[int] = Counter()
        for each in self.busy:
            if each.handler not in hidden:
                counts[each.job_id] += each.threads
        return [job_id for job_id, _ in counts.most_common()]


def _waits_for_retries(job: PendingJob) -> bool:
    return job.status == JobStatus.IN_PROGRESS and 0 < job.scheduled == job.waiting


def _because(code: PendingCode, message: str, job_id: int | None = None) -> PendingReason:
    return PendingReason(code=code, message=message, job_id=job_id)


def _named(job_ids: Sequence[int], count: int) -> str:
    """Return some jobs by name: #3, #4 and 2 others; nothing when none may be named."""
    named = [f"#{each}" for each in job_ids[:NAMED]]
    rest = count - len(named)
    if named and rest > 0:
        named.append("1 other" if rest == 1 else f"{rest:,} others")
    return _listed(named)


def _listed(words: Iterable[str]) -> str:
    *before, last = [*words] or [""]
    return f"{', '.join(before)} and {last}" if before else last


def _next(job: PendingJob) -> str:
    if job.status == JobStatus.QUEUED:
        return "It starts as soon as a worker looks, in a moment."
    if job.is_finishing or not job.scheduled:
        return "Its closing step begins as soon as a worker looks, in a moment."
    return "Its next task begins as soon as a worker looks, in a moment."


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count:,} tasks"
