"""Rows of a resource: filtered, searched, counted, with the names of what they refer to."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from sqlalchemy import event

from app.admin import RowNotFound, query
from app.admin.asked import asked_of
from app.admin.query import Option
from app.db import Database
from app.timezones import UTC_ZONE
from tests.admin.conftest import Add
from tests.library import BOOKS, Book

NOON = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)


def titles(library: Database, **address: str) -> list[str]:
    asked = asked_of(BOOKS, address, lambda column, text: (int(text), text), UTC_ZONE)
    assert asked.complaints == []
    with library.reading() as connection:
        found = query.page(connection, BOOKS, asked)
    return [row.values["title"] for row in found.rows]


@pytest.fixture
def shelf(library: Database, add_book: Add, add_author: Add) -> Database:
    """Three books."""
    ada, bob = add_author("Ada"), add_author("Bob")
    add_book("Alps", pages=10, author_id=ada, published=datetime.date(2020, 5, 1), notes="100%")
    add_book("Birds", genre="poetry", is_lent=True, author_id=bob, returned_at=NOON)
    add_book("Clouds", pages=30, published=datetime.date(2021, 5, 1), notes="a_b")
    return library


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ({}, "ABC"), ({"sort": "-title"}, "CBA"), ({"sort": "pages"}, "BAC"),
        ({"sort": "-pages"}, "CAB"), ({"genre": "poetry"}, "B"), ({"is_lent": "yes"}, "B"),
        ({"is_lent": "no"}, "AC"), ({"pages_from": "10", "pages_to": "29"}, "A"),
        ({"published_from": "2020-05-01", "published_to": "2020-05-01"}, "A"),
        ({"published_from": "2020-05-02"}, "C"), ({"returned_from": "2026-01-02"}, "B"),
        ({"returned_to": "2026-01-01"}, ""), ({"returned_to": "2026-01-02"}, "B"),
        ({"author_id": "1"}, "A"), ({"author_id": "9"}, ""), ({"notes": "%"}, "A"),
        ({"notes": "_"}, "C"), ({"notes": "A_B"}, "C"), ({"q": "ir"}, "B"), ({"q": "IR"}, "B"),
        ({"q": "%"}, "A"), ({"q": "#2"}, "B"), ({"q": "2"}, "B"), ({"q": "nothing"}, ""),
        ({"q": "'; DROP TABLE book"}, ""), ({"genre": "novel", "q": "l"}, "AC"),
    ],
)  # fmt: skip
def test_a_list_is_what_its_address_asks_for(
    shelf: Database, address: dict[str, str], found: str
) -> None:
    assert "".join(title[0] for title in titles(shelf, **address)) == found


def test_a_list_is_read_by_pages(shelf: Database) -> None:
    asked = asked_of(BOOKS, {"size": "2"}, lambda column, text: None, UTC_ZONE)
    with shelf.reading() as connection:
        first = query.page(connection, BOOKS, asked)
        on = asked_of(
            BOOKS, {"size": "2", "after": str(first.rows[-1].id)}, lambda c, t: None, UTC_ZONE
        )
        second = query.page(connection, BOOKS, on)
    assert [len(first.rows), len(second.rows)] == [2, 1]
    assert (first.has_next, second.has_previous, second.has_next) == (True, True, False)


def test_a_list_with_all_names_is_one_statement_without_heavy_columns(shelf: Database) -> None:
    said: list[str] = []

    def listen(*given: Any) -> None:
        said.append(given[2])

    event.listen(shelf.engine, "before_cursor_execute", listen)
    asked = asked_of(BOOKS, {}, lambda column, text: None, UTC_ZONE)
    with shelf.reading() as connection:
        rows = query.page(connection, BOOKS, asked).rows
    event.remove(shelf.engine, "before_cursor_execute", listen)
    assert [str(row.values["author_id"]) for row in rows] == ["Ada #1", "Bob #2", "None"]
    (statement,) = said
    assert "notes" not in statement


def test_a_row_has_everything(shelf: Database) -> None:
    with shelf.reading() as connection:
        row = query.row(connection, BOOKS, 1)
    assert row.values["notes"] == "100%"
    assert row.values["author_id"] == Option(id=1, text="Ada #1")
    assert row.values["others"] == "Ada"


@pytest.mark.parametrize("row_id", [0, 99, 2**63, 10**40])
def test_a_row_that_is_not_there_is_said_to_be_gone(shelf: Database, row_id: int) -> None:
    with shelf.reading() as connection, pytest.raises(RowNotFound, match="There is no book"):
        query.row(connection, BOOKS, row_id)


def test_a_row_that_may_not_be_seen_is_not_there(shelf: Database) -> None:
    with shelf.reading() as connection, pytest.raises(RowNotFound):
        query.row(connection, BOOKS, 1, [Book.title != "Alps"])


def test_a_count_stops(shelf: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with shelf.reading() as connection:
        assert query.count(connection, BOOKS, [Book.genre == "novel"]) == 2
        monkeypatch.setattr(query, "COUNT_CAP", 1)
        assert query.count(connection, BOOKS, []) == 2


def test_a_reference_offers_what_is_called_so(shelf: Database, add_author: Add) -> None:
    add_author("Bada")
    add_author("ada")
    reference = BOOKS.by_name["author_id"].reference
    assert reference
    with shelf.reading() as connection:
        found = query.options(connection, reference, "AD")
        assert [str(each) for each in found] == ["Ada #1", "ada #4", "Bada #3"]
        assert query.options(connection, reference, "%") == []
        used = query.used_by(BOOKS, BOOKS.by_name["author_id"], [Book.genre == "novel"])
        assert [str(each) for each in query.options(connection, reference, "", [used])] == [
            "Ada #1"
        ]


@pytest.mark.parametrize(
    ("text", "id_"),
    [("Ada #1", 1), ("#2", 2), ("2", 2), ("Bob", 2), ("Ada", 1), ("x", None), ("Twin", None),
     ("9" * 40, None), ("", None)],
)  # fmt: skip
def test_a_name_means_a_row_if_only_one_has_it(
    shelf: Database, add_author: Add, text: str, id_: int | None
) -> None:
    add_author("Twin")
    add_author("Twin")
    reference = BOOKS.by_name["author_id"].reference
    assert reference
    with shelf.reading() as connection:
        found = query.option(connection, reference, text)
    assert (found and found.id) == id_


def test_what_a_row_refers_to_may_be_gone(library: Database) -> None:
    with library.reading() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql(
            "INSERT INTO book (title, genre, is_lent, is_secret, author_id, created_at) "
            "VALUES ('Orphan', 'novel', 0, 0, 5, '2026-01-01T00:00:00.000000Z')"
        )
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        assert str(query.row(connection, BOOKS, 1).values["author_id"]) == "#5"
