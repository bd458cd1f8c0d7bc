"""What every test may ask for: settings, a database, the application, and people who visit it."""

from __future__ import annotations

import dataclasses
import functools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import inspect
from werkzeug.routing import Rule

from app import create_app, engines, schema
from app.config import Settings
from app.db import Database
from app.users import passwords
from app.users.people import add_user
from app.users.permissions import Role
from tests import mariadb as mariadb_server
from tests import postgresql as postgresql_server
from tests.command import Run, command
from tests.server import migrated
from tests.visitor import PASSWORD, Visitor

DATABASES = ("sqlite", "postgresql", "mariadb")
#: MariaDB where it is installed.
AT_HAND = DATABASES if mariadb_server.is_installed() else DATABASES[:2]


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """A real hash takes 50 ms on purpose."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "HASHER", PasswordHasher(1, 8, 1))
        yield


class Translated(BytecodeCache):
    """Templates translated once for all the applications of a run, not again for each."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.kept[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session", autouse=True)
def _templates_translated_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Flask.jinja_options, "bytecode_cache", Translated())
        yield


@pytest.fixture(scope="session", autouse=True)
def _addresses_compiled_once() -> Iterator[None]:
    """All applications of a run have the same routes, and compiling them is most of making one."""
    compiled, kept = Rule._compile_builder, dict[Any, Any]()

    def compiled_once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, str(rule.defaults), append_unknown)
        if key not in kept:
            kept[key] = compiled(rule, append_unknown)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", compiled_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _plugins_looked_for_once() -> Iterator[None]:
    """What is installed stays the same in a run, and looking takes as long as all else an engine
    does when it is made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.jobs.discovery.entry_points", functools.cache(metadata.entry_points))
        yield


@pytest.fixture(scope="session", autouse=True)
def _commits_that_wait_for_no_disk() -> Iterator[None]:
    """Tests kill processes, not the power: what the kernel has been given is there afterwards."""
    prepare = engines._prepare_sqlite

    @functools.wraps(prepare)
    def prepare_swift(connection: sqlite3.Connection, record: object) -> None:
        prepare(connection, record)
        connection.execute("PRAGMA synchronous=OFF")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "_prepare_sqlite", prepare_swift)
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--on", choices=DATABASES, help="run all tests on this database")
    parser.addoption("--seed", type=int, help="the random moments and schedules of a failure")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked as conformance on every database, unless one was asked for."""
    kinds = [kind for kind in _databases_of(metafunc.definition) if kind in AT_HAND]
    if "on" in metafunc.fixturenames and kinds and not metafunc.config.getoption("--on"):
        metafunc.parametrize("on", kinds, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about one database where another one was asked for."""
    on = config.getoption("--on")
    others = [item for item in items if on and on not in (_databases_of(item) or DATABASES)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]
    for item in items:
        if _databases_of(item) == ("mariadb",) and "mariadb" not in AT_HAND:
            item.add_marker(pytest.mark.skip("needs MariaDB: apt-get install mariadb-server"))


def _databases_of(item: pytest.Item) -> tuple[str, ...]:
    """The databases that a test names; none: it runs on SQLite, or on what is asked for."""
    for name in DATABASES:
        if item.get_closest_marker(f"about_{name}"):
            return (name,)
    if item.get_closest_marker("about_servers"):
        return DATABASES[1:]
    return DATABASES if item.get_closest_marker("conformance") else ()


@pytest.fixture
def on(request: pytest.FixtureRequest) -> str:
    """The kind of database that a test runs on."""
    asked: str | None = request.config.getoption("--on")
    return getattr(request, "param", asked or "sqlite")


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path, on: str) -> Iterator[Settings]:
    """Settings of a server that has nothing but an empty folder."""
    settings = Settings(data_dir=tmp_path, secret_key="for tests only", rate_limit=False)
    if on == "sqlite":
        yield settings
        return
    if on == "mariadb":
        url = request.getfixturevalue("emptied_there")
        yield dataclasses.replace(settings, database_url=url)
        return
    server: postgresql_server.Server = request.getfixturevalue("postgresql")
    with server.copy_of(request.getfixturevalue("migrated_there")) as url:
        yield dataclasses.replace(settings, database_url=url)


@pytest.fixture(scope="session")
def migrated_on_mariadb(mariadb: mariadb_server.Server) -> Iterator[str]:
    """A MariaDB database with the newest schema: none can be copied there."""
    with mariadb.database() as url:
        database = Database(url)
        schema.upgrade(database)
        database.dispose()
        yield url


@pytest.fixture
def emptied_there(migrated_on_mariadb: str) -> str:
    """The same, with no rows."""
    database = Database(migrated_on_mariadb)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("SET foreign_key_checks = 0")
        for table in inspect(connection).get_table_names():
            if table not in ("alembic_version", "turn"):
                connection.exec_driver_sql(f'TRUNCATE TABLE "{table}"')  # ids begin again
        connection.exec_driver_sql("SET foreign_key_checks = 1")
        for trigger in ("refused", "noted_job", "noted_task"):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {trigger}")
    database.dispose()
    return migrated_on_mariadb


@pytest.fixture(scope="session")
def migrated_there(postgresql: postgresql_server.Server) -> Iterator[str]:
    """The name of a PostgreSQL database with the newest schema and no rows, to be copied."""
    with postgresql.database() as url:
        database = Database(url)
        schema.upgrade(database)
        database.dispose()
        yield str(database.url.database)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """A database with the newest schema and no rows."""
    database = Database(settings.database)
    if database.is_sqlite:
        shutil.copy(migrated(), str(database.url.database))
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgresql_server.Server]:
    """A real PostgreSQL server, for all tests together."""
    with postgresql_server.running() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[mariadb_server.Server]:
    """A real MariaDB server, for all tests together."""
    with mariadb_server.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table, of each kind in turn."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
        yield database
        database.dispose()
        return
    server: postgresql_server.Server = request.getfixturevalue("postgresql")
    with server.database() as url:
        database = Database(url)
        yield database
        database.dispose()


@pytest.fixture
def jobdeck(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """The command `jobdeck`, in a data directory of the test's own."""
    return command(settings, monkeypatch, capsys)


MakeApp = Callable[[Settings], Flask]


@pytest.fixture
def make_app(database: Database) -> Iterator[MakeApp]:
    """Applications with settings of the test's own, on its database."""
    made: list[Flask] = []

    def make(settings: Settings) -> Flask:
        made.append(create_app(settings))
        return made[-1]

    yield make
    for app in made:
        app.extensions["jobdeck_database"].dispose()


@pytest.fixture
def app(make_app: MakeApp, settings: Settings) -> Flask:
    """The application, with its engine at rest."""
    return make_app(settings)


@pytest.fixture
def stranger(app: Flask) -> Visitor:
    """Somebody without an account."""
    return Visitor(app)


@pytest.fixture
def alice(app: Flask) -> Visitor:
    """Alice is a superadmin, and signed in."""
    return _signed_in(app, "alice@example.com", Role.SUPERADMIN)


@pytest.fixture
def oscar(app: Flask) -> Visitor:
    """Oscar is an operator, and signed in."""
    return _signed_in(app, "oscar@example.com", Role.OPERATOR)


@pytest.fixture
def vera(app: Flask) -> Visitor:
    """Vera is a viewer, and signed in."""
    return _signed_in(app, "vera@example.com", Role.VIEWER)


def _signed_in(app: Flask, email: str, role: Role) -> Visitor:
    add_user(app.extensions["jobdeck_database"], email, role, PASSWORD)
    visitor = Visitor(app, email)
    assert visitor.sign_in().status_code == 303
    return visitor
