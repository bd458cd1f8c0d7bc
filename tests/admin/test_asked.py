"""An address asks a list; what cannot be meant is left out and said."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from app.admin import Column
from app.admin.asked import Asked, asked_of
from app.keyset import Window
from app.timezones import UTC_ZONE
from tests.library import BOOKS


def look(column: Column, text: str) -> tuple[int, str] | None:
    return (7, "Ada #7") if text in ("7", "Ada #7") else None


def asked(**address: str) -> Asked:
    return asked_of(BOOKS, address, look, UTC_ZONE)


def test_an_empty_address_asks_for_everything() -> None:
    all_of_it = asked()
    assert not all_of_it.is_filtered
    assert (all_of_it.sort, all_of_it.window) == ("title", Window(size=50))
    assert all_of_it.query() == ""
    assert all_of_it.complaints == []


@pytest.mark.parametrize(
    ("address", "values"),
    [
        ({"genre": "poetry"}, {"genre": "poetry"}),
        ({"is_lent": "yes"}, {"is_lent": "yes"}),
        ({"notes": " torn "}, {"notes": "torn"}),
        ({"pages_from": "10", "pages_to": "20"}, {"pages_from": 10, "pages_to": 20}),
        ({"published_from": "2026-01-02"}, {"published_from": datetime.date(2026, 1, 2)}),
        ({"returned_to": "2026-01-02"}, {"returned_to": datetime.date(2026, 1, 2)}),
        ({"author_id": "Ada #7"}, {"author_id": 7}),
        ({"genre": "", "notes": "  "}, {}),
        ({"nonsense": "1"}, {}),
    ],
)
def test_filters_are_typed(address: dict[str, str], values: dict[str, Any]) -> None:
    assert asked(**address).values == values


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"genre": "thriller"}, "Genre: Choose one of those offered."),
        ({"is_lent": "perhaps"}, "Lent: Choose one of those offered."),
        ({"pages_from": "many"}, "Pages from: This is not a whole number."),
        ({"pages_to": "9" * 30}, "Pages to: This number is too large."),
        ({"pages_to": "9" * 5000}, "Pages to: This number is too large."),
        ({"published_from": "yesterday"}, "Published from: This is not a date."),
        ({"published_to": "2026-02-30"}, "Published to: This is not a date."),
        ({"returned_to": "9999-12-31"}, "Returned to: This must be 2999-12-31 or less."),
        ({"returned_from": "0001-01-01"}, "Returned from: This must be 1900-01-01 or more."),
        ({"author_id": "Nobody"}, "Author: Nothing is called 'Nobody'."),
    ],
)
def test_what_cannot_be_meant_is_left_out_and_said(address: dict[str, str], said: str) -> None:
    found = asked(**address, notes="torn")
    assert found.complaints == [said]
    assert found.values == {"notes": "torn"}


def test_the_form_shows_what_was_asked_for() -> None:
    found = asked(genre="poetry", author_id="7", published_from="soon")
    shown = {field.name: field.value for field in found.form.fields}
    assert (shown["genre"], shown["author_id"], shown["published_from"]) == (
        "poetry", "Ada #7", "soon",
    )  # fmt: skip
    offered = {field.name: field.choices for field in found.form.fields}
    assert offered["is_lent"] == [("", "Any"), ("yes", "Out"), ("no", "In")]
    assert offered["genre"][0] == ("", "Any")


@pytest.mark.parametrize("sort", ["", "-", "--title", "genre", "created", "%00", "-title\0"])
def test_an_order_that_does_not_exist_is_the_usual_one(sort: str) -> None:
    assert asked(sort=sort).sort == "title"


@pytest.mark.parametrize("sort", ["title", "-title", "pages", "-returned", "id", "-id"])
def test_an_order_goes_both_ways(sort: str) -> None:
    assert asked(sort=sort).sort == sort


@pytest.mark.parametrize(
    ("size", "meant"), [("25", 25), ("2", 2), ("100", 100), ("101", 50), ("0", 50), ("x", 50)]
)
def test_a_page_has_a_length_within_reason(size: str, meant: int) -> None:
    assert asked(size=size).window.size == meant


@pytest.mark.parametrize("place", ["x", "-1", "1.5", "\0", "9" * 30, "²"])
def test_a_place_that_is_no_id_is_the_first_page(place: str) -> None:
    assert asked(after=place, before=place).window == Window(size=50)


def test_an_address_comes_back_in_one_form() -> None:
    found = asked(
        author_id="Ada #7", genre="poetry", q=" sea ", sort="-pages", size="25", after="9"
    )
    assert found.query() == "genre=poetry&author_id=7&q=sea&sort=-pages&size=25"
    assert found.query(after=9) == f"{found.query()}&after=9"
    assert found.query(genre="", q="") == "author_id=7&sort=-pages&size=25"
    again = asked_of(
        BOOKS, dict(each.split("=") for each in found.query().split("&")), look, UTC_ZONE
    )
    assert (again.query(), again.values) == (found.query(), found.values)


@pytest.mark.parametrize("text", ["\0", "\ud800", "\udfff\0", "x" * 10_000])
def test_no_text_is_too_wild_to_be_asked_for(text: str) -> None:
    found = asked(q=f"a{text}", notes=f"b{text}")
    for each in (found.search, found.values["notes"]):
        assert "\0" not in each
        assert len(each.encode()) <= 200 * 4
