"""What is written into a form is checked by a model that the columns make."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.admin import Column, Refused
from app.admin.record import checked, form_of, show, with_moments
from tests.library import BOOKS, Genre

BERLIN = ZoneInfo("Europe/Berlin")
GOOD = {"title": "Ulysses", "genre": "novel"}


def resolve(column: Column, text: str) -> int | None:
    return 7 if text == "Ada #7" else None


def values(place: str = "create", **said: str) -> dict[str, Any]:
    submitted = {name: [text] for name, text in {**GOOD, **said}.items()}
    found = checked(BOOKS, place, submitted, resolve)
    if place == "create":
        assert isinstance(found.pop("created_at"), datetime.datetime)
    return found


def refusal(**said: str) -> dict[str, Sequence[str]]:
    with pytest.raises(Refused) as caught:
        values(**said)
    return dict(caught.value.fields)


def test_a_new_row_has_what_was_said_and_what_fills_itself() -> None:
    assert values(pages="700", author_id="Ada #7") == {
        "title": "Ulysses", "genre": "novel", "pages": 700, "author_id": 7, "is_lent": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ({"title": "  Ulysses "}, "Ulysses"),
        ({"genre": "poetry"}, "poetry"),
        ({"price": "9.5"}, 9.5),
        ({"is_lent": "true"}, True),
        ({"notes": "two\nlines"}, "two\nlines"),
        ({"published": "1922-02-02"}, datetime.date(1922, 2, 2)),
        (
            {"returned_at": "2026-01-02T03:04"},
            datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC),
        ),
    ],
)
def test_values_are_typed(said: dict[str, str], value: Any) -> None:
    (name,) = said
    assert values(**said)[name] == value


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"title": ""}, "Fill this in."),
        ({"title": "x" * 41}, "This is too long: at most 40 characters."),
        ({"title": "a\0b"}, "This text has characters that cannot be stored."),
        ({"title": "a\ud800"}, "This text has characters that cannot be stored."),
        ({"genre": "thriller"}, "Choose one of those offered."),
        ({"pages": "0"}, "This must be 1 or more."),
        ({"pages": "5001"}, "This must be 5000 or less."),
        ({"pages": "many"}, "This is not a whole number."),
        ({"price": "cheap"}, "This is not a number."),
        ({"price": "nan"}, "This is not a number."),
        ({"published": "soon"}, "This is not a date."),
        ({"returned_at": "25:00"}, "This is not a date and time."),
        ({"author_id": "Nobody"}, "Nothing is called 'Nobody'. Choose one of those offered."),
    ],
)
def test_each_mistake_has_a_sentence_beside_its_field(said: dict[str, str], sentence: str) -> None:
    (name,) = said
    assert refusal(**said) == {name: [sentence]}


def test_all_mistakes_are_told_at_once() -> None:
    assert set(refusal(title="", genre="x", pages="x", author_id="x")) == {
        "title", "genre", "pages", "author_id",
    }  # fmt: skip


def test_a_change_empties_what_may_be_empty_and_keeps_what_may_not() -> None:
    found = values("edit", pages="", notes="")
    assert (found["pages"], found["notes"], found["author_id"]) == (None, None, None)
    assert "created_at" not in found


def test_a_form_asks_as_the_table_wants_it() -> None:
    fields = {each.name: each for each in form_of(BOOKS, "create").fields}
    assert (fields["title"].required, fields["title"].attrs) == (True, {})
    assert (fields["pages"].required, fields["pages"].help) == (False, "Without the cover.")
    assert {name: each.widget for name, each in fields.items()} == {
        "title": "text", "genre": "select", "pages": "number", "price": "number",
        "is_lent": "checkbox", "notes": "textarea", "published": "date",
        "returned_at": "datetime", "author_id": "text",
    }  # fmt: skip


def test_a_form_shows_a_row_as_it_would_be_written() -> None:
    form = form_of(BOOKS, "edit")
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678, datetime.UTC)
    row = {"genre": Genre.POETRY, "returned_at": moment, "is_lent": True, "pages": 3}
    show(form, row, BERLIN)
    shown = {each.name: each.value for each in form.fields}
    assert (shown["genre"], shown["is_lent"], shown["pages"]) == ("poetry", True, "3")
    assert shown["returned_at"] == "2026-01-02T04:04:05"


def test_a_moment_is_one_of_the_zone_and_stays_itself_when_it_is_left_alone() -> None:
    before = {"returned_at": datetime.datetime(2026, 1, 2, 3, 4, 5, 678, datetime.UTC)}
    for text, moment in (
        ("2026-01-02T04:04:05", "2026-01-02T03:04:05.000678+00:00"),
        ("2026-01-02T04:04:05.000", "2026-01-02T03:04:05.000678+00:00"),
        ("2026-07-02T04:04", "2026-07-02T02:04:00+00:00"),
    ):
        found = with_moments(BOOKS, {"title": ["A"], "returned_at": [text]}, BERLIN, before)
        assert found == {"title": ["A"], "returned_at": [moment]}
    assert with_moments(BOOKS, {"returned_at": [""]}, BERLIN, before) == {"returned_at": [""]}
    for bad, sentence in (("2026-03-29T02:30", "does not exist"), ("soon", "Choose a date")):
        with pytest.raises(Refused) as error:
            with_moments(BOOKS, {"returned_at": [bad]}, BERLIN, before)
        assert sentence in error.value.fields["returned_at"][0]
