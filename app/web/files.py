"""The files of a job as a person sees them: which there are, and who may have which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.jobs import Engine, FileRow, JobDetail
from app.users.permissions import HasRole, demand, refusal


@dataclass(frozen=True, kw_only=True)
class ShownFile:
    """A file of a job as a page shows it; `reason` says why this person may not have it."""

    name: str
    size: int
    uploaded: bool
    created_at: datetime
    reason: str | None


def files_of(engine: Engine, person: HasRole, job: JobDetail) -> Sequence[ShownFile]:
    """The files of a job that this person may see."""
    return [
        ShownFile(
            name=row.name,
            size=row.size,
            uploaded=row.uploaded,
            created_at=row.created_at,
            reason=refusal(person, "view", {"view": row.role}),
        )
        for row in engine.files(job.id)
    ]


def file_of(engine: Engine, person: HasRole, job: JobDetail, name: str) -> FileRow:
    """A file of a job that this person may see; raises JobFileNotFound, NotAllowed."""
    row = engine.file(job.id, name)
    demand(person, "view", {"view": row.role})
    return row
