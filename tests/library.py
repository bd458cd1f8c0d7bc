"""A resource that only the tests have: books and those who wrote them, in tables of their own."""

from __future__ import annotations

import datetime
import enum
from typing import Annotated

from pydantic import Field
from sqlalchemy import ForeignKey, Numeric, String, Text, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.admin import Column, Reference, Resource
from app.admin.query import Condition
from app.db import Moment, now
from app.users.permissions import HasRole, Role


class Shelf(DeclarativeBase):
    """The base of these tables: the application's own does not know them."""


class Genre(enum.StrEnum):
    """What kind of book it is."""

    NOVEL = "novel"
    POETRY = "poetry"


class Author(Shelf):
    """Somebody who wrote."""

    __tablename__ = "author"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))


class Book(Shelf):
    """Something that was written."""

    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(40), unique=True)
    genre: Mapped[str] = mapped_column(String(20))
    pages: Mapped[int | None]
    price: Mapped[float | None] = mapped_column(Numeric(8, 2, asdecimal=False))
    is_lent: Mapped[bool] = mapped_column(default=False)
    is_secret: Mapped[bool] = mapped_column(default=False)
    notes: Mapped[str | None] = mapped_column(Text)
    published: Mapped[datetime.date | None]
    returned_at: Mapped[datetime.datetime | None] = mapped_column(Moment)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("author.id"))
    created_at: Mapped[datetime.datetime] = mapped_column(Moment)


def not_secret(_: object, person: HasRole) -> list[Condition]:
    """Some books are for superadmins."""
    return [] if person.role == Role.SUPERADMIN else [Book.is_secret.is_(False)]


EVERYWHERE = ("list", "show", "create", "edit", "filter")

BOOKS = Resource(
    name="books",
    table=Book,
    label="title",
    order="title",
    only=not_secret,
    actions={"view": "view", "create": "start", "edit": "start", "delete": "delete"},
    columns=[
        Column(name="title", search=True, sort=True),
        Column(name="genre", type=Genre, show_in=EVERYWHERE),
        Column(
            name="pages",
            type=Annotated[int, Field(ge=1, le=5000)],
            sort=True,
            show_in=EVERYWHERE,
            help="Without the cover.",
        ),
        Column(name="price", show_in=("show", "create", "edit")),
        Column(name="is_lent", label="Lent", show_in=EVERYWHERE, words=("Out", "In")),
        Column(name="notes", search=True, show_in=("show", "create", "edit", "filter")),
        Column(name="published", show_in=EVERYWHERE),
        Column(name="returned_at", sort=True, show_in=EVERYWHERE),
        Column(
            name="author_id",
            label="Author",
            show_in=EVERYWHERE,
            reference=Reference(table=Author, label="name"),
        ),
        Column(
            name="others",
            label="Books by the same author",
            expression=select(Author.name)
            .where(Author.id == Book.author_id)
            .correlate(Book)
            .scalar_subquery(),
            show_in=("show",),
        ),
        Column(name="created_at", fill=now, show_in=("list", "show", "create")),
    ],
)
