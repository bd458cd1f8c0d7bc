"""What a page shows, as values: made once for the first render and again for each live update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from markupsafe import Markup

from app.admin.asked import whole
from app.admin.form import Form
from app.jobs import (
    EVERYTHING,
    Engine,
    Handler,
    JobDetail,
    JobFilter,
    JobRow,
    LogLine,
    Pause,
    PendingReason,
    TaskDetail,
    TaskRow,
    TaskStatus,
)
from app.jobs.errors import JobNotFound, UnknownHandler
from app.jobs.views import Chain
from app.users.people import Person
from app.users.permissions import HasRole, demand, refusal
from app.web import components, offers
from app.web.files import ShownFile, files_of
from app.web.options import Options

TASKS = 50
LOG = 200
RECENT = 10
#: Databases have no larger ids, and SQLite's driver fails when it is asked for one.
LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class TasksPage:
    """One page of the tasks of a job, failed ones first unless a status is asked for."""

    rows: Sequence[TaskRow]
    status: str | None
    next: str | None
    previous: str | None
    query: str


@dataclass(frozen=True, kw_only=True)
class Popup:
    """All that the popup of a job shows."""

    job: JobDetail
    tasks: TasksPage
    task: TaskDetail | None
    log: Sequence[LogLine]
    component: Markup
    trouble: str | None
    actions: Sequence[offers.Action]
    files: Sequence[ShownFile]
    chain: Chain
    while_it_waits: Mapping[str, offers.Action]
    pauses: Sequence[Pause]
    pending: PendingReason | None
    #: The jobs that its handler has started.
    started: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Question:
    """A dialog over the popup, which asks before something is done with the job."""

    template: str
    job: JobDetail
    name: str = ""
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class NavbarJobs:
    """A person's own jobs: how many have not ended, and the newest ones (A14)."""

    active: int
    rows: Sequence[JobRow]


@dataclass(frozen=True, kw_only=True)
class HandlerCard:
    """A handler as the create dialog offers it."""

    name: str
    title: str
    description: str
    icon: str | None
    may_start: bool
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Preview:
    """How many tasks a form would make, or why none."""

    count: int = 0
    capped: bool = False
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Create:
    """The create dialog: the choice of a handler, or the form of the chosen one."""

    handlers: Sequence[HandlerCard]
    handler: HandlerCard | None = None
    form: Form | None = None
    name: str = ""
    preview: Preview | None = None
    options: Options | None = None
    #: The job that this one will repeat.
    again: int | None = None


def hidden_handlers(engine: Engine, person: HasRole) -> frozenset[str]:
    """The handlers whose jobs this person may not see."""
    return frozenset(
        name for name, roles in engine.roles().items() if refusal(person, "view", roles)
    )


def roles_of(engine: Engine, handler: str) -> Mapping[str, str]:
    """By whom a handler lets itself be used, also one whose code is gone."""
    if handler in engine.registry:
        return engine.registry[handler].roles
    return engine.roles().get(handler, {})


def job_for(engine: Engine, person: HasRole, job_id: int, action: str = "view") -> JobDetail:
    """A job with which this person may do this; raises JobNotFound, NotAllowed."""
    if job_id > LARGEST_ID:
        raise JobNotFound(job_id)
    job = engine.job(job_id)
    demand(person, action, roles_of(engine, job.handler))
    return job


def startable(engine: Engine, person: HasRole, name: str) -> Handler:
    """The handler of this name, if this person may start it; a refusal names only what they see."""
    broken = engine.registry.broken.keys() - hidden_handlers(engine, person)
    if name not in engine.registry and name not in broken:
        raise UnknownHandler(name, [each.name for each in handler_cards(engine, person)])
    handler = engine.registry[name]
    demand(person, "start", handler.roles)
    return handler


def handler_cards(engine: Engine, person: HasRole) -> list[HandlerCard]:
    """The handlers that this person may know of, as the create dialog offers them."""
    hidden = hidden_handlers(engine, person)
    return [handler_card(each, person) for each in engine.registry if each.name not in hidden]


def handler_card(handler: Handler, person: HasRole) -> HandlerCard:
    """One handler, and why this person may not start it."""
    reason = refusal(person, "start", handler.roles)
    return HandlerCard(
        name=handler.name,
        title=handler.title,
        description=handler.description,
        icon=handler.icon,
        may_start=reason is None,
        reason=reason,
    )


