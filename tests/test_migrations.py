"""The migrations make what the models say, and lose nobody's rows on the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import (
    inspect,
    select,
)

import app.jobs.models
import app.users.models  # noqa: F401
from app import schema
from app.db import Base, Database, Moment
from tests.catalogue import Catalogue, catalogue_of
from tests.rows import fill, tables_of

REVISIONS = [
    (str(script.down_revision or "base"), script.revision)
    for script in ScriptDirectory(str(schema.MIGRATIONS)).walk_revisions()
]


def test_an_empty_database_upgraded_is_what_the_models_say(empty_database: Database) -> None:
    schema.upgrade(empty_database)
    upgraded = read_catalogue(empty_database)
    drop_everything(empty_database)
    with empty_database.writing() as connection:
        Base.metadata.create_all(connection)
    assert upgraded == read_catalogue(empty_database)


def test_the_names_of_the_files_are_the_revisions_in_their_order() -> None:
    assert [after for _, after in reversed(REVISIONS)] == [
        path.name.split("_")[0] for path in sorted((schema.MIGRATIONS / "versions").glob("*.py"))
    ]
    assert schema.newest() == REVISIONS[0][1]


def test_upgrading_twice_changes_nothing(empty_database: Database) -> None:
    schema.upgrade(empty_database)
    before = read_catalogue(empty_database)
    schema.upgrade(empty_database)
    assert read_catalogue(empty_database) == before
    assert schema.is_current(empty_database)


@pytest.mark.parametrize(("before", "after"), REVISIONS)
def test_rows_survive_the_upgrade(empty_database: Database, before: str, after: str) -> None:
    if before != "base":
        schema.upgrade(empty_database, before)
    with empty_database.writing() as connection:
        kept = {table.name: fill(connection, table) for table in tables_of(connection)}
    schema.upgrade(empty_database, after)
    with empty_database.reading() as connection:
        for table in tables_of(connection):
            if table.name in kept:
                before_it = kept[table.name]
                row = connection.execute(select(table)).mappings().one()
                assert {name: row[name] for name in before_it if name in row} == before_it


def read_catalogue(database: Database) -> Catalogue:
    with database.reading() as connection:
        return catalogue_of(connection)


def drop_everything(database: Database) -> None:
    with database.writing() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("DROP OWNED BY CURRENT_USER")
            return
        for view in inspect(connection).get_view_names():
            connection.exec_driver_sql(f'DROP VIEW "{view}"')
        for table in reversed(tables_of(connection)):
            connection.exec_driver_sql(f'DROP TABLE "{table.name}"')


def test_a_drafted_migration_has_the_next_number(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, copied)
    monkeypatch.setattr(schema, "MIGRATIONS", copied)
    drafted = schema.draft(database, "add a colour")
    assert drafted.name == f"{int(REVISIONS[0][1]) + 1:04}_add_a_colour.py"
    source = drafted.read_text()
    assert f'down_revision = "{REVISIONS[0][1]}"' in source.replace("'", '"')
    compile(source, drafted.name, "exec")


def test_a_drafted_migration_runs_as_it_is(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, copied)
    monkeypatch.setattr(schema, "MIGRATIONS", copied)
    with database.writing() as connection:
        connection.exec_driver_sql("DROP INDEX ix_one_time_link_user_id")
        connection.exec_driver_sql("DROP TABLE one_time_link")  # which has times and a reference
    drafted = schema.draft(database, "links once more")
    namespace: dict[str, object] = {}
    exec(compile(drafted.read_text(), drafted.name, "exec"), namespace)
    assert namespace["Moment"] is Moment
    assert "sa.Column('expires_at', Moment(), nullable=False)" in drafted.read_text()
