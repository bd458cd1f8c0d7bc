"""What of a group the database refuses, when it refuses the group; nothing is written meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from app.db import Database
from app.jobs.group import Group
from app.jobs.store import recording


def refused(database: Database, group: Group) -> dict[int, str]:
    """Return the reasons by the ids of the tasks whose words are refused."""
    return _tasks(database, group, list(group.writes)) or _states(database, group)


def _tasks(database: Database, group: Group, ids: Sequence[int]) -> dict[int, str]:
    """Those whose own words are refused, found by halving."""
    writes = [group.writes[task_id] for task_id in ids]
    reason = recording.refusal(database, group.worker_id, writes)
    if reason is None:
        return {}
    if len(ids) == 1:
        return {ids[0]: reason}
    half = len(ids) // 2
    return _tasks(database, group, ids[:half]) | _tasks(database, group, ids[half:])


def _states(database: Database, group: Group) -> dict[int, str]:
    """The same for states of jobs: the tasks that had a part in such a state."""
    reasons: dict[int, str] = {}
    for head in group.heads.values():
        reason = recording.refusal(database, group.worker_id, [], [head.newest])
        if reason:
            reasons |= {ticket.task_id: reason for ticket in head.tickets}
    return reasons