def popup(engine: Engine, person: HasRole, job_id: int, asked: Mapping[str, str]) -> Popup:
    """The popup of a job as an address asks for it (P6)."""
    job = job_for(engine, person, job_id)
    index = whole(asked.get("task"))
    files = files_of(engine, person, job)
    return Popup(
        job=job,
        tasks=tasks_page(engine, job, asked),
        task=None if index is None else engine.task(job_id, index),
        log=engine.log(job_id, LOG),
        component=components.draw(engine, job, files),
        trouble=engine.trouble,
        actions=actions(engine, person, job),
        files=files,
        chain=engine.chain(job_id),
        while_it_waits=offers.while_it_waits(person, job, roles_of(engine, job.handler)),
        pauses=[each for each in engine.pauses() if each.handler in (job.handler, EVERYTHING)],
        started=engine.started_jobs(job_id),
        pending=None if job.is_final else _pending(engine, person, job_id),
    )


def _pending(engine: Engine, person: HasRole, job_id: int) -> PendingReason | None:
    return engine.pending_reason(job_id, hidden_handlers(engine, person))


def pauses(engine: Engine, person: HasRole) -> list[Pause]:
    """The pauses that this person may know of (B11)."""
    found = engine.pauses()
    hidden = hidden_handlers(engine, person) if found else ()
    return [each for each in found if each.handler not in hidden]


def actions(engine: Engine, person: HasRole, job: JobRow) -> list[offers.Action]:
    """What this person may do with the job now, and why not the rest."""
    roles = roles_of(engine, job.handler)
    return offers.offered(person, job, roles, lacks=_why_unusable(engine, job.handler))


def _why_unusable(engine: Engine, handler: str) -> str | None:
    if handler in engine.registry:
        return None
    broken = handler in engine.registry.broken
    return "its handler is broken" if broken else "its handler is not installed here"


def navbar(engine: Engine, person: Person) -> NavbarJobs:
    """What the widget in the navigation shows this person."""
    hidden = hidden_handlers(engine, person)
    own = JobFilter(started_by=person.id, hidden=hidden)
    active = engine.count_active_jobs(person.id, hidden)
    return NavbarJobs(active=active, rows=engine.jobs(own, limit=RECENT))


def tasks_page(engine: Engine, job: JobDetail, asked: Mapping[str, str]) -> TasksPage:
    """One page of a job's tasks: those of a status, or all of them with the failed ones first."""
    status = asked.get("tasks") if asked.get("tasks") in set(TaskStatus) else None
    after, before = _place(asked.get("after")), _place(asked.get("before"))
    found = _tasks(engine, job, status, after, before)
    rows, has_previous, has_next = _window(
        found, TASKS, is_later=after is not None, backwards=before is not None
    )
    return TasksPage(
        rows=rows,
        status=status,
        next=_query(tasks=status, after=_mark(rows[-1])) if has_next and rows else None,
        previous=_query(tasks=status, before=_mark(rows[0])) if has_previous and rows else None,
        query=_query(
            tasks=status,
            after=asked.get("after") if after else None,
            before=asked.get("before") if before else None,
            task=whole(asked.get("task")),
        ),
    )


Place = tuple[bool, int]


def _tasks(
    engine: Engine, job: JobDetail, status: str | None, after: Place | None, before: Place | None
) -> list[TaskRow]:
    if status is None:
        return engine.tasks_failed_first(job.id, limit=TASKS + 1, after=after, before=before)
    return engine.tasks(
        job.id,
        status=status,
        # No more than there are: a million others would be searched in vain for one more.
        limit=min(TASKS + 1, job.counts[status.lower()]),
        first=after[1] + 1 if after else 0,
        before=before[1] if before else None,
    )


def _mark(row: TaskRow) -> str:
    """A task's place in an address: f for the failed part, o for the others, and its index."""
    return f"{'f' if row.status == TaskStatus.FAILED else 'o'}{row.index}"


def _place(mark: str | None) -> Place | None:
    index = whole(mark[1:]) if mark and mark[0] in ("f", "o") else None
    return None if index is None or mark is None else (mark[0] == "f", index)


Shown = TypeVar("Shown")


def _window(
    found: Sequence[Shown], size: int, *, is_later: bool, backwards: bool
) -> tuple[Sequence[Shown], bool, bool]:
    """Cut one row too many off; tell whether there are pages before and after."""
    more = len(found) > size
    if backwards:
        return found[-size:], more, True
    return found[:size], is_later, more


def _query(**values: object) -> str:
    return urlencode({key: value for key, value in values.items() if value not in (None, "")})
