"""What templates are given in these tests, and the parts of pages drawn from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import render_template
from markupsafe import Markup

from app.admin.asked import asked_of
from app.admin.fields import Field
from app.admin.form import Form
from app.jobs.views import Chain
from app.keyset import Page
from app.resources.jobs import JOBS
from app.timezones import UTC_ZONE
from app.users.permissions import Role
from app.web.listing import listing_of
from app.web.offers import Action, offered, while_it_waits

APP = Path(__file__).parent.parent.parent.parent / "app"
NOW = datetime.now(UTC)
HOSTILE = "<script>alert(1)</script>"


def job(**given: Any) -> SimpleNamespace:
    zero = dict.fromkeys(("scheduled", "in_progress", "done", "failed", "cancelled", "skipped"), 0)
    return SimpleNamespace(
        **{
            **zero,
            "waiting": 0,
            "id": 7,
            "name": "Nightly backup",
            "handler": "backup",
            "status": "IN_PROGRESS",
            "progress": 25,
            "total": 4,
            "final": 1,
            "processed": 1,
            "is_final": False,
            "is_cancelling": False,
            "finishing": False,
            "unfinished": 0,
            "no_worker": False,
            "priority": 100,
            "due_at": None,
            "is_waiting": False,
            "parallel_limit": 3,
            "started_by_job": None,
            "retries": None,
            "timeout": None,
            "created_at": NOW - timedelta(minutes=3),
            "started_at": NOW - timedelta(minutes=2),
            "finished_at": None,
            "started_by": SimpleNamespace(id=1, email="ada@example.com"),
            "cancel_requested_at": None,
            "cancel_requested_by": None,
            "params": {},
            "state": {},
            "error": None,
            **given,
        }
    )


def task(**given: Any) -> SimpleNamespace:
    made = {
        "id": 1,
        "index": 0,
        "status": "DONE",
        "state": {"path": "a.txt"},
        "result": None,
        "error": None,
        "attempt": 1,
        "crashes": 0,
        "run_after": None,
        "retries": 0,
        "is_final": True,
        "started_at": NOW - timedelta(seconds=2),
        "finished_at": NOW,
        "attempts": [],
        "log": [],
    }
    return SimpleNamespace(**{**made, **given})


def tasks(*rows: SimpleNamespace, status: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(
        rows=rows, status=status, next="after=o1", previous=None, query="tasks=DONE"
    )


def actions(shown: Any, role: Role = Role.SUPERADMIN) -> Sequence[Action]:
    """What somebody of this role is offered."""
    return offered(SimpleNamespace(role=role), shown, {}, lacks=None)


def popup(**given: Any) -> str:
    shown = given.setdefault("job", job())
    context: dict[str, Any] = {
        "actions": actions(shown),
        "files": [],
        "tasks": tasks(task()),
        "task": None,
        "log": [],
        "component": Markup("<p>own look</p>"),
        "trouble": None,
        "chain": Chain(),
        "pauses": [],
        "pending": None,
        "started": [],
        "while_it_waits": while_it_waits(SimpleNamespace(role=Role.SUPERADMIN), shown, {}),
    }
    return render_template("jobs/_popup.html", **{**context, **given})


def index(**given: Any) -> str:
    asked = asked_of(JOBS, given.pop("address", {}), lambda column, text: None, UTC_ZONE)
    rows = given.pop("rows", [job()])
    page = {
        "rows": rows,
        "listing": listing_of(asked, Page(rows=rows, has_previous=False, has_next=False)),
        "status": asked.values.get("status"),
        "counts": {"DONE": (1000, True)},
        "may_start": True,
        "pauses": [],
        "pending": {},
    }
    shown = SimpleNamespace(**{**page, **given})
    return render_template("jobs/index.html", page=shown, popup=None, create=None, question=None)


def component(name: str, shown: SimpleNamespace, *rows: SimpleNamespace) -> str:
    return render_template(
        f"components/{name}.html",
        job=shown,
        state=shown.state,
        params=shown.params,
        files={},
        get_job_tasks=lambda limit=10, offset=0, fields=None: list(rows),
    )


def attempt(**given: Any) -> SimpleNamespace:
    made = {
        "number": 1,
        "status": "FAILED",
        "worker": "host:1",
        "started_at": NOW,
        "finished_at": NOW,
        "error": f"ValueError: {HOSTILE}",
        "traceback": f"Traceback: {HOSTILE}",
    }
    return SimpleNamespace(**{**made, **given})


def line(**given: Any) -> SimpleNamespace:
    made = {"id": 1, "task_index": 0, "attempt": 1, "at": NOW, "level": "INFO", "message": HOSTILE}
    return SimpleNamespace(**{**made, **given})


def card(**given: Any) -> SimpleNamespace:
    made = {"name": "backup", "title": "Backup", "description": "Copy.", "icon": None}
    return SimpleNamespace(**{**made, "may_start": True, "reason": None, **given})


def field(widget: str, value: Any = None, **given: Any) -> Field:
    made = {"name": "size", "label": "Size", "widget": widget, "value": value}
    return Field(**{**made, "choices": [("a", "A"), ("b", "B")], **given})


def create(*fields: Field, **given: Any) -> str:
    form = Form(fields=list(fields), errors=given.pop("errors", []))
    context = {
        "handlers": [card()],
        "handler": card(),
        "form": form,
        "name": "",
        "preview": None,
        "options": None,
    }
    return render_template("jobs/_create.html", **{**context, **given})
