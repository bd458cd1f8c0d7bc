"""What people set on their PostgreSQL for others changes nothing here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy.exc import DataError

from app import engines
from app.config import Settings
from app.db import Database
from app.engines import UnsupportedDatabase
from app.jobs import Engine, Handler, Task
from app.users.people import add_user
from app.users.permissions import Role
from tests import postgresql as postgresql_server
from tests.command import Run
from tests.jobs.looking import ended, sql
from tests.visitor import PASSWORD, Visitor

pytestmark = pytest.mark.about_postgresql("its settings")
PLANNER = (
    *("seqscan", "indexscan", "indexonlyscan", "bitmapscan", "tidscan", "nestloop", "hashjoin"),
    *("mergejoin", "hashagg", "sort", "incremental_sort", "material", "memoize"),
)
ODD = {
    "a date style": {"DateStyle": "SQL, DMY"},
    "another date style": {"DateStyle": "German"},
    "an encoding of the client": {"client_encoding": "LATIN1"},
    "ways to write values": {
        "DateStyle": "Postgres, DMY", "IntervalStyle": "sql_standard", "bytea_output": "escape",
        "standard_conforming_strings": "off", "extra_float_digits": "-15",
        "escape_string_warning": "on", "TimeZone": "America/Caracas", "array_nulls": "off",
        "transform_null_equals": "on", "xmlbinary": "hex", "lc_numeric": "C.utf8",
        "lc_time": "C.utf8", "lc_monetary": "C.utf8", "default_text_search_config": "german",
    },
    "serializable transactions": {"default_transaction_isolation": "serializable"},
    "repeatable reads": {
        "default_transaction_isolation": "repeatable read", "default_transaction_deferrable": "on",
    },
    "read only transactions": {"default_transaction_read_only": "on"},
    "short times": {
        "statement_timeout": "20ms", "idle_session_timeout": "50ms", "lock_timeout": "1ms",
        "idle_in_transaction_session_timeout": "1ms",
    },
    "a planner without ways": {f"enable_{way}": "off" for way in PLANNER} | {
        "jit": "on", "jit_above_cost": "0", "plan_cache_mode": "force_generic_plan",
        "join_collapse_limit": "1", "from_collapse_limit": "1", "cursor_tuple_fraction": "1",
    },
    "other things": {
        "row_security": "off", "default_toast_compression": "pglz", "synchronous_commit": "off",
        "client_min_messages": "error", "quote_all_identifiers": "on", "backslash_quote": "off",
        "restrict_nonsystem_relation_kind": "view",
        "check_function_bodies": "off", "plpgsql.extra_errors": "all",
    },
}  # fmt: skip


@pytest.fixture(params=ODD.values(), ids=list(ODD))
def odd(
    request: pytest.FixtureRequest, settings: Settings, postgresql: postgresql_server.Server
) -> dict[str, str]:
    """Defaults of the test's database that nobody would think of."""
    chosen: dict[str, str] = request.param
    for name, value in chosen.items():
        database = Database(settings.database).url.database
        postgresql.run(f"ALTER DATABASE {database} SET {name} = '{value}'")
    return chosen


@pytest.fixture
def alice(odd: object, make_app: Callable[..., Flask], settings: Settings) -> Visitor:
    """Alice, on such a database."""
    app = make_app(dataclasses.replace(settings, threads=2, poll_seconds=0.05, grace_seconds=1.0))
    add_user(app.extensions["jobdeck_database"], "alice@example.com", Role.SUPERADMIN, PASSWORD)
    visitor = Visitor(app, "alice@example.com")
    assert visitor.sign_in().status_code == 303
    return visitor


@pytest.fixture
def engine(alice: Visitor) -> Iterator[Engine]:
    """The engine of her application, which runs what she starts."""
    engine: Engine = alice.client.application.extensions["jobdeck"]
    engine.registry.add(Handler(name="odd", run=work, retries=1, retry_delay=0))
    engine.run()
    yield engine
    engine.begin_stop()
    engine.stop()


def work(task: Task) -> object:
    """Say things of every kind, and fail at the first try."""
    task.log("Grüße \\ 'quoted' 日本")
    task.set_state_field("part", "0.1 \\d ✓")
    task.job.update_fields_atomically(lambda state: state.update(said=state.get("said", 0) + 0.1))
    if task.attempt == 1 and task.index == 0:
        raise ValueError("nicht jetzt: \\ ✗")
    return {"ü": 0.30000000000000004}


def test_jobs_and_pages_are_as_ever(alice: Visitor, engine: Engine, odd: dict[str, str]) -> None:
    for name in engines._POSTGRESQL_SETTINGS.keys() & odd.keys():
        ((said,),) = sql(engine.database, f"SHOW {name}")
        assert said == engines._POSTGRESQL_SETTINGS[name]
    timeout = 12345.678901234567
    job_id = engine.start("odd", name="Zoë \\ 日本", tasks=[{}] * 3, timeout=timeout)
    job = ended(engine, job_id)
    assert (job.status, job.name, job.timeout) == ("DONE", "Zoë \\ 日本", timeout)
    assert job.counts["done"] == 3
    assert job.state["said"] == pytest.approx(0.4)
    assert engine.task(job_id, 0).result == {"ü": 0.30000000000000004}
    errors = [each.error for each in engine.task(job_id, 0).attempts]
    assert errors == [None, "ValueError: nicht jetzt: \\ ✗"]
    assert abs((datetime.now(UTC) - job.created_at).total_seconds()) < 120
    for page in ("/jobs", f"/jobs/{job_id}", "/jobs?q=zoË+%5C", "/users", "/account", "/handlers"):
        answer = alice.get(page)
        assert answer.status_code == 200, page
        assert "Zoë" in answer.text or not page.startswith("/jobs")
    told = alice.get(f"/api/v1/jobs/{job_id}").get_json()
    assert told["created_at"].endswith("Z")
    assert datetime.fromisoformat(told["created_at"]) == job.created_at


def test_a_setting_of_ours_outlives_a_transaction_that_fails(database: Database) -> None:
    with pytest.raises(DataError), database.writing() as connection:
        connection.exec_driver_sql("SELECT 1 / 0")
    with database.writing() as connection:
        said = connection.exec_driver_sql("SHOW extra_float_digits").scalar_one()
        isolation = connection.exec_driver_sql("SHOW transaction_isolation").scalar_one()
    assert (said, isolation) == ("1", "read committed")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_keep_every_text_is_refused(
    postgresql: postgresql_server.Server,
    jobdeck: Run,
    monkeypatch: pytest.MonkeyPatch,
    encoding: str,
) -> None:
    options = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
    with postgresql.database(options) as url:
        with pytest.raises(UnsupportedDatabase, match=encoding):
            sql(Database(url), "SELECT 1")
        monkeypatch.setenv("JOBDECK_DATABASE_URL", url)
        for command in (["db", "upgrade"], ["serve"], ["worker"]):
            ended = jobdeck(*command)
            assert ended.code == 1
            assert f"The database's encoding is {encoding}, in which not every" in ended.err
