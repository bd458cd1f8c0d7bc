"""A file in `app/resources` is all that a table needs to have its pages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import app.resources
from app.admin import Refused, Rows
from app.admin.resource import BadResource
from app.resources import all_resources
from tests.admin.conftest import add_author, add_book, library
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, Page, opened, words

__all__ = ["add_author", "add_book", "library"]

FORM = {"title": "Alps", "genre": "novel"}
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Any) -> Iterator[Path]:
    """The file that declares the resource, in a folder that belongs to the package."""
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "books.py").write_text("from tests.library import BOOKS\n")
    monkeypatch.setattr(app.resources, "__path__", [*app.resources.__path__, str(folder)])
    yield folder
    sys.modules.pop("app.resources.books", None)
    sys.modules.pop("app.resources.twin", None)


def test_it_is_found_and_stands_in_the_navigation(vera: Visitor) -> None:
    assert [each.name for each in all_resources()] == ["jobs", "books", "users"]
    page = opened(vera, "/books")
    entries = page.all("a", class_="nav-link")
    assert [(words(each), each["href"]) for each in entries] == [
        ("Jobs", "/jobs"), ("Handlers", "/handlers"), ("Books", "/books"),
    ]  # fmt: skip
    assert [words(each) for each in entries if "aria-current" in each.attributes] == ["Books"]


def test_two_of_one_name_are_a_mistake(one_file: Path) -> None:
    (one_file / "twin.py").write_text(
        "import dataclasses\nfrom tests.library import BOOKS\nTWIN = dataclasses.replace(BOOKS)\n"
    )
    with pytest.raises(BadResource, match="Two resources are named 'books'"):
        all_resources()


def names(page: Page) -> list[str]:
    """The titles of the rows."""
    return [words(each) for each in page.all("a", class_="title")]


def test_a_list_is_filtered_searched_ordered_and_paged(vera: Visitor, add_book: Any) -> None:
    for title, pages in (("Alps", 3), ("Birds", 1), ("Clouds", 2)):
        add_book(title, pages=pages, genre="poetry" if title == "Birds" else "novel")
    page = opened(vera, "/books")
    assert names(page) == ["Alps", "Birds", "Clouds"]
    assert "3 books" in words(page.one(id="row-pager"))
    assert names(opened(vera, page.link("Pages"))) == ["Birds", "Clouds", "Alps"]
    assert names(opened(vera, opened(vera, page.link("Pages")).link("Pages")))[0] == "Alps"
    assert names(opened(vera, "/books?genre=poetry")) == ["Birds"]
    assert names(opened(vera, "/books?q=oud")) == ["Clouds"]
    first = opened(vera, "/books?size=2&sort=-pages")
    assert names(first) == ["Alps", "Clouds"]
    second = opened(vera, first.link("Next"))
    assert names(second) == ["Birds"]
    assert names(opened(vera, second.link("Previous"))) == ["Alps", "Clouds"]


def test_how_a_list_is_ordered_is_said_to_a_screen_reader(vera: Visitor, add_book: Any) -> None:
    add_book("Alps")
    for address, said in (("", "ascending"), ("?sort=-title", "descending")):
        (head,) = [
            each
            for each in opened(vera, f"/books{address}").all("th")
            if "aria-sort" in each.attributes
        ]
        assert (words(head), head["aria-sort"]) == ("Title", said)


def test_lengths_of_the_page_are_offered_when_they_matter(vera: Visitor, add_book: Any) -> None:
    for number in range(26):
        add_book(f"Book {number}")
    page = opened(vera, "/books")
    assert page.link("25 rows") == "/books?size=25"
    assert len(names(opened(vera, "/books?size=25"))) == 25


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("genre=thriller", "Genre: Choose one of those offered."),
        ("published_from=%00", "Published from: This is not a date."),
        ("pages_to=" + "9" * 3000, "Pages to: This number is too large."),
        ("author_id=Nobody", "Author: Nothing is called 'Nobody'."),
        ("q=%ff%00", None), ("sort=%00", None), ("size=" + "9" * 300, None), ("after=x", None),
    ],
)  # fmt: skip
def test_an_address_may_hold_anything(
    vera: Visitor, add_book: Any, query: str, said: str | None
) -> None:
    add_book("Alps")
    page = opened(vera, f"/books?{query}")
    assert [words(each) for each in page.all(role="alert")] == ([said] if said else [])


def test_an_empty_list_says_why(vera: Visitor, oscar: Visitor) -> None:
    assert "Nothing matches" in opened(oscar, "/books?q=x").answer.text
    assert "Create the first one" in opened(oscar, "/books").answer.text
    assert "As soon as there is one" in opened(vera, "/books").answer.text


def test_a_row_is_made_shown_changed_and_deleted(alice: Visitor, add_author: Any) -> None:
    add_author("Ada")
    answer = alice.post("/books", {**FORM, "author_id": "Ada", "pages": "12", "is_lent": "true"})
    assert (answer.status_code, answer.location) == (303, "/books/1")
    shown = words(opened(alice, "/books/1").hook("record")[0])
    assert "Author Ada #1" in shown
    assert "Lent Out" in shown
    form = opened(alice, "/books/1/edit")
    assert form.one(id="field-title")["value"] == "Alps"
    assert form.one(id="field-author_id")["value"] == "Ada #1"
    answer = alice.post("/books/1", {**FORM, "title": "Andes", "author_id": "Ada #1"})
    assert (answer.status_code, answer.location) == (303, "/books/1")
    shown = words(opened(alice, "/books/1").hook("record")[0])
    assert "Title Andes" in shown
    assert "Pages –" in shown  # noqa: RUF001 - what was emptied is empty
    assert "Delete Andes?" in opened(alice, "/books/1/deletion").answer.text
    assert "<html" not in opened(alice, "/books/1/deletion", headers=SCRIPT).answer.text
    answer = alice.post("/books/1/deletion")
    assert (answer.status_code, answer.location) == (303, "/books")
    assert alice.get("/books/1").status_code == 404
    assert "The book has been deleted." in opened(alice, "/books").answer.text


def test_a_form_with_mistakes_comes_back_with_sentences(oscar: Visitor) -> None:
    answer = oscar.post("/books", {"title": "", "genre": "novel", "pages": "x", "notes": HOSTILE})
    assert answer.status_code == 422
    page = Page(answer)
    assert words(page.one(id="field-title-errors")) == "Fill this in."
    assert words(page.one(id="field-pages-errors")) == "This is not a whole number."
    assert page.one(id="field-pages")["aria-describedby"] == "field-pages-help field-pages-errors"
    assert page.one(id="field-pages")["value"] == "x"
    assert HOSTILE not in answer.text
    answer = oscar.post("/books/1", FORM)
    assert answer.status_code == 404


def test_what_is_there_already_is_said_beside_its_field(oscar: Visitor, add_book: Any) -> None:
    add_book("Alps")
    add_book("Birds")
    for path in ("/books", "/books/2"):
        answer = oscar.post(path, FORM)
        assert answer.status_code == 422
        assert "already" in words(Page(answer).one(id="field-title-errors"))


def test_a_link_can_fill_the_form_in(oscar: Visitor) -> None:
    page = opened(oscar, "/books/new?title=Alps&genre=poetry&nonsense=1")
    assert page.one(id="field-title")["value"] == "Alps"
    (chosen,) = [each for each in page.all("option") if "selected" in each.attributes]
    assert chosen["value"] == "poetry"


def test_a_field_of_a_reference_offers_rows(
    oscar: Visitor, vera: Visitor, add_author: Any, add_book: Any
) -> None:
    ada, _ = add_author("Ada"), add_author("Adam")
    add_book("Alps", author_id=ada)
    form = opened(oscar, "/books/new").one(id="field-author_id")
    bar = opened(vera, "/books").one(id="filter-author_id")
    assert (form["role"], bar["role"]) == ("combobox", "combobox")
    offered = Page(oscar.get(form["data-options"] + "&q=ad")).all(role="option")
    assert [words(each) for each in offered] == ["Ada #1", "Adam #2"]
    # A filter offers what it would find; who may not write learns no more by asking otherwise.
    for address in (bar["data-options"], form["data-options"]):
        offered = Page(vera.get(address + "&q=ad")).all(role="option")
        assert [words(each) for each in offered] == ["Ada #1"]
    for query in ("", "?column=title", "?column=nonsense"):
        assert vera.get(f"/books/options{query}").status_code == 404


def test_who_may_not_sees_a_closed_button_and_is_refused(
    vera: Visitor, oscar: Visitor, add_book: Any
) -> None:
    add_book("Alps")
    (button,) = opened(vera, "/books").hook("create")
    assert "disabled" in button.attributes
    assert "operator or more" in button["title"]
    record = opened(vera, "/books/1")
    assert "disabled" in record.hook("edit")[0].attributes
    (delete,) = opened(oscar, "/books/1").hook("delete")
    assert "superadmin" in delete["title"]
    assert vera.get("/books/new").status_code == 403
    assert vera.post("/books", FORM).status_code == 403
    assert vera.post("/books/1", FORM).status_code == 403
    assert oscar.post("/books/1/deletion").status_code == 403


def test_rows_that_a_person_may_not_see_are_nowhere(
    vera: Visitor, oscar: Visitor, alice: Visitor, add_book: Any, add_author: Any
) -> None:
    add_book("Alps")
    secret = add_book("Secret plans", is_secret=True, author_id=add_author("Agent"))
    page = opened(oscar, "/books")
    assert names(page) == ["Alps"]
    assert "1 book" in words(page.one(id="row-pager"))
    for path in ("", "/edit"):
        assert oscar.get(f"/books/{secret}{path}").status_code == 404
    assert oscar.post(f"/books/{secret}", FORM).status_code == 404
    assert "Agent" not in vera.get("/books/options?column=author_id").text
    assert "Nothing is called" in opened(vera, "/books?author_id=Agent").answer.text
    assert len(names(opened(alice, "/books"))) == 2


def test_what_others_refer_to_is_not_deleted_and_says_so(
    alice: Visitor, monkeypatch: pytest.MonkeyPatch, add_book: Any
) -> None:
    def refuse(*_: object) -> None:
        raise Refused("Others still refer to it.")

    add_book("Alps")
    monkeypatch.setattr(Rows, "delete", refuse)
    answer = alice.post("/books/1/deletion")
    assert answer.status_code == 409
    assert words(Page(answer).one(role="alert")) == "Others still refer to it."


def test_what_is_stored_is_shown_as_text(vera: Visitor, add_book: Any, add_author: Any) -> None:
    add_book(HOSTILE, notes=HOSTILE, author_id=add_author(HOSTILE))
    for path in ("/books", "/books/1", "/books/options?column=author_id"):
        text = vera.get(path).text
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text
