"""What can be watched, for pages: the list and the popup, as the HTML of their parts.

The parts are the templates of the first render. A part is sent when its HTML is not what was
shown last; rows of a table are sent one by one, with the order that they are in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from flask import render_template

from app.jobs import Engine
from app.users.people import Person
from app.users.permissions import HasRole
from app.web import pages
from app.web.job_list import jobs_page
from app.web.live.topics import Address, Message

POPUP_PARTS = {
    "actions": "jobs/_actions.html",
    # Of the dialog that asks whether to cancel, if it is open.
    "cancel-facts": "jobs/_cancel_facts.html",
    "head": "jobs/_head.html",
    "progress": "jobs/_progress.html",
    "notices": "jobs/_notices.html",
    "component": "jobs/_component.html",
    "task-tabs": "jobs/_task_tabs.html",
    "task": "jobs/_task.html",
    "files": "jobs/_files.html",
    "log": "jobs/_log.html",
}


class _Shown:
    """What a page shows of a view, by element id, so that only differences are sent."""

    def __init__(self) -> None:
        self._html: dict[str, int] = {}
        self._orders: dict[str, list[str]] = {}

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


class JobsView:
    """`view/jobs?<query>`: one page of the list."""

    def __init__(self, engine: Engine, address: Address) -> None:
        self._engine = engine
        self._query = address.query
        self._shown = _Shown()

    def concerns(self, job_ids: Collection[int]) -> bool:
        """Any job may come onto the page."""
        return True

    def look(self, person: HasRole, changed: Collection[int]) -> list[Message]:
        """The rows and the tabs that are not as they were."""
        page = jobs_page(self._engine, person, self._query)
        rows = {
            f"job-row-{job.id}": render_template("jobs/_row.html", job=job) for job in page.rows
        }
        html = self._shown.new_parts(
            {
                "job-tabs": render_template("jobs/_tabs.html", page=page),
                "job-pager": render_template("jobs/_pager.html", page=page),
            }
        )
        lists = self._shown.new_list("job-rows", rows)
        return [{"html": html, "lists": lists}] if html or lists else []


class PopupView:
    """`view/job/<id>?<query>`: the popup of one job."""

    def __init__(self, engine: Engine, address: Address) -> None:
        self._engine = engine
        self._job_id = address.job_id
        self._query = address.query
        self._shown = _Shown()

    def concerns(self, job_ids: Collection[int]) -> bool:
        """Only this job is of interest."""
        return self._job_id in job_ids

    def look(self, person: HasRole, changed: Collection[int]) -> list[Message]:
        """The parts and the task rows that are not as they were."""
        popup = pages.popup(self._engine, person, self._job_id, self._query)
        context = vars(popup)
        html = self._shown.new_parts(
            {
                f"job-{self._job_id}-{name}": render_template(template, **context)
                for name, template in POPUP_PARTS.items()
            }
        )
        rows = {
            f"task-{self._job_id}-{task.index}": render_template(
                "jobs/_task_row.html", job=popup.job, task=task
            )
            for task in popup.tasks.rows
        }
        lists = self._shown.new_list(f"job-{self._job_id}-task-rows", rows)
        return [{"v": popup.job.version, "html": html, "lists": lists}] if html or lists else []


class NavbarView:
    """`view/navbar`: a person's own jobs, in the navigation of every page."""

    def __init__(self, engine: Engine, _: Address) -> None:
        self._engine = engine
        self._shown = _Shown()

    def concerns(self, job_ids: Collection[int]) -> bool:
        """Any job may be one of theirs."""
        return True

    def look(self, person: Person, changed: Collection[int]) -> list[Message]:
        """The button with its number, and the rows, that are not as they were."""
        navbar = pages.navbar(self._engine, person)
        button = render_template("_navbar_button.html", navbar=navbar)
        rows = {
            f"navbar-job-{job.id}": render_template("_navbar_row.html", job=job)
            for job in navbar.rows
        }
        html = self._shown.new_parts({"navbar-jobs-button": button})
        lists = self._shown.new_list("navbar-jobs-rows", rows)
        return [{"html": html, "lists": lists}] if html or lists else []
