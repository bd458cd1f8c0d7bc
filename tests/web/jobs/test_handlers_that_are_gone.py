"""A handler's code may go; who may see its jobs does not change by that."""

from __future__ import annotations

import dataclasses

import pytest

from app.config import Settings
from app.db import Database
from app.jobs import Engine, Handler, Registry
from app.timezones import UTC_ZONE
from app.users.errors import NotAllowed
from app.users.permissions import Role
from app.web import pages
from app.web.job_list import jobs_page


@dataclasses.dataclass(frozen=True)
class Somebody:
    role: Role


def test_a_job_that_few_may_see_stays_so_without_its_handler(
    settings: Settings, database: Database
) -> None:
    secret = Handler(name="secret", run=lambda task: None, roles={"view": "superadmin"})
    job_id = Engine(database, settings, Registry([secret])).start("secret")
    without = Engine(database, settings, Registry())
    viewer, chief = Somebody(Role.VIEWER), Somebody(Role.SUPERADMIN)
    with pytest.raises(NotAllowed):
        pages.job_for(without, viewer, job_id)
    assert pages.job_for(without, chief, job_id).no_worker
    assert jobs_page(without, viewer, {}, UTC_ZONE).rows == []
    assert [row.id for row in jobs_page(without, chief, {}, UTC_ZONE).rows] == [job_id]


def test_a_job_that_all_may_see_stays_so_too(settings: Settings, database: Database) -> None:
    plain = Handler(name="plain", run=lambda task: None)
    job_id = Engine(database, settings, Registry([plain])).start("plain")
    without = Engine(database, settings, Registry())
    assert pages.job_for(without, Somebody(Role.VIEWER), job_id).handler == "plain"


def test_what_a_handler_declares_anew_counts(settings: Settings, database: Database) -> None:
    for roles in ({"view": "superadmin"}, {"view": "operator"}):
        handler = Handler(name="moody", run=lambda task: None, roles=roles)
        Engine(database, settings, Registry([handler])).start("moody")
    without = Engine(database, settings, Registry())
    assert pages.hidden_handlers(without, Somebody(Role.OPERATOR)) == frozenset()
    assert pages.hidden_handlers(without, Somebody(Role.VIEWER)) == {"moody"}
