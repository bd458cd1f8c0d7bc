"""On PostgreSQL an ordinary role is enough, and a few rights in a schema of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from app import schema
from app.config import Settings
from app.db import Database
from app.jobs import Engine, Handler, Registry, Task
from app.jobs.store import keeping, recording
from app.jobs.store.recording import Fenced, TaskWrites
from app.schema import Schema
from tests import postgresql as postgresql_server
from tests.command import Run
from tests.jobs.conftest import Engines
from tests.jobs.looking import done, recounted, sql, statuses

pytestmark = pytest.mark.about_postgresql("its rights")
TENANT = "tenant"


@pytest.fixture(scope="module")
def tenant(postgresql: postgresql_server.Server) -> str:
    """A role that owns nothing."""
    postgresql.run(f"CREATE ROLE {TENANT} LOGIN")
    return TENANT


@pytest.fixture
def place(postgresql: postgresql_server.Server, tenant: str) -> Iterator[Callable[..., str]]:
    """Gives a role rights in a database that is not its own, and returns the URL."""
    with postgresql.database() as url:
        name = str(Database(url).url.database)
        postgresql.run("REVOKE ALL ON SCHEMA public FROM PUBLIC", name)
        postgresql.run(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
        postgresql.run(f"GRANT CONNECT ON DATABASE {name} TO {tenant}")

        def placed(*statements: str) -> str:
            for statement in statements:
                postgresql.run(statement.format(role=tenant, database=name), name)
            return postgresql.url(name, tenant)

        yield placed


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """The database at a URL, whose connections are closed in the end."""
    database = Database(url)
    try:
        yield database
    finally:
        database.dispose()


def test_the_tests_run_as_no_superuser(database: Database) -> None:
    rights = "SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user"
    assert sql(database, rights) == [(False, False)]


def test_a_schema_of_its_own_is_all_that_it_needs(
    place: Callable[..., str], settings: Settings, tmp_path: Path
) -> None:
    url = place(
        "CREATE SCHEMA own",
        "GRANT CREATE, USAGE ON SCHEMA own TO {role}",
        "ALTER ROLE {role} IN DATABASE {database} SET search_path = own",
    )
    own = dataclasses.replace(settings, database_url=url, threads=2, data_dir=tmp_path)

    def work(task: Task) -> None:
        if task.index == 1 and task.attempt == 1:
            raise ValueError("once")

    with opened(url) as database:
        schema.upgrade(database)
        assert schema.is_current(database)
        handler = Handler(name="work", run=work, retries=1, retry_delay=0)
        engine = Engine(database, own, Registry([handler]))
        engine.run()
        job_id = engine.start("work", tasks=[{}] * 3)
        job = done(engine, job_id)
        engine.begin_stop()
        engine.stop()
        assert recounted(database, job_id) == job.counts | {"total": 3}
        found = sql(database, "SELECT schemaname FROM pg_tables WHERE tablename = 'job'")
        assert found == [("own",)]


PATHS = [
    # Each search path, what is made before, and the schema that it leads to.
    ('"$user", extra, public', ("CREATE SCHEMA extra",), "public"),
    ('"$user", extra, public', ("CREATE SCHEMA extra", "GRANT USAGE ON SCHEMA extra TO {role}"),
     "public"),
    ("extra, public", ("CREATE SCHEMA extra", "GRANT ALL ON SCHEMA extra TO {role}"), "extra"),
    ("public, pg_catalog", (), "public"), ("nowhere", (), "public"), ("", (), "public"),
    ('"Its ""own"", schema"', ('CREATE SCHEMA "Its ""own"", schema" AUTHORIZATION {role}',),
     'Its "own", schema'),
]  # fmt: skip


@pytest.mark.parametrize(("path", "before", "found"), PATHS)
def test_any_search_path_leads_to_where_tables_may_be(
    place: Callable[..., str], path: str, before: tuple[str, ...], found: str
) -> None:
    path = path or "''"
    url = place(
        "GRANT ALL ON SCHEMA public TO {role}",
        *before,
        "ALTER ROLE {role} IN DATABASE {database} SET search_path = " + path,
    )
    with opened(url) as database:
        schema.upgrade(database)
    with opened(url) as database:
        assert schema.is_current(database)
        assert sql(database, "SELECT current_schema()") == [(found,)]


def test_a_schema_that_is_made_later_hides_nothing(place: Callable[..., str]) -> None:
    url = place("GRANT ALL ON SCHEMA public TO {role}")
    with opened(url) as database:
        schema.upgrade(database)
    place("CREATE SCHEMA {role} AUTHORIZATION {role}")
    with opened(url) as database:
        assert schema.look_at(database) is Schema.CURRENT
        assert sql(database, "SELECT current_schemas(false)") == [(["public", TENANT],)]


def test_the_options_of_the_url_are_heard(place: Callable[..., str]) -> None:
    url = place("GRANT ALL ON SCHEMA public TO {role}", "CREATE SCHEMA chosen AUTHORIZATION {role}")
    with opened(f"{url}?options=-csearch_path%3Dchosen") as database:
        schema.upgrade(database)
        assert sql(database, "SELECT current_schema()") == [("chosen",)]


def test_rights_that_are_missing_are_named(
    place: Callable[..., str], jobdeck: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBDECK_DATABASE_URL", place("GRANT USAGE ON SCHEMA public TO {role}"))
    ended = jobdeck("db", "upgrade")
    assert ended.code == 1
    assert "permission denied for schema public. Grant what docs/databases.md asks" in ended.err


def test_a_refused_group_leaves_others_counted(database: Database, engines: Engines) -> None:
    """An error in what counts for itself ends that; a savepoint goes back to before it."""
    engine = engines(Handler(name="work", run=print), runs=False)
    job_id = engine.start("work", tasks=[{}] * 2)
    about = keeping.NewWorker(host="here", pid=1, mark="m", handlers=["work"], lease=60)
    with database.writing() as connection:
        worker = keeping.register(connection, about)
        lost = TaskWrites(worker, 2**40, job_id, 1, status="DONE", finished_at=recording.moment())
        said = {"jobs": f"[[{job_id}, 0, 0, 0, 0]]", "tasks": f"[{lost.row()}]"}
        values = recording._values(worker, [lost], [], None) | said
        with pytest.raises(IntegrityError, match="jobdeck: lost"), connection.begin_nested():
            connection.execute(recording.WRITE_GROUP, values)
        with pytest.raises(Fenced), connection.begin_nested():
            recording.write_group(connection, -1, [lost], [])
        recording.write_group(connection, worker, [], [])
        connection.exec_driver_sql("UPDATE task SET status = 'CANCELLED' WHERE idx = 1")
    assert statuses(engine, job_id) == ["SCHEDULED", "CANCELLED"]
    counts = engine.job(job_id).counts
    assert (counts["scheduled"], counts["cancelled"]) == (1, 1)
    assert recounted(database, job_id) == counts | {"total": 2}
