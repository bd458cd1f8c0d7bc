"""What differs on MariaDB: a schema that is made at once, its plans, and who may change tables."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from app import schema
from app.db import Base, Database
from app.engines import MARIADB_MIGRATING
from app.jobs import Handler, JobFilter, Task
from app.jobs.errors import is_outage
from app.jobs.store import candidates, claiming, keeping, on_mariadb, recording
from app.jobs.store.claiming import Order
from app.jobs.store.recording import TaskWrites
from app.schema import Schema
from app.sql import Statement, for_each, rows, written_out
from app.sql import statement as asked
from tests import mariadb as mariadb_server
from tests.jobs.conftest import Engines
from tests.jobs.looking import done
from tests.jobs.test_query_plans import PLANS
from tests.jobs.test_query_plans_there import VALUES

pytestmark = pytest.mark.about_mariadb("the others have tests of their own")

#: Rows that a statement may look at although a job has 40,000 tasks and there are 20,000 jobs.
FEW = 400
MANY = (
    "INSERT INTO handler (name, running) VALUES ('work', 1)",
    """INSERT INTO job (id, name, handler, status, created_at, end_index)
    SELECT seq, 'x', 'work',
           CASE seq WHEN 1 THEN 'IN_PROGRESS' WHEN 2 THEN 'QUEUED' ELSE 'DONE' END,
           '2026-01-01T00:00:00.000000Z', 40000
    FROM seq_1_to_20000""",
    "INSERT INTO task (job_id, idx, status) SELECT id, 0, 'DONE' FROM job WHERE id > 1",
    """INSERT INTO task (job_id, idx, status)
    SELECT 1, seq, CASE mod(seq, 500) WHEN 0 THEN 'FAILED' WHEN 1 THEN 'IN_PROGRESS'
                                     WHEN 2 THEN 'SCHEDULED' ELSE 'DONE' END
    FROM seq_0_to_39999""",
    "ANALYZE TABLE job, task",
)


@pytest.fixture(scope="module")
def url(mariadb: mariadb_server.Server) -> Iterator[str]:
    """A database with the newest schema, many ended jobs, one that runs and one that waits."""
    with mariadb.database() as url:
        database = Database(url)
        try:
            schema.upgrade(database)
            with database.writing_once() as connection:
                for statement in MANY:
                    connection.exec_driver_sql(statement)
            yield url
        finally:
            database.dispose()


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    """A connection to it."""
    database = Database(url)
    try:
        with database.writing_once() as connection:
            yield connection
    finally:
        database.dispose()


def test_its_tables_are_what_the_models_say(connection: Connection) -> None:
    there = inspect(connection)
    for table in Base.metadata.sorted_tables:
        made = {each["name"]: bool(each["nullable"]) for each in there.get_columns(table.name)}
        said = {each.name: bool(each.nullable or each.computed) for each in table.columns}
        assert made == said, table.name
        references = {each["constrained_columns"][0] for each in there.get_foreign_keys(table.name)}
        assert references == {each.parent.name for each in table.foreign_keys}, table.name


def test_the_migration_has_its_newest_programs() -> None:
    made = importlib.import_module("migrations.versions.0010_mariadb").STATEMENTS
    assert made[-len(on_mariadb.PROGRAMS) :] == on_mariadb.PROGRAMS


def test_an_upgrade_of_what_is_current_changes_nothing(url: str) -> None:
    database = Database(url)
    schema.upgrade(database)
    assert schema.look_at(database) is Schema.CURRENT
    database.dispose()


#: What is asked there in place of a question that has a limit for each of some.
AT_ONCE = {
    candidates.QUEUED: for_each(
        candidates.QUEUED_OF_ONE, ["work"], {}, whole=candidates.FIRST_OF_ALL
    )[0],
    candidates.SCHEDULED: for_each(
        candidates.SCHEDULED_OF_ONE, [1, 2], {}, whole=candidates.NEXT_OF_ALL
    )[0],
}


@pytest.mark.parametrize(("statement", "indexes"), PLANS.values(), ids=list(PLANS))
def test_it_is_found_by_an_index(
    connection: Connection, statement: Statement, indexes: set[str]
) -> None:
    asked = AT_ONCE.get(statement, statement)
    values = {name: VALUES.get(name, 1) for name in asked._bindparams}
    values |= {name: written_out(values[name]) for name in asked.lists}
    words = asked.words(connection.dialect)
    plan = connection.exec_driver_sql(f"EXPLAIN {words}", values).mappings().all()
    for step in plan:
        if step["table"] in ("job", "task", "ready", "attempt", "log_line"):
            assert step["key"], json.dumps([dict(each) for each in plan], indent=1)
            looked_at = int(str(step["rows"] or 0).split()[0])
            assert looked_at <= FEW, json.dumps([dict(each) for each in plan], indent=1)


def test_a_claim_and_a_group_look_at_few_rows(connection: Connection) -> None:
    worker_id = keeping.register(
        connection,
        keeping.NewWorker(host="here", pid=1, mark="x", handlers=("work",), lease=60),
    )
    ready = "SELECT id FROM task WHERE job_id = 1 AND status = 'SCHEDULED' ORDER BY idx LIMIT 20"
    tasks = list(connection.exec_driver_sql(ready).scalars())
    order = Order(start=[(2, 1)], tasks={1: tasks})
    before = read_so_far(connection)
    claiming.claim(connection, worker_id, order)
    between = read_so_far(connection)
    assert between - before < FEW
    claims = claiming.claimed(connection, worker_id, order)
    writes = [TaskWrites(worker_id, each.id, 1, each.attempt, status="DONE") for each in claims]
    recording.write_group(connection, worker_id, writes, [])
    assert len(claims) == len(tasks)
    assert read_so_far(connection) - between < FEW


def read_so_far(connection: Connection) -> int:
    """How many rows this connection has read, by keys or one after the other."""
    told = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'")
    return sum(int(value) for _, value in told)


@pytest.fixture
def database_there(url: str) -> Iterator[Database]:
    """The database."""
    database = Database(url)
    yield database
    database.dispose()


def test_who_changes_the_tables_is_alone(database_there: Database) -> None:
    def free() -> Any:
        with database_there.reading() as connection:
            asked = "SELECT is_free_lock(concat('jobdeck ', database()))"
            return connection.exec_driver_sql(asked).scalar()

    with database_there.migrating():
        assert free() == 0
        other = Database(str(database_there.url))
        other.kind = dataclasses.replace(other.kind, migrating=MARIADB_MIGRATING.replace("60", "0"))
        with pytest.raises(DBAPIError), other.migrating():
            pass
        other.dispose()
    assert free() == 1


def test_each_statement_by_itself_is_committed_and_a_transaction_sees_what_others_commit(
    database_there: Database,
) -> None:
    rename = "UPDATE job SET name = '{}' WHERE id = 7"
    name = "SELECT name FROM job WHERE id = 7"
    other = Database(str(database_there.url))
    with database_there.writing_once() as connection:
        connection.exec_driver_sql(rename.format("by itself"))
    with other.engine.begin() as looking:
        assert looking.exec_driver_sql(name).scalar() == "by itself"
        with database_there.writing() as connection:
            connection.exec_driver_sql(rename.format("together"))
            assert looking.exec_driver_sql(name).scalar() == "by itself"
        assert looking.exec_driver_sql(name).scalar() == "together"
    other.dispose()


@pytest.mark.parametrize(
    ("statement", "is_about_rows"),
    [("INSERT INTO job (name, handler, status, created_at) VALUES ('x', 'y', 'NONE', 'z')", True),
     ("UPDATE handler SET name = repeat('x', 300)", True),
     ("SELECT nothing FROM job", True),
     ("SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1205", False),
     ("SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1114", False),
     ("KILL connection_id()", False)],
)  # fmt: skip
def test_what_is_refused_is_no_outage(
    database_there: Database, statement: str, is_about_rows: bool
) -> None:
    for ask in (lambda connection: connection.exec_driver_sql(statement),
                lambda connection: rows(connection, asked(statement), {})):  # fmt: skip
        with pytest.raises(DBAPIError) as refused, database_there.reading() as connection:
            ask(connection)
        assert is_outage(refused.value) is not is_about_rows


def test_a_group_that_is_broken_off_leaves_nothing_behind(database_there: Database) -> None:
    """Else what the next one on this connection changes would not be counted."""
    with database_there.reading() as connection:
        before = connection.exec_driver_sql("SELECT connection_id()").scalar_one()
        with pytest.raises(DBAPIError):
            rows(connection, asked("SIGNAL SQLSTATE '70100' SET MYSQL_ERRNO = 1317"), {})
    with database_there.reading() as connection:
        assert connection.exec_driver_sql("SELECT connection_id()").scalar_one() != before


ODD = {
    "sql_mode": "'ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,ORACLE'",
    "time_zone": "'-11:30'",
    "tx_isolation": "'SERIALIZABLE'",
    "tx_read_only": "1",
    "completion_type": "'CHAIN'",
    "max_statement_time": "0.02",
    "wait_timeout": "1",
    "sql_select_limit": "1",
    "sql_safe_updates": "1",
    "sql_auto_is_null": "1",
    "unique_checks": "0",
    "foreign_key_checks": "0",
    "default_regex_flags": "'EXTENDED'",
    "character_set_server": "latin1",
    "collation_server": "latin1_german2_ci",
    "group_concat_max_len": "4",
    "autocommit": "0",
}


@pytest.fixture
def odd(mariadb: mariadb_server.Server) -> Iterator[None]:
    """Defaults of the server that nobody would think of."""
    names = ", ".join(f"@@GLOBAL.{name}" for name in ODD)
    with mariadb._engine.connect() as connection:
        before = connection.exec_driver_sql(f"SELECT {names}").one()
    for name, value in ODD.items():
        mariadb.run(f"SET GLOBAL {name} = {value}")
    yield
    for name, value in reversed([*zip(ODD, before, strict=True)]):
        said = f"'{value}'" if isinstance(value, str) else value
        mariadb.run(f"SET GLOBAL {name} = {said}")
    mariadb._engine.dispose()  # of whose connections some began with these


def test_what_people_set_on_their_server_changes_nothing(
    odd: None, database: Database, engines: Engines
) -> None:
    def work(task: Task) -> str:
        task.log("Grüße \\ 'quoted' 日本 😀")
        return "x  "

    engine = engines(Handler(name="work", run=work, parallel_limit=2))
    job_id = engine.start("work", name="a b \\ 😀", tasks=[{}] * 5)
    job = done(engine, job_id)
    assert (job.name, job.counts["done"]) == ("a b \\ 😀", 5)
    assert engine.task(job_id, 4).result == "x  "
    assert [each.id for each in engine.jobs(JobFilter(search="A B \\"))] == [job_id]
