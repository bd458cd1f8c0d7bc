"""What can be watched, for pages: the list and the popup, as the HTML of their parts.

The parts are the templates of the first render. A part is sent when its HTML is not what was
shown last; rows of a table are sent one by one, with the order that they are in.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast
from zoneinfo import ZoneInfo

from flask import current_app, render_template

from app.jobs import Engine
from app.timezones import UTC_ZONE, zone_of
from app.users.people import Person
from app.web import pages
from app.web.job_list import asks_for_days, jobs_page
from app.web.live.sharing import Shared
from app.web.live.topics import Address, Message
from app.web.steering import handlers_page
from app.web.timezones import override_zone

POPUP_PARTS = {
    "actions": "jobs/_actions.html",
    # Of the dialog that asks whether to cancel, if it is open.
    "cancel-facts": "jobs/_cancel_facts.html",
    "head": "jobs/_head.html",
    "progress": "jobs/_progress.html",
    "notices": "jobs/_notices.html",
    "component": "jobs/_component.html",
    "facts": "jobs/_facts.html",
    "task-tabs": "jobs/_task_tabs.html",
    "task": "jobs/_task.html",
    "files": "jobs/_files.html",
    "log": "jobs/_log.html",
}


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A view as it was drawn: its parts by element id, the rows of its list, the job's version."""

    html: Mapping[str, str]
    list_id: str
    rows: Mapping[str, str]
    version: int | None = None
    #: Whether what it tells of a job hangs on others: those that it waits for, or has started.
    is_pending: bool = False


class _Shown:
    """What a page shows of a view, by element id, so that only differences are sent."""

    def __init__(self) -> None:
        self._html: dict[str, int] = {}
        self._orders: dict[str, list[str]] = {}

    def news(self, drawn: Drawn) -> list[Message]:
        """What of this drawing is not as it was shown, as messages."""
        html, lists = self.new_parts(drawn.html), self.new_list(drawn.list_id, drawn.rows)
        version = {} if drawn.version is None else {"v": drawn.version}
        return [version | {"html": html, "lists": lists}] if html or lists else []

    def new_parts(self, parts: Mapping[str, str]) -> dict[str, str]:
        """Those parts whose HTML is not the one that was shown."""
        fresh = {id_: html for id_, html in parts.items() if self._html.get(id_) != hash(html)}
        self._html.update({id_: hash(html) for id_, html in fresh.items()})
        return fresh

    def new_list(self, container: str, rows: Mapping[str, str]) -> dict[str, Any]:
        """The order of the rows, and the HTML of those that are new or changed."""
        order, before = list(rows), self._orders.get(container)
        for gone in set(before or ()) - set(order):
            self._html.pop(gone, None)
        fresh = self.new_parts(rows)
        self._orders[container] = order
        return {container: {"order": order, "html": fresh}} if fresh or order != before else {}


class View(ABC):
    """A view of which each socket is sent what it does not show yet. Drawn once for all alike."""

    def __init__(self, engine: Engine, address: Address) -> None:
        self.engine = engine
        self.job_id = address.job_id
        self.query = address.query
        self.as_of, self.is_pending = -math.inf, False
        self._shown = _Shown()

    def look(
        self, person: Person, changed: Collection[int], since: float = math.inf
    ) -> list[Message]:
        """The parts and the rows that are not as they were; raises when they may not see it."""
        # What a person may see hangs on the role; `seen_by` says so where it hangs on more.
        view = (type(self), self.job_id, *sorted(self.query.items()), *self.seen_by(person))
        shared = cast(Shared[Drawn], current_app.extensions["jobdeck_drawings"])
        drawing = shared.drawn(view, since, lambda: self._drawn_for_all(person))
        self.as_of, self.is_pending = drawing.as_of, drawing.content.is_pending
        return self._shown.news(drawing.content)

    def _drawn_for_all(self, person: Person) -> Drawn:
        # Times are drawn in UTC, and each page's script shows them in its person's zone: people of
        # ten zones would otherwise need ten drawings.
        with override_zone(UTC_ZONE):
            return self.draw(person)

    def seen_by(self, person: Person) -> tuple[object, ...]:
        """All of a person that makes a difference to what is drawn."""
        return (person.role,)

    @abstractmethod
    def draw(self, person: Person) -> Drawn:
        """Read and draw it as it is now; raises when this person may not see it."""


