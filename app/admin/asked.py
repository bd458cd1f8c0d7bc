"""What the address of a list asks for: filters, a search, an order, a page. And back again.

Anything may stand in an address. What cannot be meant is left out, with a sentence that says so.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic import create_model as new_model

from app.admin.form import Form, form_for, values_of
from app.admin.record import sentences, storable
from app.admin.resource import Column, Resource, plain_type
from app.keyset import Window

ANY: Final = "Any"
LONGEST: Final = 200
Day = Annotated[datetime.date, Field(ge=datetime.date(1900, 1, 1), le=datetime.date(2999, 12, 31))]
#: From what a person wrote of another row to its id and its name.
Look = Callable[[Column, str], tuple[int, str] | None]


@dataclass(frozen=True)
class Meant:
    """A filter that can be meant: its value, how an address says it, and how a person reads it."""

    value: Any
    text: str
    shown: str


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked for: the filters that can be meant, by their name in an address, and the rest.

    `form` shows the filters, and what is wrong with them.
    """

    resource: Resource
    search: str
    meant: Mapping[str, Meant]
    form: Form
    sort: str
    window: Window
    #: In which the days of the filters are taken.
    zone: ZoneInfo

    @property
    def is_filtered(self) -> bool:
        """Whether the list is not all there is."""
        return bool(self.meant or self.search)

    @property
    def values(self) -> dict[str, Any]:
        """The values of the filters."""
        return {name: each.value for name, each in self.meant.items()}

    @property
    def complaints(self) -> list[str]:
        """What of the address could not be meant."""
        return self.form.complaints

    def query(self, **changes: object) -> str:
        """The address of the same list but for these; its first page, unless a page is named."""
        resource = self.resource
        meant = {name: each.text for name, each in self.meant.items()}
        said = {
            **{field.name: meant.get(field.name) for field in self.form.fields},
            "q": self.search,
            "sort": self.sort if self.sort != resource.order else "",
            "size": self.window.size if self.window.size != resource.size else "",
            **changes,
        }
        return urlencode({key: value for key, value in said.items() if value not in (None, "")})


def asked_of(resource: Resource, address: Mapping[str, str], look: Look, zone: ZoneInfo) -> Asked:
    """Read an address; `look` finds what a reference means, days are those of the zone."""
    form = filter_form(resource)
    said = {each.name: [text_of(address, each.name)] for each in form.fields}
    meant = _meant(resource, form, said, look)
    form.fill(said | {name: [each.shown] for name, each in meant.items()})
    return Asked(
        resource=resource,
        search=text_of(address, "q"),
        meant=meant,
        form=form,
        sort=_sort(resource, address.get("sort", "")),
        window=_window(resource, address),
        zone=zone,
    )


def filter_form(resource: Resource) -> Form:
    """The empty form of the filters."""
    form = form_for(filter_model(resource))
    for field in form.fields:
        column = next((each for each in resource.columns if each.param == field.name), None)
        if column is None or field.widget != "select":
            continue
        offered = [(key, text) for key, text in field.choices if key]
        if resource.kind_of(column) == "boolean":
            offered = list(zip(("yes", "no"), column.words, strict=True))
        field.choices = [("", ANY), *offered]
    return form


@cache
def filter_model(resource: Resource) -> type[BaseModel]:
    """The model that checks the filters; each may be left out."""
    fields: dict[str, Any] = {}
    for column in resource.shown_in("filter"):
        name, title, kind = column.param, column.title, resource.kind_of(column)
        if kind in ("moment", "day", "number"):
            asked = Day if kind != "number" else _number(resource, column)
            fields[f"{name}_from"] = _field(asked, f"{title} from")
            fields[f"{name}_to"] = _field(asked, f"{title} to")
        else:
            fields[name] = _field(_single(resource, column, kind), title)
    return new_model(f"{resource.name}_filter", **fields)


def _field(kind: Any, title: str) -> tuple[Any, Any]:
    return kind | None, Field(default=None, title=title)


def _number(resource: Resource, column: Column) -> Any:
    return Annotated[plain_type(resource.type_of(column)), AfterValidator(storable)]


def _single(resource: Resource, column: Column, kind: str) -> Any:
    if kind == "boolean":
        return Literal["yes", "no"]
    return plain_type(resource.type_of(column)) if kind == "choice" else str


def _meant(
    resource: Resource, form: Form, said: Mapping[str, list[str]], look: Look
) -> dict[str, Meant]:
    """The filters that can be meant; the form learns of the others."""
    model = filter_model(resource)
    asked = values_of(model, said)
    try:
        checked = model.model_validate(asked)
    except ValidationError as error:
        wrong = sentences(error)
        form.refuse(wrong)
        checked = model.model_validate({k: v for k, v in asked.items() if k not in wrong})
    found = {}
    for name in (each.name for each in form.fields if each.name in checked.model_fields_set):
        value = getattr(checked, name)
        text = str(getattr(value, "value", value))
        found[name] = Meant(value, text, text)
    return _with_references(resource, form, found, look)


def _with_references(
    resource: Resource, form: Form, found: dict[str, Meant], look: Look
) -> dict[str, Meant]:
    for column in resource.shown_in("filter"):
        if column.reference is None or column.param not in found:
            continue
        text = found.pop(column.param).text
        meant = look(column, text)
        if meant is None:
            form.refuse({column.param: [f"Nothing is called {text!r}."]})
        else:
            found[column.param] = Meant(meant[0], str(meant[0]), meant[1])
    return found


def _sort(resource: Resource, text: str) -> str:
    is_known = text.removeprefix("-") in resource.sortable()
    return text if is_known else resource.order


def _window(resource: Resource, address: Mapping[str, str]) -> Window:
    size = whole(address.get("size")) or resource.size
    return Window(
        size=size if size <= max(resource.sizes) else resource.size,
        after=whole(address.get("after")),
        before=whole(address.get("before")),
    )


def text_of(asked: Mapping[str, str], name: str) -> str:
    """A text out of an address, without what a database may fail for: NULs, half characters."""
    text = asked.get(name, "").replace("\0", "\ufffd").strip()[:LONGEST]
    return text.encode("utf-8", "replace").decode()


def whole(text: str | None) -> int | None:
    """A whole number out of an address; None for anything else."""
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 18:
        return None
    return int(text)
