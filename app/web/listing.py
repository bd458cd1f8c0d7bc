"""What surrounds the rows of a list: filters, search, orders, pages. Each is a link or a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from app.admin.asked import Asked
from app.admin.form import Field, Form
from app.admin.resource import Resource
from app.keyset import Page
from app.web.filters import href, label

#: These begin with the newest, all others with the least.
_NEWEST_FIRST = ("moment", "day")

#: What makes a text field one that offers, for a script and for a screen reader.
COMBOBOX = {
    "role": "combobox",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "maxlength": 200,
}


@dataclass(frozen=True, kw_only=True)
class Header:
    """A column's head: the link that orders by it, and how the list is ordered now."""

    title: str
    href: str
    direction: str | None


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A filter that is on, and the list without it."""

    text: str
    href: str


@dataclass(frozen=True, kw_only=True)
class Size:
    """A length of the page to choose."""

    count: int
    href: str
    is_current: bool


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One page of a list, without its rows. `first` and `last` are the ids of its ends."""

    asked: Asked
    path: str
    length: int
    first: int | None
    last: int | None
    has_previous: bool
    has_next: bool

    @property
    def query(self) -> str:
        """The address of exactly this page."""
        window = self.asked.window
        return self.asked.query(after=window.after, before=window.before)

    @property
    def address(self) -> str:
        """The path with it."""
        return href(self.path, self.query)

    @property
    def previous(self) -> str | None:
        """The page before."""
        return self.link(before=self.first) if self.has_previous and self.first else None

    @property
    def next(self) -> str | None:
        """The page after."""
        return self.link(after=self.last) if self.has_next and self.last else None

    @property
    def cleared(self) -> str:
        """The list without any filter."""
        return href(self.path, self._without({each.name: "" for each in self.asked.form.fields}))

    @property
    def sizes(self) -> Sequence[Size]:
        """The lengths of the page that are offered; none where the shortest holds all there is."""
        resource, now = self.asked.resource, self.asked.window.size
        if self.length <= min(resource.sizes) and not (self.previous or self.next):
            return []
        return [
            Size(
                count=each,
                href=self.link(size="" if each == resource.size else each),
                is_current=each == now,
            )
            for each in resource.sizes
        ]

    @property
    def fields(self) -> Sequence[Field]:
        """The fields of the filters, but for what stands in tabs."""
        tabs = self.asked.resource.tabs
        return [each for each in self.asked.form.fields if each.name != tabs]

    @property
    def chips(self) -> Sequence[Chip]:
        """The filters that are on, but for what stands in tabs or in the search box."""
        return [
            Chip(
                text=f"{field.label}: {self._words(field)}",
                href=self.link(**{field.name: ""}),
            )
            for field in self.fields
            if field.name in self.asked.meant
        ]

    @property
    def kept(self) -> Mapping[str, str]:
        """What the form of the filters must send along."""
        asked, tabs = self.asked, self.asked.resource.tabs
        chosen = asked.meant[tabs].text if tabs in asked.meant else ""
        found = {
            tabs: chosen,
            "sort": "" if asked.sort == asked.resource.order else asked.sort,
            "size": "" if asked.window.size == asked.resource.size else str(asked.window.size),
        }
        return {name: value for name, value in found.items() if name and value}

    def link(self, **changes: object) -> str:
        """The same list but for these; its first page, unless a page is named."""
        return href(self.path, self.asked.query(**changes))

    def header(self, name: str, title: str = "") -> Header:
        """The head of the column that has this name in an address."""
        asked, resource = self.asked, self.asked.resource
        column = next((each for each in resource.columns if each.param == name), None)
        kind = resource.kind_of(column) if column else "number"
        first = f"-{name}" if kind in _NEWEST_FIRST else name
        is_this = asked.sort.removeprefix("-") == name
        wanted = _turned(asked.sort) if is_this else first
        return Header(
            title=title or (column.title if column else "Id"),
            href=self.link(sort="" if wanted == resource.order else wanted),
            direction=_direction(asked.sort) if is_this else None,
        )

    def _without(self, changes: Mapping[str, str]) -> str:
        return self.asked.query(**changes, q="")

    def _words(self, field: Field) -> str:
        meant = self.asked.meant[field.name]
        return next((label(text) for key, text in field.choices if key == meant.text), meant.shown)


class HasId(Protocol):
    """A row."""

    @property
    def id(self) -> int: ...


Row = TypeVar("Row", bound=HasId)


def listing_of(asked: Asked, page: Page[Row]) -> Listing:
    """What surrounds these rows."""
    let_search(asked.resource, asked.form, "filter")
    return Listing(
        asked=asked,
        path=f"/{asked.resource.name}",
        length=len(page.rows),
        first=page.rows[0].id if page.rows else None,
        last=page.rows[-1].id if page.rows else None,
        has_previous=page.has_previous,
        has_next=page.has_next,
    )


def let_search(resource: Resource, form: Form, place: str) -> None:
    """Tell the fields of references where a script finds what to offer."""
    by_name = {each.name: each for each in form.fields}
    for column in resource.shown_in(place):
        field = by_name.get(column.param if place == "filter" else column.name)
        if column.reference is not None and field is not None:
            address = f"/{resource.name}/options?column={column.name}&for={place}"
            hint = "Any" if place == "filter" else "Type to search"
            search = {"data-options": address, "placeholder": hint}
            field.attrs = {**field.attrs, **COMBOBOX, **search}


def _turned(sort: str) -> str:
    return sort.removeprefix("-") if sort.startswith("-") else f"-{sort}"


def _direction(sort: str) -> str:
    return "descending" if sort.startswith("-") else "ascending"