class JobsView(View):
    """`view/jobs?<query>`: one page of the list."""

    def concerns(self, job_ids: Collection[int]) -> bool:
        """Any job may come onto the page."""
        return True

    def seen_by(self, person: Person) -> tuple[object, ...]:
        """Which jobs are of a day hangs on the zone, where the address names days."""
        return (person.role, self._zone(person).key if asks_for_days(self.query) else "")

    def _zone(self, person: Person) -> ZoneInfo:
        return zone_of(person.time_zone)

    def draw(self, person: Person) -> Drawn:
        """The rows, the tabs and the pager."""
        page = jobs_page(self.engine, person, self.query, self._zone(person))
        return Drawn(
            html={
                "job-tabs": render_template("jobs/_tabs.html", page=page),
                "job-pager": render_template("jobs/_pager.html", page=page),
                "pauses": render_template("handlers/_pauses.html", page=page),
            },
            list_id="job-rows",
            rows={
                f"job-row-{job.id}": render_template(
                    "jobs/_row.html", job=job, reason=page.pending.get(job.id)
                )
                for job in page.rows
            },
        )


class PopupView(View):
    """`view/job/<id>?<query>`: the popup of one job."""

    def concerns(self, job_ids: Collection[int]) -> bool:
        """Only this job is of interest; while it may wait for others, all of them."""
        return self.is_pending or self.job_id in job_ids

    def draw(self, person: Person) -> Drawn:
        """The parts, and the rows of the tasks."""
        popup = pages.popup(self.engine, person, self.job_id, self.query)
        context = vars(popup)
        return Drawn(
            html={
                f"job-{self.job_id}-{name}": render_template(template, **context)
                for name, template in POPUP_PARTS.items()
            },
            list_id=f"job-{self.job_id}-task-rows",
            rows={
                f"task-{self.job_id}-{task.index}": render_template(
                    "jobs/_task_row.html", job=popup.job, task=task
                )
                for task in popup.tasks.rows
            },
            version=popup.job.version,
            is_pending=popup.pending is not None
            or (bool(popup.started) and not popup.job.is_final),
        )


class HandlersView(View):
    """`view/handlers`: the page where handlers are paused and limited (B11)."""

    def concerns(self, job_ids: Collection[int]) -> bool:
        """Any job may be one that is counted there."""
        return True

    def draw(self, person: Person) -> Drawn:
        """The rows, what is paused, and the workers."""
        page = handlers_page(self.engine, person)
        parts = {"handlers-everything": "everything", "pauses": "pauses", "workers": "workers"}
        return Drawn(
            html={
                id_: render_template(f"handlers/_{name}.html", page=page)
                for id_, name in parts.items()
            },
            list_id="handler-rows",
            rows={
                f"handler-row-{line.row.name}": render_template(
                    "handlers/_row.html", page=page, line=line
                )
                for line in page.lines
            },
        )


class NavbarView(View):
    """`view/navbar`: a person's own jobs, in the navigation of every page."""

    def concerns(self, job_ids: Collection[int]) -> bool:
        """Any job may be one of theirs."""
        return True

    def seen_by(self, person: Person) -> tuple[object, ...]:
        """Each person has their own."""
        return (person.role, person.id)

    def draw(self, person: Person) -> Drawn:
        """The button with its number, and the rows."""
        navbar = pages.navbar(self.engine, person)
        return Drawn(
            html={"navbar-jobs-button": render_template("_navbar_button.html", navbar=navbar)},
            list_id="navbar-jobs-rows",
            rows={
                f"navbar-job-{job.id}": render_template("_navbar_row.html", job=job)
                for job in navbar.rows
            },
        )
