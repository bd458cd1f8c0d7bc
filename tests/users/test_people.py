"""Accounts: one for each address, in whatever letters it is written."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app import schema
from app.db import Database
from app.users.errors import BadAccount
from app.users.people import add_user, find_by_email
from app.users.permissions import Role

PASSWORD = "correct horse battery"


def test_a_person_is_found_in_whatever_letters(database: Database) -> None:
    made = add_user(database, " Vera@Example.COM ", Role.VIEWER, PASSWORD)
    assert made.email == "vera@example.com"
    assert find_by_email(database, "VERA@example.com") == made
    assert find_by_email(database, "nobody@example.com") is None


def test_one_address_has_one_account_on_every_database(empty_database: Database) -> None:
    schema.upgrade(empty_database)
    add_user(empty_database, "vera@example.com", Role.VIEWER, PASSWORD)
    with pytest.raises(BadAccount, match="has an account already"):
        add_user(empty_database, "VERA@example.com", Role.OPERATOR, PASSWORD)


def test_the_database_itself_refuses_the_same_address_in_capitals(
    empty_database: Database,
) -> None:
    schema.upgrade(empty_database)
    row = """INSERT INTO "user" (email, role, created_at)
        VALUES ('Vera@example.com', 'viewer', '2026-01-01T00:00:00.000000Z')"""
    with pytest.raises(IntegrityError), empty_database.writing() as connection:
        connection.execute(text(row))


@pytest.mark.parametrize(
    ("email", "password", "field"),
    [
        ("vera", PASSWORD, "email"),
        ("vera@", PASSWORD, "email"),
        ("", PASSWORD, "email"),
        ("a b@example.com", PASSWORD, "email"),
        ("x" * 250 + "@example.com", PASSWORD, "email"),
        ("vera@example.com", "short", "password"),
    ],
)
def test_what_is_wrong_is_said_by_field(
    database: Database, email: str, password: str, field: str
) -> None:
    with pytest.raises(BadAccount) as refused:
        add_user(database, email, Role.VIEWER, password)
    assert list(refused.value.fields) == [field]
