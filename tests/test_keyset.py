"""Pages of a table by places: every row once, in order, from both ends, also where values lack."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
    text,
)

from app.db import Database
from app.keyset import Order, Window, cut, read

ROWS = Table(
    "shown", MetaData(),
    Column("id", Integer, primary_key=True),
    Column("word", String(10)),
    Index("ix_shown_word", "word", "id"),
)  # fmt: skip
WORDS = ["ant", "bee", None, "bee", "cat", None, "ant", "dog", "bee", None]


@pytest.fixture
def connection(empty_database: Database) -> Iterator[Connection]:
    with empty_database.writing() as connection:
        ROWS.metadata.create_all(connection)
        rows = [{"id": index + 1, "word": word} for index, word in enumerate(WORDS)]
        random.Random(7).shuffle(rows)
        connection.execute(insert(ROWS), rows)
        yield connection


def order(by: str, *, descending: bool) -> Order:
    return Order(by=ROWS.c[by], id=ROWS.c.id, descending=descending)


def ids(connection: Connection, how: Order, window: Window) -> list[int]:
    return [row.id for row in read(connection, select(ROWS), how, window)]


def in_order(by: str, *, descending: bool) -> list[int]:
    def key(index: int) -> Any:
        word = WORDS[index - 1]
        return index if by == "id" else (word is not None, word or "", index)

    return sorted(range(1, len(WORDS) + 1), key=key, reverse=descending)


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("by", ["id", "word"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 10, 11])
def test_each_row_is_on_one_page_both_ways(
    connection: Connection, by: str, size: int, descending: bool
) -> None:
    how, whole = order(by, descending=descending), in_order(by, descending=descending)
    found: list[int] = []
    while page := ids(connection, how, Window(size=size, after=found[-1] if found else None)):
        found += page
    assert found == whole
    back = ids(connection, how, Window(size=size, before=whole[-1]))
    while page := ids(connection, how, Window(size=size, before=back[0] if back else whole[0])):
        back = page + back
    assert back == whole[:-1]


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("by", ["id", "word"])
def test_the_page_before_a_row_ends_at_it(
    connection: Connection, by: str, descending: bool
) -> None:
    how, whole = order(by, descending=descending), in_order(by, descending=descending)
    for place, row_id in enumerate(whole):
        for size in (1, 4, 20):
            before = ids(connection, how, Window(size=size, before=row_id))
            assert before == whole[max(place - size, 0) : place]
            after = ids(connection, how, Window(size=size, after=row_id))
            assert after == whole[place + 1 : place + 1 + size]


@pytest.mark.parametrize("window", [Window(size=3, after=2), Window(size=3, before=2)])
def test_a_place_whose_row_is_gone_is_the_first_page(
    connection: Connection, window: Window
) -> None:
    connection.execute(delete(ROWS).where(ROWS.c.id == 2))
    how = order("word", descending=False)
    assert ids(connection, how, window) == ids(connection, how, Window(size=3))


def test_a_row_that_comes_meanwhile_hides_none(connection: Connection) -> None:
    how = order("word", descending=False)
    first = ids(connection, how, Window(size=4))
    connection.execute(insert(ROWS), [{"id": 50, "word": None}])
    second = ids(connection, how, Window(size=4, after=first[-1]))
    assert first + second == in_order("word", descending=False)[:8]


def test_one_row_too_many_tells_of_the_next_page() -> None:
    page = cut([1, 2, 3], Window(size=2))
    assert (page.rows, page.has_previous, page.has_next) == ([1, 2], False, True)
    page = cut([1, 2], Window(size=2, after=9))
    assert (page.rows, page.has_previous, page.has_next) == ([1, 2], True, False)
    page = cut([1, 2, 3], Window(size=2, before=9))
    assert (page.rows, page.has_previous, page.has_next) == ([2, 3], True, True)


@pytest.mark.parametrize("descending", [True, False])
def test_an_index_is_walked_along_and_nothing_sorted(database: Database, descending: bool) -> None:
    how = order("word", descending=descending)
    with database.writing() as connection:
        ROWS.metadata.create_all(connection)
        connection.execute(insert(ROWS), [{"id": n, "word": str(n)} for n in range(1, 50)])
        plans: list[str] = []
        for clauses in (how.clauses(down=True), how.clauses(down=False)):
            query = select(ROWS).order_by(*clauses).limit(5)
            sql = str(query.compile(connection.engine, compile_kwargs={"literal_binds": True}))
            plans += [row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sql}"))]
    assert all("ix_shown_word" in plan for plan in plans)
    assert not any("TEMP B-TREE" in plan for plan in plans)
