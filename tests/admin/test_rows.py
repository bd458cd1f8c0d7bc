"""Rows come, change and go; what the database would refuse is said beforehand, in a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from app.admin import Refused, RowNotFound, Rows, query
from app.db import Database, now
from tests.admin.conftest import Add
from tests.library import BOOKS, Author, Book

ROWS = Rows(Book)
GOOD = {"title": "Alps", "genre": "novel"}


def made(library: Database, **given: Any) -> int:
    return ROWS.create(library, {**GOOD, "created_at": now(), **given}, None)


def title(library: Database, row_id: int) -> str:
    with library.reading() as connection:
        return str(query.row(connection, BOOKS, row_id).values["title"])


def test_a_row_is_made_changed_and_deleted(library: Database) -> None:
    row_id = made(library)
    ROWS.update(library, row_id, {"title": "Andes"}, None)
    assert title(library, row_id) == "Andes"
    ROWS.delete(library, row_id, None)
    ROWS.delete(library, row_id, None)
    with pytest.raises(RowNotFound):
        title(library, row_id)


def test_what_must_be_unique_is_said_beside_its_field(library: Database) -> None:
    made(library)
    other = made(library, title="Birds")
    for attempt in (
        lambda: made(library),
        lambda: ROWS.update(library, other, {"title": "Alps"}, None),
    ):
        with pytest.raises(Refused) as caught:
            attempt()
        assert caught.value.fields == {"title": ["There is one like this already."]}
    ROWS.update(library, other, {"title": "Birds", "genre": "poetry"}, None)


def test_what_the_database_refuses_is_a_sentence(library: Database) -> None:
    with pytest.raises(Refused, match="refuses"):
        made(library, author_id=99)
    row_id = made(library)
    with pytest.raises(Refused, match="refuses"):
        ROWS.update(library, row_id, {"author_id": 99}, None)


def test_a_row_that_is_gone_cannot_be_changed(library: Database) -> None:
    with pytest.raises(RowNotFound):
        ROWS.update(library, 1, {"title": "x"}, None)


def test_a_row_that_others_refer_to_stays(
    library: Database, add_author: Add, add_book: Add
) -> None:
    ada = add_author("Ada")
    add_book("Alps", author_id=ada)
    with pytest.raises(Refused, match="Others still refer to it"):
        Rows(Author).delete(library, ada, None)
