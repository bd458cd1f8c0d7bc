"""What tests read out of a page: its elements by their hooks."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from werkzeug.test import TestResponse

from tests.visitor import Visitor

#: Elements that HTML closes by itself.
VOID = {"input", "meta", "link", "br", "img"}
SCRIPT = {"HX-Request": "true"}


class Element:
    """An element: its name, its attributes, and all the text in it."""

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.text = ""

    def __getitem__(self, attribute: str) -> str:
        return self.attributes[attribute]


class Page(HTMLParser):
    """A page of the panel, taken apart."""

    def __init__(self, answer: TestResponse) -> None:
        super().__init__()
        self.answer = answer
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self._templates = 0
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins; what lies in a template is none yet."""
        self._templates += tag == "template"
        if self._templates:
            return
        found = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(found)
        if tag not in VOID:
            self._open.append(found)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element that ends where it begins."""
        if self._templates:
            return
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        if self._templates:
            self._templates -= tag == "template"
            return
        while self._open and self._open.pop().name != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Text belongs to every element around it."""
        for each in () if self._templates else self._open:
            each.text += data

    def all(self, name: str = "", /, **attributes: str) -> list[Element]:
        """All elements of this name with these attributes; `_` stands for `-`."""
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
        return [
            each
            for each in self.elements
            if name in ("", each.name)
            and all(each.attributes.get(key) == value for key, value in wanted.items())
        ]

    def one(self, name: str = "", /, **attributes: str) -> Element:
        """The one element of this name with these attributes."""
        found = self.all(name, **attributes)
        assert len(found) == 1, f"{len(found)} elements <{name}> with {attributes}"
        return found[0]

    def hook(self, testid: str) -> list[Element]:
        """The elements with this `data-testid`."""
        return self.all(data_testid=testid)

    def rows(self) -> list[int]:
        """The ids of the jobs in the list."""
        return [int(each["data-job-id"]) for each in self.hook("job-row")]

    def tasks(self) -> list[int]:
        """The indexes of the tasks in the popup."""
        return [int(each["data-index"]) for each in self.hook("task-row")]

    def link(self, text: str) -> str:
        """Where the link with this text or label leads."""
        for each in self.all("a"):
            if text in (" ".join(each.text.split()), each.attributes.get("aria-label")):
                return each["href"]
        raise AssertionError(f"There is no link {text!r}")


def opened(visitor: Visitor, path: str, **more: Any) -> Page:
    """A page that opens."""
    answer = visitor.get(path, **more)
    assert answer.status_code == 200, answer.text
    return Page(answer)


def words(element: Element) -> str:
    """The text of an element, with single spaces."""
    return re.sub(r"\s+", " ", element.text).strip()
