"""A declaration is checked when it is made, and takes from its table what it does not say."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import SecretStr
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.admin import Column, Resource
from app.admin.resource import BadResource, kind_of_type
from tests.library import BOOKS, Book, Shelf


class Word(Shelf):
    """A table whose key is no number."""

    __tablename__ = "word"

    word: Mapped[str] = mapped_column(String(10), primary_key=True)


def declared(**given: Any) -> Resource:
    said = {"name": "books", "table": Book, "label": "title", "columns": [Column(name="title")]}
    return Resource(**{**said, **given})


def test_what_is_not_said_is_taken_from_the_name_and_the_table() -> None:
    books = declared()
    assert (books.heading, books.noun) == ("Books", "book")
    assert books.kind_of(books.columns[0]) == "text"
    assert Column(name="last_sign_in_at").title == "Last sign in"
    assert Column(name="created_at").param == "created"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("title", "text"), ("genre", "choice"), ("pages", "number"), ("price", "number"),
        ("is_lent", "boolean"), ("notes", "long"), ("published", "day"),
        ("returned_at", "moment"), ("author_id", "reference"),
    ],
)  # fmt: skip
def test_a_column_has_a_kind(name: str, kind: str) -> None:
    assert BOOKS.kind_of(BOOKS.by_name[name]) == kind


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (Literal["a"], "choice"), (SecretStr | None, "secret"), (list[str], "text"),
        (bytes, "text"), (int | None, "number"),
    ],
)  # fmt: skip
def test_a_type_has_a_kind(annotation: Any, kind: str) -> None:
    assert kind_of_type(annotation) == kind


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "Books!"}, "small letters"),
        ({"table": Word, "label": "word", "columns": [Column(name="word")]}, "whole number"),
        ({"columns": [Column(name="title"), Column(name="title")]}, "same name"),
        ({"label": "nothing"}, "'nothing' is none of its columns"),
        ({"order": "-title"}, "cannot be ordered by '-title'"),
        ({"actions": {"view": "view", "burn": "edit"}}, "actions are among view, create"),
        ({"actions": {"create": "edit"}}, "needs the action view"),
        ({"columns": [Column(name="title", show_in=("roof",))]}, "places are among list"),
        ({"columns": [Column(name="title"), Column(name="sort")]}, "another meaning"),
        ({"columns": [Column(name="title"), Column(name="hue", type=str)]}, "only be asked for"),
        ({"columns": [Column(name="title"), Column(name="hue", show_in=("edit",))]}, "its type"),
    ],
)  # fmt: skip
def test_a_declaration_that_cannot_be_meant_says_what_to_mend(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadResource, match=said):
        declared(**given)


def test_what_fills_itself_is_asked_for_nowhere() -> None:
    assert "created_at" not in [each.name for each in BOOKS.shown_in("create")]
    assert "created_at" in [each.name for each in BOOKS.shown_in("show")]
