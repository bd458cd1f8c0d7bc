"""A row as it is asked for: a pydantic model made from the columns, its form, and its check."""

from __future__ import annotations

import datetime
import enum
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError
from pydantic import create_model as new_model
from pydantic_core import ErrorDetails

from app.admin.errors import Refused
from app.admin.form import Form, form_for, values_of
from app.admin.resource import Column, Resource, kind_of_type, plain_type
from app.timezones import NoSuchLocalTime, local_text, moment_of

Submitted = Mapping[str, Sequence[str]]
#: What a reference that a person wrote means: the id of the row; None when there is none.
Resolve = Callable[[Column, str], int | None]

LARGEST: Final = 2**63 - 1


def form_of(resource: Resource, place: str) -> Form:
    """The empty form for a new row, or for a change of one."""
    return form_for(model_of(resource, place))


def show(form: Form, values: Mapping[str, Any], zone: ZoneInfo) -> None:
    """Fill the form with a row as it is; its moments are shown in the zone."""
    for field in form.fields:
        if field.name in values:
            field.value = _as_asked(values[field.name], zone)


def with_moments(
    resource: Resource, submitted: Submitted, zone: ZoneInfo, before: Mapping[str, Any]
) -> Submitted:
    """Return what was submitted, with local times of the zone as moments.

    One that was left as show() put it there is exactly the one of the row `before`. Raise Refused.
    """
    found, wrong = dict(submitted), {}
    for column in resource.columns:
        text = next(iter(submitted.get(column.name, ())), "")
        if resource.kind_of(column) != "moment" or not text:
            continue
        try:
            found[column.name] = [moment_of(text, zone, before.get(column.name)).isoformat()]
        except NoSuchLocalTime as error:
            wrong[column.name] = [str(error)]
    if wrong:
        raise Refused(fields=wrong)
    return found


def _as_asked(value: Any, zone: ZoneInfo) -> Any:
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, datetime.datetime):
        return local_text(value, zone)
    return value if value is None or isinstance(value, bool) else str(value)


def checked(
    resource: Resource, place: str, submitted: Submitted, resolve: Resolve
) -> dict[str, Any]:
    """The values that were asked for, as they are stored; raise Refused with a sentence for each.

    What was left empty is absent from a new row, so that the table's own default stands.
    """
    asked = values_of(model_of(resource, place), submitted)
    unknown = _resolved(resource, asked, resolve)
    try:
        model = model_of(resource, place).model_validate(asked)
    except ValidationError as error:
        raise Refused(fields=sentences(error) | unknown) from error
    if unknown:
        raise Refused(fields=unknown)
    names = set(type(model).model_fields)
    if place == "create":
        names &= model.model_fields_set | {each.name for each in resource.columns if each.default}
    found = {name: _plain(getattr(model, name)) for name in names}
    return found | _filled(resource) if place == "create" else _kept(resource, found)


def _resolved(resource: Resource, asked: dict[str, Any], resolve: Resolve) -> dict[str, list[str]]:
    unknown = {}
    for column in resource.columns:
        if column.reference is not None and column.name in asked:
            text, asked[column.name] = asked[column.name], resolve(column, asked[column.name])
            if asked[column.name] is None:
                unknown[column.name] = [f"Nothing is called {text!r}. Choose one of those offered."]
                asked[column.name] = 0
    return unknown


def _filled(resource: Resource) -> dict[str, Any]:
    return {each.name: each.fill() for each in resource.columns if each.fill is not None}


def _kept(resource: Resource, found: dict[str, Any]) -> dict[str, Any]:
    """Without what was left empty and cannot be empty: that stays as it is."""
    return {
        name: value
        for name, value in found.items()
        if value is not None or _may_be_empty(resource, resource.by_name[name])
    }


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


@cache
def model_of(resource: Resource, place: str) -> type[BaseModel]:
    """The model of what is asked for in this place."""
    fields: dict[str, Any] = {
        column.name: _field(resource, column, is_new=place == "create")
        for column in resource.shown_in(place)
    }
    return new_model(f"{resource.name}_{place}", **fields)


