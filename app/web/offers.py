"""What a person is offered to do with a job, and why something is not possible just now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.jobs import JobRow, JobStatus
from app.users.permissions import HasRole, Role, may
from app.web.filters import plural

ENDS_FIRST: Final = "once the job has ended"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which tasks a retry is for. One that `asks` runs again what has ended well."""

    tasks: str
    label: str
    asks: bool = False


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something that can be done with a job; `reason` says why not, as the rest of a sentence.

    The first of the `choices` is what is done at once.
    """

    name: str
    label: str
    icon: str
    reason: str | None
    danger: bool = False
    choices: Sequence[Choice] = ()


@dataclass(frozen=True, kw_only=True)
class _AnyoneWith:
    role: Role


def offered(
    person: HasRole, job: JobRow, roles: Mapping[str, str], *, lacks: str | None
) -> list[Action]:
    """All actions, always in this order; `lacks`: why the job's handler cannot be used here."""
    return [
        _for(person, "manage", roles, _cancel(job)),
        _for(person, "manage", roles, _retry(job)),
        _for(person, "start", roles, _again(lacks)),
        _for(person, "control", roles, _limit(job)),
        _for(person, "edit", roles, _rename()),
        _for(person, "delete", roles, _delete(job)),
    ]


def while_it_waits(person: HasRole, job: JobRow, roles: Mapping[str, str]) -> Mapping[str, Action]:
    """What can be done with a job until it begins, by name; it is offered where that is told."""
    found = _start(job), _priority(job)
    return {each.name: _for(person, "manage", roles, each) for each in found}


def _for(person: HasRole, needed: str, roles: Mapping[str, str], action: Action) -> Action:
    # The role comes first: it does not change by waiting.
    if may(person, needed, roles):
        return action
    return replace(action, reason=_those_who_may(needed, roles), choices=())


def _those_who_may(needed: str, roles: Mapping[str, str]) -> str:
    some = [f"{role}s" for role in Role if may(_AnyoneWith(role=role), needed, roles)]
    return f"only for {' and '.join(some)}"


def _cancel(job: JobRow) -> Action:
    reason = "the job has ended" if job.is_final else None
    if job.is_cancelling:
        reason = "it is asked for already"
    return Action(name="cancel", label="Cancel job", icon="ban", reason=reason, danger=True)


def _retry(job: JobRow) -> Action:
    choices = list(_choices(job)) if job.is_final else []
    reason = None if choices else "no task of it has run" if job.is_final else ENDS_FIRST
    return Action(name="retry", label="Retry", icon="refresh", reason=reason, choices=choices)


def _choices(job: JobRow) -> Sequence[Choice]:
    """The most useful choice first; one that would mean the same tasks as another is left out."""
    found = []
    if job.failed:
        found.append(Choice(tasks="failed", label=f"Retry {job.failed:,} failed"))
    if job.cancelled:
        word = "unfinished" if job.failed else "cancelled"
        found.append(Choice(tasks="unfinished", label=f"Retry {job.unfinished:,} {word}"))
    if job.done:
        ended = job.unfinished + job.done
        label = f"Retry all {plural(ended, 'task')}" if ended > 1 else "Retry the task"
        found.append(Choice(tasks="all", label=label, asks=True))
    return found


def _again(reason: str | None) -> Action:
    return Action(name="again", label="Run again", icon="repeat", reason=reason)


def _limit(job: JobRow) -> Action:
    reason = "the job has ended" if job.is_final else None
    return Action(name="limit", label="Limit", icon="settings", reason=reason)


def _rename() -> Action:
    return Action(name="rename", label="Rename", icon="pencil", reason=None)


def _delete(job: JobRow) -> Action:
    reason = None if job.is_final else ENDS_FIRST
    return Action(name="delete", label="Delete", icon="trash", reason=reason, danger=True)


def _start(job: JobRow) -> Action:
    reason = None if job.is_waiting else "it does not wait for a time"
    return Action(name="start", label="Start now", icon="player-play", reason=reason)


def _priority(job: JobRow) -> Action:
    reason = None if job.status == JobStatus.QUEUED else "the job waits no more"
    return Action(name="priority", label="Change", icon="pencil", reason=reason)
