"""The command line: what it does, what it says, and with which code it ends."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import schema
from app.cli import COMMANDS
from app.config import Settings
from app.db import Database
from app.jobs import Engine
from app.users import sign_ins
from app.users.people import find_by_email
from app.users.permissions import Role
from tests.command import Run

FAST = '{"steps": 2, "seconds": 0}'
LONG = "correct horse battery"


@pytest.fixture
def running(database: Database, settings: Settings) -> Iterator[Engine]:
    """An engine that runs jobs, as a server beside the command line."""
    engine = Engine(database, settings)
    engine.run()
    yield engine
    engine.begin_stop()
    engine.stop()


def revision_of(settings: Settings) -> schema.Schema:
    database = Database(settings.database)
    try:
        return schema.look_at(database)
    finally:
        database.dispose()


def test_a_command_that_does_not_exist_is_a_mistake_of_usage(jobdeck: Run) -> None:
    assert jobdeck("fly").code == 2
    assert jobdeck("jobs", "start").code == 2
    assert jobdeck("users", "add", "a@example.com", "--role", "king").code == 2


def test_a_setting_that_cannot_be_used_is_said_in_a_sentence(
    jobdeck: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBDECK_THREADS", "none")
    ended = jobdeck("db", "upgrade")
    assert ended.code == 1
    assert ended.err.startswith("Error: JOBDECK_THREADS is 'none'; write")


def test_an_empty_database_is_upgraded(jobdeck: Run, settings: Settings) -> None:
    assert jobdeck("db", "upgrade").code == 0
    assert revision_of(settings) is schema.Schema.CURRENT
    assert jobdeck("db", "upgrade").code == 0


def test_an_old_database_is_refused_with_the_command_that_mends_it(
    jobdeck: Run, settings: Settings
) -> None:
    database = Database(settings.database)
    schema.upgrade(database, "0001")
    database.dispose()
    for command in (["serve"], ["worker"], ["jobs", "list"]):
        ended = jobdeck(*command)
        assert ended.code == 1
        assert "`jobdeck db upgrade`" in ended.err
    assert jobdeck("db", "upgrade").code == 0
    assert jobdeck("jobs", "list").code == 0


def test_a_database_of_a_newer_version_is_left_alone(
    jobdeck: Run, settings: Settings, database: Database
) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'of tomorrow'")
    for command in (["serve"], ["db", "upgrade"]):
        ended = jobdeck(*command)
        assert ended.code == 1
        assert "does not know" in ended.err
    assert revision_of(settings) is schema.Schema.UNKNOWN


def test_somebody_elses_database_is_left_alone(jobdeck: Run, settings: Settings) -> None:
    database = Database(settings.database)
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (x)")
    database.dispose()
    assert jobdeck("serve").code == 1
    assert jobdeck("db", "upgrade").code == 1


def test_a_person_is_added_and_may_sign_in(jobdeck: Run, database: Database) -> None:
    arguments = ["users", "add", "Oscar@example.com", "--role", "operator", "--password-stdin"]
    ended = jobdeck(*arguments, stdin="correct horse battery\n")
    assert (ended.code, ended.out) == (0, "oscar@example.com may sign in now, as operator.\n")
    person = find_by_email(database, "oscar@example.com")
    assert person is not None
    assert person.role is Role.OPERATOR
    assert sign_ins.sign_in(database, "oscar@example.com", "correct horse battery")


@pytest.mark.parametrize(
    ("email", "password", "sentence"),
    [
        ("oscar@example.com", "short", "A password needs at least 10 characters."),
        ("oscar", "correct horse battery", "This is not an e-mail address."),
    ],
)
def test_an_account_that_cannot_be_is_refused_in_a_sentence(
    jobdeck: Run, email: str, password: str, sentence: str
) -> None:
    ended = jobdeck("users", "add", email, "--role", "viewer", "--password-stdin", stdin=password)
    assert (ended.code, ended.err) == (1, f"Error: {sentence}\n")


@pytest.mark.usefixtures("running")
def test_a_job_is_started_and_waited_for(jobdeck: Run) -> None:
    ended = jobdeck("jobs", "start", "example_job_handler", "--params", FAST, "--wait")
    assert ended.code == 0
    assert ended.out.startswith("Started job 1.\n")
    assert "DONE" in ended.out
    assert "2 of 2 done" in ended.out


def test_handlers_that_lie_where_the_command_is_called_are_found(
    jobdeck: Run, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from app.jobs import task_handler\n@task_handler\ndef dig(task): 'Dig.'\n"
    (tmp_path / "kinds_nearby.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.setenv("JOBDECK_HANDLERS", "kinds_nearby")
    ended = jobdeck("jobs", "start", "dig", "--json")
    assert (ended.code, json.loads(ended.out)["handler"]) == (0, "dig")


@pytest.mark.usefixtures("database")
def test_a_job_that_nobody_runs_is_started_all_the_same(jobdeck: Run) -> None:
    arguments = ["--params", FAST, "--name", "Nightly", "--json"]
    started = json.loads(jobdeck("jobs", "start", "example_job_handler", *arguments).out)
    assert started["id"] == 1
    assert started["name"] == "Nightly"
    assert started["status"] in ("QUEUED", "IN_PROGRESS")
    shown = json.loads(jobdeck("jobs", "show", "1", "--json").out)
    assert shown == started
    assert shown["params"] == {"steps": 2, "seconds": 0}


@pytest.mark.usefixtures("database")
def test_a_list_as_json_is_whole_unless_limited(
    jobdeck: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("app.cli.jobs"), "PAGE", 2)
    for _ in range(5):
        jobdeck("jobs", "start", "example_job_handler", "--params", FAST)
    assert [job["id"] for job in json.loads(jobdeck("jobs", "list", "--json").out)] == [
        5,
        4,
        3,
        2,
        1,
    ]
    limited = jobdeck("jobs", "list", "--json", "--limit", "3")
    assert [job["id"] for job in json.loads(limited.out)] == [5, 4, 3]
    assert len(jobdeck("jobs", "list").out.splitlines()) == 5
    assert "example_job_handler" in jobdeck("jobs", "show", "2").out


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["start", "nothing"], 1, "There is no handler named 'nothing'."),
        (["start", "example_job_handler", "--params", '{"steps": -1}'], 1, "steps"),
        (["start", "example_job_handler", "--params", "{"], 2, "This is not JSON"),
        (["start", "example_job_handler", "--params", "[]"], 2, "Write a JSON object"),
        (["show", "7"], 1, "There is no job 7"),
        (["show", "seven"], 2, "seven"),
        (["list", "--limit", "0"], 2, "0"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    jobdeck: Run, arguments: list[str], code: int, sentence: str
) -> None:
    ended = jobdeck("jobs", *arguments)
    assert ended.code == code
    assert sentence in ended.err
    assert ended.out == ""


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What gunicorn would have been given; it is not started."""
    arguments: list[str] = []

    def execute(_program: str, given: list[str]) -> None:
        arguments[:] = given
        raise SystemExit

    monkeypatch.setattr("os.execv", execute)
    return arguments


def test_the_setup_link_is_printed_while_nobody_has_an_account(
    jobdeck: Run, served: list[str]
) -> None:
    assert "http://127.0.0.1:8123/setup/" in jobdeck("serve", "--port", "8123").out
    assert served[-2:] == ["--bind", "127.0.0.1:8123"]
    jobdeck("users", "add", "a@example.com", "--role", "superadmin", "--password-stdin", stdin=LONG)
    assert "setup" not in jobdeck("serve").out


def test_the_demo_prints_how_to_sign_in(
    jobdeck: Run, served: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBDECK_DEMO", "1")
    monkeypatch.setenv("PORT", "8321")
    ended = jobdeck("serve")
    assert "Sign in as admin@example.com with the password jobdeck-demo" in ended.out
    assert served[-1] == "127.0.0.1:8321"


def test_flask_offers_the_same_commands(app: Flask) -> None:
    assert set(COMMANDS) <= set(app.cli.commands)
    listed = app.test_cli_runner().invoke(args=["jobs", "--help"])
    assert "Start jobs, look at them, cancel, retry, rename and delete them." in listed.output