def _field(resource: Resource, column: Column, *, is_new: bool) -> tuple[Any, Any]:
    checks: Any = Annotated[_checked_type(resource, column), AfterValidator(storable)]
    extra = {"widget": widget} if (widget := _widget(resource, column)) else None
    said: dict[str, Any] = {
        "title": column.title, "description": column.help or None, "json_schema_extra": extra,
    }  # fmt: skip
    if is_new and column.default is not None:
        return checks, Field(default=column.default, **said)
    if resource.kind_of(column) == "boolean":
        return checks, Field(**said)
    if _is_required(resource, column):
        return checks, Field(**said)
    return checks | None, Field(default=None, **said)


def _checked_type(resource: Resource, column: Column) -> Any:
    if column.reference is not None:
        return int
    if column.type is not None:
        is_optional = plain_type(column.type) is not column.type and _has_none(column.type)
        return plain_type(column.type) if is_optional else column.type
    found = resource.type_of(column)
    length = getattr(getattr(resource.expression(column), "type", None), "length", None)
    is_text = found is str
    return (
        Annotated[str, StringConstraints(strip_whitespace=True, max_length=length)]
        if (is_text)
        else found
    )


def _has_none(annotation: Any) -> bool:
    return type(None) in getattr(annotation, "__args__", ())


def _is_required(resource: Resource, column: Column) -> bool:
    stored = resource.expression(column)
    if stored is None:
        return not _has_none(column.type)
    defaults = (getattr(stored, "default", None), getattr(stored, "server_default", None))
    return not _may_be_empty(resource, column) and defaults == (None, None)


def _may_be_empty(resource: Resource, column: Column) -> bool:
    stored = resource.expression(column)
    return _has_none(column.type) if stored is None else bool(getattr(stored, "nullable", True))


def _widget(resource: Resource, column: Column) -> str:
    if column.widget:
        return column.widget
    kinds = {"reference": "text", "long": "textarea"}
    return kinds.get(resource.kind_of(column), "")


def storable(value: Any) -> Any:
    """Refuse what some database cannot keep; a moment without a zone is one of UTC."""
    if isinstance(value, str) and ("\0" in value or _has_half_characters(value)):
        raise ValueError("This text has characters that cannot be stored.")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError("This number is too large.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("This is not a number.")
    if isinstance(value, datetime.datetime) and value.tzinfo is None:
        return value.replace(tzinfo=datetime.UTC)
    return value


def _has_half_characters(text: str) -> bool:
    return any("\ud800" <= each <= "\udfff" for each in text)


# What is wrong, in words ------------------------------------------------------------------------

_WORDS: Final = {
    "missing": "Fill this in.",
    "string_too_long": "This is too long: at most {max_length} characters.",
    "string_too_short": "This is too short: at least {min_length} characters.",
    "string_unicode": "This text has characters that cannot be stored.",
    "enum": "Choose one of those offered.",
    "literal_error": "Choose one of those offered.",
    "greater_than_equal": "This must be {ge} or more.",
    "less_than_equal": "This must be {le} or less.",
    "greater_than": "This must be more than {gt}.",
    "less_than": "This must be less than {lt}.",
}
_KINDS: Final = (
    ("int_", "This is not a whole number."),
    ("float_", "This is not a number."),
    ("decimal_", "This is not a number."),
    ("date_", "This is not a date."),
    ("datetime_", "This is not a date and time."),
    ("timezone_", "This is not a date and time."),
    ("bool_", "Choose yes or no."),
)


def sentences(error: ValidationError) -> dict[str, list[str]]:
    """What is wrong with each field, in a person's words."""
    found: dict[str, list[str]] = {}
    for each in error.errors(include_url=False, include_input=False):
        found.setdefault(str(each["loc"][0]) if each["loc"] else "", []).append(_sentence(each))
    return found


def _sentence(error: ErrorDetails) -> str:
    if error["type"] in _WORDS:
        return _WORDS[error["type"]].format(**error.get("ctx", {}))
    for kind, sentence in _KINDS:
        if error["type"].startswith(kind):
            return sentence
    said = error["msg"].removeprefix("Value error, ")
    return said if said.endswith((".", "!", "?")) else f"{said}."


__all__ = ["Resolve", "Submitted", "checked", "form_of", "kind_of_type", "model_of", "sentences"]
