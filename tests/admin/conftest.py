"""A database with the tables of the tests' own resource, and a few rows in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert

from app.db import Database, now
from tests.library import Author, Book, Shelf


@pytest.fixture
def library(database: Database) -> Database:
    """The database with empty tables of books and authors."""
    with database.writing() as connection:
        Shelf.metadata.create_all(connection)
    return database


Add = Callable[..., int]


@pytest.fixture
def add_book(library: Database) -> Add:
    """Writes a book, and returns its id."""

    def add(title: str, **given: Any) -> int:
        row = {"title": title, "genre": "novel", "created_at": now(), **given}
        with library.writing() as connection:
            made = connection.execute(insert(Book).values(**row).returning(Book.id))
            return int(made.scalar_one())

    return add


@pytest.fixture
def add_author(library: Database) -> Add:
    """Writes an author, and returns the id."""

    def add(name: str) -> int:
        with library.writing() as connection:
            made = connection.execute(insert(Author).values(name=name).returning(Author.id))
            return int(made.scalar_one())

    return add
