"""The same on PostgreSQL, which looks at how many rows there are, and at what triggers ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from app.db import Database
from app.jobs.store import claiming, keeping, recording
from app.jobs.store.claiming import Order
from app.jobs.store.recording import JobState, TaskWrites
from app.sql import Statement
from tests import postgresql as postgresql_server
from tests.jobs.test_query_plans import PLANS

MANY = """
    INSERT INTO handler (name, running) VALUES ('work', 1);
    INSERT INTO job (id, name, handler, status, created_at, end_index)
    SELECT id, 'x', 'work', CASE id WHEN 1 THEN 'IN_PROGRESS' WHEN 2 THEN 'QUEUED' ELSE 'DONE' END,
           now(), 4000
    FROM generate_series(1, 20000) AS id;
    INSERT INTO task (job_id, idx, status) SELECT id, 0, 'DONE' FROM job WHERE id > 1;
    INSERT INTO task (job_id, idx, status, run_after)
    SELECT 1, idx, (ARRAY['FAILED', 'IN_PROGRESS', 'SCHEDULED', 'SCHEDULED'])[1 + mod(idx, 4)],
           CASE mod(idx, 4) WHEN 3 THEN now() END
    FROM generate_series(0, 3999) AS idx;
    ANALYZE;
"""
#: What only a superuser may decide for all who come to a database.
EXPLAINED = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_format": "json",
}
VALUES: dict[str, Any] = {
    "handlers": '["work"]',
    "called": '["work"]',
    "jobs": "[1, 2]",
    "ids": "[1, 2]",
    "indexes": "[1]",
    "ran": "[]",
    "all": True,
    "blames_tasks": True,
    **dict.fromkeys(("at", "now", "until", "before", "run", "due"), "2026-01-01T00:00:00Z"),
}


@pytest.fixture(scope="module")
def connection(postgresql: postgresql_server.Server, migrated_there: str) -> Iterator[Connection]:
    """A connection to a database of many ended jobs, one that runs and one that waits."""
    with postgresql.copy_of(migrated_there) as url:
        database = explaining(postgresql, url)
        try:
            with database.writing_once() as connection:
                connection.exec_driver_sql(MANY)
                yield connection
        finally:
            database.dispose()


YOUNG = """
    INSERT INTO handler (name) VALUES ('work');
    INSERT INTO job (id, name, handler, status, created_at, total, scheduled, end_index)
    SELECT id, 'x', 'work', 'QUEUED', now(), 1, 1, 1 FROM generate_series(1, 900) AS id;
    INSERT INTO task (id, job_id, idx, status) SELECT id, id, 0, 'SCHEDULED' FROM job;
