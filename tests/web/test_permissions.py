"""Everybody walks to every door: who may gets through, and everybody else is told why not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.jobs import Engine
from app.jobs.store import filing
from app.users.people import create_user, find_by_email
from app.users.permissions import Action, Role
from app.web.access import PUBLIC, entered_by
from tests.visitor import Visitor
from tests.web.doors import ACCOUNT, DOORS, FILE, NARROWED, Door
from tests.web.jobs.api import refused
from tests.web.jobs.conftest import engine, settings
from tests.web.walkers import Walker, walkers

__all__ = ["engine", "settings", "walkers"]


def routes(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Method, rule and endpoint of everything that a browser or a program may ask for."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static" and not rule.websocket:
            for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
                yield method, rule.rule, rule.endpoint


def test_every_route_has_a_row_in_the_table(app: Flask) -> None:
    there = {(method, rule) for method, rule, _ in routes(app)}
    known = {(door.method, door.rule) for door in DOORS}
    assert there - known == set(), "give these a row in tests/web/doors.py"
    assert known - there == set(), "these rows of tests/web/doors.py lead nowhere"


def test_every_route_states_the_permission_that_its_row_says(app: Flask) -> None:
    rows = {(door.method, door.rule): door.action for door in DOORS}
    with app.app_context():
        for method, rule, endpoint in routes(app):
            said = entered_by(endpoint)
            assert said == PUBLIC or said in set(Action), f"{endpoint} says {said!r}"
            assert said == rows.get((method, rule), said), (method, rule)


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_who_may_gets_through_and_nobody_else(
    app: Flask, engine: Engine, walkers: list[Walker], door: Door
) -> None:
    for walker in walkers:
        for kind in NARROWED if of_kinds(door) else [None]:
            for owner in (walker.id, None) if "job_id" in door.rule else [None]:
                job_id = job_for(engine, door, kind, owner)
                answer = knock(app, walker.visitor, door, job_id, kind)
                where = f"{walker.role}, {kind}, {'own' if owner else 'another'} job: {answer.text}"
                if walker.may(door.action, kind):
                    assert answer.status_code in answers(door), where
                else:
                    assert is_kept_out(answer, door, walker), where


@pytest.mark.parametrize("door", [each for each in DOORS if "job_id" in each.rule], ids=str)
def test_an_unknown_job_is_unknown_to_those_who_may_and_nobody_elses_business(
    app: Flask, walkers: list[Walker], door: Door
) -> None:
    for walker in walkers:
        for job_id in (7, 2**63 - 1, 10**25):
            answer = knock(app, walker.visitor, door, job_id, "swift")
            if walker.may(door.action, None):
                assert answer.status_code == 404, (walker.role, answer.text)
                assert "There is no job" in answer.text
            else:
                assert is_kept_out(answer, door, walker)


def answers(door: Door) -> tuple[int, ...]:
    """The statuses with which it may answer those who get through."""
    return door.answer if isinstance(door.answer, tuple) else (door.answer,)


def of_kinds(door: Door) -> bool:
    """Whether it makes a difference which kind of job is walked to."""
    return "job_id" in door.rule or "{kind}" in repr(door.sent)


def job_for(engine: Engine, door: Door, kind: str | None, owner: int | None) -> int:
    """A job of this kind in the status in which the door opens; 0 for a door to no job."""
    if kind is None or "job_id" not in door.rule:
        return 0
    job_id = engine.start(kind, started_by=owner, tasks=[{"state": {"sum": 7}}])
    if FILE in door.parts.values():
        give_file(engine, job_id)
    if door.job != "QUEUED":
        end(engine, job_id, door.job)
    return job_id


def give_file(engine: Engine, job_id: int) -> None:
    """Let a job have been started with a file."""
    part = engine.shelf.begin_upload(FILE)
    part.write(b"hello")
    row = engine.shelf.add_upload(part, FILE, None)
    with engine.database.writing() as connection:
        filing.use(connection, job_id, [(row.id, FILE)], "viewer")


def end(engine: Engine, job_id: int, status: str) -> None:
    """Let a job have ended with its tasks failed, without a worker."""
    with engine.database.writing() as connection:
        for statement in (
            f"UPDATE task SET status = 'FAILED', error = 'x' WHERE job_id = {job_id}",
            f"UPDATE job SET status = '{status}', started_at = created_at, "
            f"finished_at = created_at WHERE id = {job_id}",
        ):
            connection.exec_driver_sql(statement)


def knock(app: Flask, visitor: Visitor, door: Door, job_id: int, kind: str | None) -> TestResponse:
    """Ask for what is behind the door, as a page or a program would."""
    sent = filled([door.sent.form, door.sent.json, door.sent.args], kind or "swift")
    form, body, args = sent
    return visitor.client.open(
        path_to(app, door, job_id),
        method=door.method,
        buffered=True,
        query_string=args,
        headers={"X-CSRFToken": visitor.token()},
        **({"json": body} if body is not None else {"data": form or {}}),
    )


def filled(value: Any, kind: str) -> Any:
    """What is sent, with the name of the kind in its place."""
    if isinstance(value, dict):
        return {key: filled(each, kind) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, kind) for each in value]
    if value == FILE:
        return io.BytesIO(b"hello"), FILE
    return value.replace("{kind}", kind) if isinstance(value, str) else value


def path_to(app: Flask, door: Door, job_id: int) -> str:
    """An address behind the door: of this job, where it is about one."""
    rules = [each for each in app.url_map.iter_rules() if not each.websocket]
    rule = next(
        each for each in rules if each.rule == door.rule and door.method in (each.methods or ())
    )
    parts = door.parts | ({"job_id": job_id} if "job_id" in rule.arguments else {})
    if ACCOUNT in parts.values():
        parts["row_id"] = an_account(app)
    with app.test_request_context():
        return app.url_for(rule.endpoint, **parts)


def an_account(app: Flask) -> int:
    """The id of an account that is nobody's who walks."""
    database, email = app.extensions["jobdeck_database"], "somebody@example.com"
    found = find_by_email(database, email) or create_user(database, email=email, role=Role.OPERATOR)
    return found.id


def is_kept_out(answer: TestResponse, door: Door, walker: Walker) -> bool:
    """Whether the answer says no in the way that the one who asked understands."""
    is_api = door.rule.startswith("/api/")
    if walker.role != "stranger":
        if is_api:
            return bool(refused(answer, 403, "not_allowed"))
        return answer.status_code == 403 and f"Your role is {walker.role}" in answer.text
    if is_api:
        return bool(refused(answer, 401, "not_signed_in"))
    if door.method != "GET":  # a redirect would lose what was sent
        return answer.status_code == 401
    return answer.status_code == 302 and answer.location.startswith("/login")


def test_a_route_that_says_nothing_lets_nobody_in(
    app: Flask, request: pytest.FixtureRequest
) -> None:
    app.add_url_rule("/forgotten", view_func=lambda: "secret", endpoint="forgotten")
    alice: Visitor = request.getfixturevalue("alice")
    assert alice.get("/forgotten").status_code == 403
