"""The jobs. Their list, popup and create dialog are pages of their own; this is what they ask."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection

from app.admin import Column, Reference, Resource
from app.jobs import JobStatus, declared_roles
from app.jobs.models import Job
from app.users.models import User
from app.users.permissions import HasRole, may


def visible_jobs(connection: Connection, person: HasRole) -> list[ColumnElement[bool]]:
    """Jobs that are whole, of handlers whose jobs the person may see."""
    declared = declared_roles(connection).items()
    hidden = [name for name, roles in declared if not may(person, "view", roles)]
    return [Job.preparing_until.is_(None), Job.handler.not_in(hidden)]


JOBS = Resource(
    name="jobs",
    table=Job,
    label="name",
    icon="list-check",
    order="-created",
    place=0,
    tabs="status",
    actions={"view": "view", "create": "start", "edit": "edit", "delete": "delete"},
    has_own_pages=True,
    only=visible_jobs,
    columns=[
        Column(name="status", type=JobStatus, show_in=("list", "filter")),
        Column(name="name", search=True, sort=True),
        Column(name="handler", search=True, show_in=("list", "filter")),
        Column(
            name="started_by",
            show_in=("list", "filter"),
            reference=Reference(table=User, label="email"),
        ),
        Column(name="created_at", sort=True, show_in=("list", "filter")),
        Column(name="finished_at", label="Finished", sort=True, show_in=("list",)),
    ],
)