"""


@pytest.fixture
def young(postgresql: postgresql_server.Server, migrated_there: str) -> Iterator[Connection]:
    """A connection to a database that was empty when its server looked at it last."""
    with postgresql.copy_of(migrated_there) as url:
        database = explaining(postgresql, url)
        try:
            with database.writing_once() as connection:
                connection.exec_driver_sql(YOUNG)
                yield connection
        finally:
            database.dispose()


def explaining(postgresql: postgresql_server.Server, url: str) -> Database:
    """A database that tells by which plans it does what triggers ask."""
    database = Database(url)
    for name, value in EXPLAINED.items():
        postgresql.run(f"ALTER DATABASE {database.url.database} SET {name} = '{value}'")
    return database


def test_each_row_is_found_by_its_key_in_a_table_that_has_just_grown(young: Connection) -> None:
    """Else each row of the table is held against each that is asked for, which takes seconds."""
    worker_id, jobs = worker(young), range(1, 201)
    order = Order(start=[(id_, id_) for id_ in jobs], tasks={id_: [id_] for id_ in jobs})
    writes = [TaskWrites(worker_id, id_, id_, 1, status="DONE", may_end_job=True) for id_ in jobs]
    claims = explained(young, lambda: claiming.claim(young, worker_id, order))
    groups = explained(young, lambda: recording.write_group(young, worker_id, writes, []))
    for plans in (claims, groups):
        assert {"pk_task", "pk_job"} <= used_in(plans)
        assert not whole_in(plans)
        assert not without_a_key_in(plans)
    ended = "SELECT count(*) FROM job WHERE status = 'DONE' AND done = 1 AND in_progress = 0"
    assert young.exec_driver_sql(ended).scalar_one() == len(jobs)


@pytest.mark.parametrize(("statement", "indexes"), PLANS.values(), ids=list(PLANS))
def test_it_is_found_by_its_index(
    connection: Connection, statement: Statement, indexes: set[str]
) -> None:
    words = statement.words(connection.dialect)
    values = {name: VALUES.get(name, 1) for name in statement._bindparams}
    (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {words}", values).scalars()
    assert not whole_in(plan), json.dumps(plan, indent=1)
    assert used_in(plan) >= indexes - {"ix_task_waiting"}  # another one is as good


def test_what_a_claim_does_is_found_by_indexes(connection: Connection) -> None:
    order = Order(finish=[1], steps=[1], start=[(2, 1)], tasks={1: [20_005, 20_009]})
    plans = explained(connection, lambda: claiming.claim(connection, worker(connection), order))
    assert {"pk_task", "pk_job"} <= used_in(plans)
    assert not whole_in(plans)
    assert not any("JIT" in plan for plan in plans)  # which takes half a second at each claim


def test_what_a_group_writes_is_found_by_indexes(connection: Connection) -> None:
    worker_id = worker(connection)
    writes = [TaskWrites(worker_id, number, 1, 1, status="FAILED") for number in (20_004, 20_008)]
    writes[0].logs.append(("2026-01-01T00:00:00Z", "INFO", "said"))
    plans = explained(
        connection,
        lambda: recording.write_group(connection, worker_id, writes, [JobState(1, 0, "{}")]),
    )
    assert {"pk_task", "pk_job"} <= used_in(plans)
    assert not whole_in(plans)
    assert not any("JIT" in plan for plan in plans)


def worker(connection: Connection) -> int:
    """A worker that lives."""
    about = keeping.NewWorker(host="here", pid=1, mark="m", handlers=["work"], lease=60)
    return keeping.register(connection, about)


def explained(connection: Connection, act: Callable[[], object]) -> list[Any]:
    """The plans of all that triggers ask while somebody acts."""
    said: list[str] = []
    driver: Any = connection.connection.driver_connection
    driver.add_notice_handler(lambda notice: said.append(notice.message_primary))
    connection.exec_driver_sql("SET client_min_messages = log")
    act()
    connection.exec_driver_sql("RESET client_min_messages")
    return [json.loads(text[text.index("{") :]) for text in said if "plan:" in text]


def used_in(plan: Any) -> set[str]:
    """The names of the indexes that a plan uses."""
    return {node["Index Name"] for node in nodes_of(plan) if "Index Name" in node}


#: Of these there is a row for each handler, or for each worker, or none.
SMALL = {"handler", "pause", "worker"}


def whole_in(plan: Any) -> set[str]:
    """The tables that a plan reads from one end to the other, but for those of a few rows."""
    whole = {node["Relation Name"] for node in nodes_of(plan) if node["Node Type"] == "Seq Scan"}
    return whole - SMALL


def without_a_key_in(plan: Any) -> set[str]:
    """The indexes that a plan reads from one end to the other."""
    indexes = [node for node in nodes_of(plan) if "Index Name" in node]
    whole = {node["Index Name"] for node in indexes if "Index Cond" not in node}
    return {name for name in whole if not name.endswith(tuple(SMALL))}


def nodes_of(plan: Any) -> Iterator[dict[str, Any]]:
    """All steps of a plan."""
    if isinstance(plan, list):
        for each in plan:
            yield from nodes_of(each)
    elif isinstance(plan, dict):
        if "Node Type" in plan:
            yield plan
        for value in plan.values():
            yield from nodes_of(value)
