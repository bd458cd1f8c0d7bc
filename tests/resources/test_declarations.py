"""What ships as a resource is declared as the rest of the program has it."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from app.admin import Resource
from app.db import Database
from app.jobs.models import Handler
from app.jobs.store.listing import SORTS
from app.resources import all_resources
from app.resources.jobs import JOBS, visible_jobs
from app.resources.users import USERS, make_link
from app.users.people import Person, create_user
from app.users.permissions import Action, Role
from app.web import filters

VERA = Person(id=1, email="vera@example.com", role=Role.VIEWER)
ALICE = Person(id=2, email="alice@example.com", role=Role.SUPERADMIN)
SPRITE = Path(filters.__file__).parent.parent / "static/icons.svg"


def test_every_module_declares_a_resource_of_its_name() -> None:
    assert [each.name for each in all_resources()] == ["jobs", "users"]
    for each in all_resources():
        importlib.import_module(f"app.resources.{each.name}")


@pytest.mark.parametrize("resource", all_resources(), ids=lambda each: each.name)
def test_actions_and_symbols_are_known(resource: Resource) -> None:
    sprite = set(re.findall(r'<symbol id="([^"]+)"', SPRITE.read_text()))
    more = resource.row_actions
    assert {*resource.actions.values(), *(each.allowed for each in more)} <= set(Action)
    assert {resource.icon, *(each.icon for each in more)} <= sprite


def test_the_orders_of_the_jobs_are_those_that_the_engine_knows() -> None:
    assert set(JOBS.sortable()) - {"id"} == set(SORTS)


def test_every_order_of_the_jobs_has_an_index(database: Database) -> None:
    with database.reading() as connection:
        rows = connection.execute(text("SELECT sql FROM sqlite_master WHERE tbl_name = 'job'"))
        indexes = " ".join(row.sql or "" for row in rows)
    for name in ("created_at", "name", "finished_at"):
        assert re.search(rf"\({name}, id\)", indexes), name


def test_only_jobs_of_handlers_that_a_person_may_see_are_visible(database: Database) -> None:
    roles = {"open": {}, "secret": {"view": "superadmin"}}
    with database.writing() as connection:
        for name, said in roles.items():
            connection.execute(insert(Handler).values(name=name, roles=json.dumps(said)))
    with database.reading() as connection:
        hidden = [
            str(visible_jobs(connection, who)[1].compile(compile_kwargs={"literal_binds": True}))
            for who in (VERA, ALICE)
        ]
    assert ["secret" in each for each in hidden] == [True, False]
    assert "open" not in hidden[0]


def test_a_link_leads_to_where_a_password_is_set(app: Flask, database: Database) -> None:
    person = create_user(database, email="new@example.com", role="viewer")
    with Session(database.for_sessions) as session:
        path = make_link(session, person.id, ALICE).path
    adapter = app.url_map.bind("localhost")
    assert adapter.match(path)[0] == "auth.set_password"


def test_no_password_of_a_user_is_read_or_shown() -> None:
    shown = {each.name for place in ("list", "show", "filter") for each in USERS.shown_in(place)}
    assert "password" not in shown
    assert "password_hash" not in {each.name for each in USERS.columns}
