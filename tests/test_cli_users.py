"""`jobdeck users`: accounts are looked after without a browser."""

from __future__ import annotations

import json
import re

import pytest

from app.db import Database
from app.users import links, sign_ins
from app.users.errors import LinkNotGood, WrongSignIn
from app.users.people import Person, add_user, find_by_email, user
from app.users.permissions import Role
from tests.command import Run

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def alice(database: Database) -> Person:
    return add_user(database, "alice@example.com", Role.SUPERADMIN, PASSWORD)


@pytest.fixture
def bob(database: Database) -> Person:
    return add_user(database, "bob@example.com", Role.VIEWER, PASSWORD)


def token_in(text: str) -> str:
    found = re.search(r"https://deck\.example\.com/set-password/([\w-]{43})", text)
    assert found is not None
    return found[1]


AT = ["--address", "https://deck.example.com/"]


def test_an_account_is_made_with_a_link_in_place_of_a_password(
    jobdeck: Run, database: Database
) -> None:
    ended = jobdeck("users", "add", "Oscar@example.com", "--role", "operator", "--link", *AT)
    assert ended.code == 0
    assert ended.out.startswith("oscar@example.com can set a password here, once")
    assert links.person_of(database, token_in(ended.out)).role == Role.OPERATOR


def test_a_password_and_a_link_are_not_both_given(jobdeck: Run, database: Database) -> None:
    both = ["--link", "--password-stdin"]
    assert jobdeck("users", "add", "o@example.com", "--role", "viewer", *both).code == 2
    assert find_by_email(database, "o@example.com") is None


def test_a_link_replaces_the_one_before(jobdeck: Run, database: Database, bob: Person) -> None:
    first = token_in(jobdeck("users", "link", "bob@example.com", *AT).out)
    answer = json.loads(jobdeck("users", "link", "Bob@example.com", *AT, "--json").out)
    assert answer["email"] == bob.email
    assert links.person_of(database, token_in(answer["link"])) == bob
    with pytest.raises(LinkNotGood):
        links.person_of(database, first)


def test_accounts_are_listed_for_people_and_for_programs(
    jobdeck: Run, database: Database, bob: Person
) -> None:
    jobdeck("users", "add", "new@example.com", "--role", "operator", "--link")
    jobdeck("users", "disable", "bob@example.com")
    sign_ins.sign_in(database, "alice@example.com", PASSWORD)
    alice, of_bob, new = jobdeck("users", "list").out.splitlines()
    assert re.fullmatch(r"alice@example.com +superadmin +last here \d{4}-\d\d-\d\d", alice)
    assert re.fullmatch(r"bob@example.com +viewer +disabled", of_bob)
    assert re.fullmatch(r"new@example.com +operator +no password yet", new)
    rows = json.loads(jobdeck("users", "list", "--json").out)
    assert [row["email"] for row in rows] == [
        "alice@example.com",
        "bob@example.com",
        "new@example.com",
    ]
    assert rows[1] | {"created_at": ""} == {
        "id": bob.id,
        "email": "bob@example.com",
        "role": "viewer",
        "disabled": True,
        "created_at": "",
        "last_sign_in_at": None,
        "has_password": True,
    }
    assert rows[0]["last_sign_in_at"].endswith("Z")


def test_a_new_role_counts_at_once(jobdeck: Run, database: Database, bob: Person) -> None:
    key = sign_ins.sign_in(database, bob.email, PASSWORD)
    ended = jobdeck("users", "set-role", "bob@example.com", "operator")
    assert (ended.code, ended.out) == (0, "bob@example.com is operator now.\n")
    assert user(database, bob.id).role == Role.OPERATOR
    seen = sign_ins.who(database, key)
    assert seen
    assert seen.role == Role.OPERATOR


def test_an_account_is_disabled_and_enabled(jobdeck: Run, database: Database, bob: Person) -> None:
    assert jobdeck("users", "disable", "bob@example.com").out == (
        "bob@example.com cannot sign in any more.\n"
    )
    with pytest.raises(WrongSignIn):
        sign_ins.sign_in(database, bob.email, PASSWORD)
    refused = jobdeck("users", "link", "bob@example.com")
    assert (refused.code, refused.err) == (
        1,
        "Error: This account is disabled. Enable it first.\n",
    )
    assert (
        jobdeck("users", "enable", "bob@example.com").out == "bob@example.com may sign in again.\n"
    )
    assert sign_ins.sign_in(database, bob.email, PASSWORD)


@pytest.mark.usefixtures("bob")
def test_an_account_is_deleted_after_a_question(jobdeck: Run, database: Database) -> None:
    assert jobdeck("users", "delete", "bob@example.com", stdin="n\n").code == 1
    assert find_by_email(database, "bob@example.com")
    ended = jobdeck("users", "delete", "bob@example.com", "--yes")
    assert (ended.code, ended.out) == (0, "bob@example.com has no account any more.\n")
    assert find_by_email(database, "bob@example.com") is None


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["set-role", "nobody@example.com", "viewer"], 1, "There is no account for nobody@"),
        (["disable", "nobody"], 1, "There is no account for nobody."),
        (["delete", "nobody", "--yes"], 1, "There is no account for nobody."),
        (["set-role", "alice@example.com", "king"], 2, "king"),
        (["set-role", "alice@example.com", "viewer"], 1, "Nobody else could sign in as a"),
        (["disable", "alice@example.com"], 1, "Nobody else could sign in as a superadmin"),
        (["delete", "alice@example.com", "--yes"], 1, "Let another one set a password first."),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    jobdeck: Run, arguments: list[str], code: int, sentence: str
) -> None:
    ended = jobdeck("users", *arguments)
    assert ended.code == code
    assert sentence in ended.err
    assert ended.out == ""
