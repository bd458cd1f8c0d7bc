"""A table of accounts: each row once, and each that will not do by its line."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from app.config import Settings
from app.db import Database
from app.handlers import import_admin_users as module
from app.handlers.import_admin_users import import_admin_users
from app.jobs import Engine, JobDetail, Registry
from app.users import people
from app.users.errors import WrongSignIn
from app.users.people import add_user
from app.users.permissions import Role
from app.users.sign_ins import sign_in
from tests.handlers.uploading import ended, refusal, uploaded

HEADER = "email,role\n"


@pytest.fixture
def engine(settings: Settings, database: Database) -> Iterator[Engine]:
    """An engine that runs, with this handler."""
    engine = Engine(database, settings, Registry([import_admin_users]))
    engine.run()
    yield engine
    engine.stop()


def imported(engine: Engine, content: str | bytes) -> JobDetail:
    return ended(engine, engine.start("import_admin_users", {"file": uploaded(engine, content)}))


def sums(job: JobDetail) -> tuple[int, int, int]:
    return tuple(job.state.get(name, 0) for name in ("created", "skipped", "refused"))


def accounts(engine: Engine) -> dict[str, str]:
    return {each.email: str(each.role) for each in people.users(engine.database)}


def test_each_row_makes_an_account(engine: Engine) -> None:
    job = imported(engine, HEADER + "ann@example.com,viewer\nbob@example.com,superadmin\n")
    assert (job.status, sums(job)) == ("DONE", (2, 0, 0))
    assert accounts(engine) == {"ann@example.com": "viewer", "bob@example.com": "superadmin"}
    assert [task.state["line"] for task in engine.tasks(job.id, limit=9)] == [2, 3]


def test_nobody_can_sign_in_until_a_link_has_set_a_password(engine: Engine) -> None:
    imported(engine, HEADER + "ann@example.com,viewer\n")
    (account,) = people.users(engine.database)
    assert not account.has_password
    for password in ("", "ann@example.com"):
        with pytest.raises(WrongSignIn):
            sign_in(engine.database, "ann@example.com", password)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffemail,role\r\nzoë@exämple.org,Operator\r\n",
        "Role;E-Mail\noperator;ZOË@EXÄMPLE.ORG\n",
        "name\temail\trole\nZoë\tzoë@exämple.org\toperator\n",
        'name,EMAIL ,note, ROLE\n"van Dam, ""Zoë""\nof two lines",zoë@exämple.org,,operator,more\n',
        '\n\n  ,\n"email","role"\n\n"zoë@exämple.org"," operator "\n,,\n\n',
        "email,role\rzoë@exämple.org,operator\r",
        "email,role\nzoe\u0308@exämple.org,OPERATOR",
    ],
    ids=["mark", "semicolons", "tabs", "quotes", "empty-rows", "carriage-returns", "no-end"],
)
def test_a_table_may_be_written_as_programs_write_them(engine: Engine, content: str) -> None:
    job = imported(engine, content)
    assert (job.status, sums(job)) == ("DONE", (1, 0, 0))
    assert accounts(engine) == {"zoë@exämple.org": "operator"}


def test_a_row_that_will_not_do_fails_with_its_line_and_the_reason(engine: Engine) -> None:
    job = imported(
        engine,
        'email,role,note\nann@example.com,viewer,"two\nlines"\n'
        "bob,viewer\nbob@example.com,king\n,viewer\ncyd@example.com\n"
        + "x" * 400 + "@example.com,viewer\ndan@example.com,viewer\n",
    )  # fmt: skip
    assert (job.status, sums(job)) == ("DONE_WITH_ERRORS", (2, 0, 5))
    said = [str(task.error) for task in engine.tasks(job.id, limit=9, status="FAILED")]
    assert said[:4] == [
        "RowRefused: Line 4: 'bob' is not an e-mail address",
        "RowRefused: Line 5: 'king' is not a role; the roles are viewer, operator, superadmin",
        "RowRefused: Line 6: it has no e-mail address",
        "RowRefused: Line 7: it has no role",
    ]
    assert said[4].startswith("RowRefused: Line 8: 'xxx")
    assert [(row["line"], row["email"]) for row in job.state["rows"]][:2] == [
        (4, "bob"), (5, "bob@example.com"),
    ]  # fmt: skip
    assert job.state["rows"][2]["reason"] == "it has no e-mail address"
    assert list(accounts(engine)) == ["ann@example.com", "dan@example.com"]


def test_the_first_good_row_of_an_address_counts_however_the_tasks_are_run(
    engine: Engine,
) -> None:
    again = "".join(f"ANN@example.com,{role}\n" for role in ("superadmin", "viewer") * 20)
    job = imported(engine, HEADER + "ann@example.com,king\nann@example.com,operator\n" + again)
    assert sums(job) == (1, 40, 1)
    assert accounts(engine) == {"ann@example.com": "operator"}


def test_an_account_that_is_there_is_left_as_it_is(engine: Engine) -> None:
    add_user(engine.database, "ann@example.com", Role.SUPERADMIN, "correct horse battery")
    before = people.users(engine.database)
    job = imported(engine, HEADER + "ann@example.com,viewer\n")
    assert (job.status, sums(job)) == ("DONE", (0, 1, 0))
    assert people.users(engine.database) == before


def test_importing_twice_changes_nothing(engine: Engine) -> None:
    rows = "".join(f"person{number}@example.com,viewer\n" for number in range(300))
    first = imported(engine, HEADER + rows + "nobody,viewer\n")
    before = people.users(engine.database)
    second = imported(engine, HEADER + rows + "nobody,viewer\n")
    assert (sums(first), sums(second)) == ((300, 0, 1), (0, 300, 1))
    assert people.users(engine.database) == before


def test_rows_that_are_tried_again_are_not_counted_again(engine: Engine) -> None:
    job = imported(engine, HEADER + "ann@example.com,viewer\nbob,viewer\n")
    engine.retry(job.id, "all")
    again = ended(engine, job.id)
    assert (again.status, sums(again)) == ("DONE_WITH_ERRORS", (1, 0, 1))
    assert len(again.state["rows"]) == 1


def test_many_refused_rows_are_counted_and_the_first_are_shown(engine: Engine) -> None:
    bad = [f"nobody{number},viewer\n" for number in range(250)]
    random.Random(1).shuffle(bad)
    job = imported(engine, HEADER + "".join(bad))
    assert sums(job) == (0, 0, 250)
    assert [row["line"] for row in job.state["rows"]] == list(range(2, 102))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty"),
        (b"\n \n,,\n", "The file is empty"),
        (b"email,role\n\n", "has a header and no rows"),
        (b"ann@example.com,viewer\n", "has no column email; it says: ann@example.com, viewer"),
        (b"email\nann@example.com\n", "has no column role"),
        (b"email,role,Email\na@b,viewer,c@d\n", "has more than one column email"),
        (b"x" * 900, "it says: " + "x" * 300 + "…"),
        ("email,role\nzoë@b.org,viewer\n".encode("latin-1"), "line 2 has bytes of something else"),
        (b"email,role\n" * 9000 + b"\xff", "line 9001 has bytes of something else"),
        ("email,role\n".encode("utf-16"), "line 1 has bytes of something else"),
        (b"email,role\na@b,\0viewer\n", "line 2 has bytes of something else. Save the table as"),
        (b"PK\x03\x04\x00\x00xl", "This is not a text in UTF-8"),
        (b"email,role\na@b,viewer\xc3", "line 2 has bytes"),
        (b'email,role\n"a@b" x,viewer\n', "Line 2 cannot be read: ',' expected after '\"'"),
        (b'email,role\na@b,viewer\n"a@c,viewer\n', "Line 3 cannot be read: unexpected end"),
        (b"email,role\n" + b"x" * 200_000 + b",viewer\n", "Line 2 cannot be read: field larger"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_such_table_is_refused_at_once(
    engine: Engine, content: bytes, said: str
) -> None:
    refused = refusal(engine, "import_admin_users", {"file": uploaded(engine, content)})
    assert list(refused) == ["file"]
    assert said in refused["file"]
    assert accounts(engine) == {}


def test_a_table_has_only_so_many_rows(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    rows = "".join(f"person{number}@example.com,viewer\n" for number in range(3))
    file = uploaded(engine, HEADER + rows)
    refused = refusal(engine, "import_admin_users", {"file": file})
    assert refused == {"file": "The table has more than 2 rows; divide it."}
    assert sums(imported(engine, HEADER + rows.rpartition("person2")[0])) == (2, 0, 0)


def test_a_task_that_died_after_it_had_made_the_account_has_created_it(engine: Engine) -> None:
    begun = "2020-01-01T00:00:00.000000Z"
    add_user(engine.database, "ann@example.com", Role.VIEWER, "correct horse battery")
    states = [
        {"line": 2, "email": "ann@example.com", "role": "viewer", "begun": begun},
        {"line": 3, "email": "bob@example.com", "role": "viewer", "begun": begun},
        {"line": 4, "email": "ann@example.com", "role": "viewer", "begun": "2999-01-01T00:00:00Z"},
        {"email": "cyd@example.com"},
    ]
    file = uploaded(engine, HEADER + "ann@example.com,viewer\n")
    tasks = [{"state": state} for state in states]
    job = ended(engine, engine.start("import_admin_users", {"file": file}, tasks=tasks))
    assert sums(job) == (2, 1, 1)


def test_only_superadmins_may_see_or_start_it() -> None:
    assert set(import_admin_users.roles.items()) == {
        ("view", "superadmin"), ("start", "superadmin"), ("manage", "superadmin"),
    }  # fmt: skip
