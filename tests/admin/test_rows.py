"""Rows come, change and go; what the database would refuse is said beforehand, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.admin import Refused, RowNotFound, Rows, query
from app.db import Database, now
from tests.admin.conftest import Add
from tests.library import BOOKS, Author, Book

ROWS = Rows(Book)
GOOD = {"title": "Alps", "genre": "novel"}


def made(library: Database, **given: Any) -> int:
    with session(library) as own:
        return ROWS.create(own, {**GOOD, "created_at": now(), **given}, None)


def change(library: Database, row_id: int, values: dict[str, Any]) -> None:
    with session(library) as own:
        ROWS.update(own, row_id, values, None)


@contextmanager
def session(library: Database) -> Iterator[Session]:
    """A session like that of a request, which is committed at the end."""
    with Session(library.for_sessions) as own, own.begin():
        yield own


def title(library: Database, row_id: int) -> str:
    with library.reading() as connection:
        return str(query.row(connection, BOOKS, row_id).values["title"])


def test_a_row_is_made_changed_and_deleted(library: Database) -> None:
    row_id = made(library)
    change(library, row_id, {"title": "Andes"})
    assert title(library, row_id) == "Andes"
    for _ in range(2):
        with session(library) as own:
            ROWS.delete(own, row_id, None)
    with pytest.raises(RowNotFound):
        title(library, row_id)


def test_what_must_be_unique_is_said_beside_its_field(library: Database) -> None:
    made(library)
    other = made(library, title="Birds")
    for attempt in (
        lambda: made(library),
        lambda: change(library, other, {"title": "Alps"}),
    ):
        with pytest.raises(Refused) as caught:
            attempt()
        assert caught.value.fields == {"title": ["There is one like this already."]}
    change(library, other, {"title": "Birds", "genre": "poetry"})


def test_what_the_database_refuses_is_a_sentence(library: Database) -> None:
    with pytest.raises(Refused, match="refuses"):
        made(library, author_id=99)
    row_id = made(library)
    with pytest.raises(Refused, match="refuses"):
        change(library, row_id, {"author_id": 99})


def test_a_row_that_is_gone_cannot_be_changed(library: Database) -> None:
    with pytest.raises(RowNotFound):
        change(library, 1, {"title": "x"})


def test_a_row_that_others_refer_to_stays(
    library: Database, add_author: Add, add_book: Add
) -> None:
    ada = add_author("Ada")
    add_book("Alps", author_id=ada)
    with pytest.raises(Refused, match="Others still refer to it"), session(library) as own:
        Rows(Author).delete(own, ada, None)
