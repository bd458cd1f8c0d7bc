"""A form from a pydantic model: the model that checks the values also says how to ask (P5)."""

from __future__ import annotations

import datetime
import enum
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

#: What a constraint of the model is called in HTML.
ATTRIBUTES = {
    "ge": "min",
    "gt": "min",
    "le": "max",
    "lt": "max",
    "min_length": "minlength",
    "max_length": "maxlength",
    "multiple_of": "step",
    "pattern": "pattern",
}
MANY = (list, set, tuple, frozenset)
FILL_IN = "Fill this in."
#: The widget of a field that the server fills in by itself.
NOT_ASKED = "none"


@dataclass(kw_only=True)
class Field:
    """One value that is asked for. `name` is the model's."""

    name: str
    label: str
    widget: str
    help: str = ""
    value: Any = None
    required: bool = False
    choices: Sequence[tuple[str, str]] = ()
    #: What a choice stands for where that is no text: a number's "1" is 1.
    meanings: Mapping[str, Any] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Form:
    """All that is asked for, with what was answered and what is wrong with it."""

    fields: list[Field]
    errors: list[str] = field(default_factory=list)

    @property
    def complaints(self) -> list[str]:
        """What is wrong, each sentence with the label of its field before it."""
        found = [f"{field.label}: {error}" for field in self.fields for error in field.errors]
        return found + self.errors

    def fill(self, submitted: Mapping[str, Sequence[str]], *, whole: bool = True) -> None:
        """Show what a person has written, as it is.

        A browser leaves out of a form what is not ticked or chosen; an address, which is not the
        `whole` form, leaves out what shall stay as it is.
        """
        for each in self.fields:
            if each.name in submitted:
                each.value = _shown_again(each, submitted[each.name])
            elif whole and each.widget in ("checkbox", "multiselect"):
                each.value = None

    def refuse(self, fields: Mapping[str, Sequence[str]]) -> None:
        """Show what is wrong, each sentence beside its field."""
        by_name = {each.name: each for each in self.fields}
        for name, sentences in fields.items():
            if name in by_name:
                by_name[name].errors += [_for_people(sentence) for sentence in sentences]
            else:
                self.errors += [f"{name}: {each}" if name else each for each in sentences]


def form_for(model: type[BaseModel] | None) -> Form:
    """Return the empty form of a model, defaults filled in."""
    if model is None:
        return Form(fields=[])
    fields = [_field(name, info) for name, info in model.model_fields.items()]
    return Form(fields=[each for each in fields if each.widget != NOT_ASKED])


def values_of(
    model: type[BaseModel] | None, submitted: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Return what the model shall check: an answer left empty is no answer."""
    if model is None:
        return {}
    values = {}
    for each in form_for(model).fields:
        value = _value(each, submitted.get(each.name))
        if value is not None:
            values[each.name] = value
    return values


def _value(asked: Field, said: Sequence[str] | None) -> Any:
    if asked.widget == "checkbox":
        return _is_ticked(said)
    if asked.widget == "multiselect":
        return [asked.meanings.get(each, each) for each in said or () if each]
    if said is None:
        return None
    text = said[-1]
    if asked.widget == "lines":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if asked.widget == "json":
        return _json(text)
    may_be_empty = asked.widget in ("text", "textarea") and asked.value is not None
    return asked.meanings.get(text, text) if text.strip() or may_be_empty else None


def _shown_again(asked: Field, said: Sequence[str]) -> Any:
    if asked.widget == "checkbox":
        return _is_ticked(said)
    if asked.widget == "password":
        return None
    if asked.widget == "date":
        return said[-1][: len("2026-01-31")]  # of a moment, too: the field shows its day
    return list(said) if asked.widget == "multiselect" else said[-1]


def _is_ticked(said: Sequence[str] | None) -> bool:
    return bool(said) and said is not None and said[-1] not in ("", "false")


def _json(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # the model says what it wanted instead


def _field(name: str, info: FieldInfo) -> Field:
    kind, is_optional = _unwrapped(info.annotation)
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    made = Field(
        name=name,
        label=info.title or name.replace("_", " ").capitalize(),
        widget=str(extra.get("widget") or _widget(kind)),
        help=info.description or "",
        required=info.is_required() and not is_optional,
        choices=_choices(kind, is_optional),
        meanings=_meanings(_inner(kind)),
        attrs=_attributes(info.metadata),
    )
    if default is not PydanticUndefined and default is not None:
        made.value = _shown(made, default)
    if kind is int:
        made.attrs.setdefault("step", 1)
    if "accept" in extra:
        made.attrs["accept"] = extra["accept"]
    return made


def _unwrapped(annotation: Any) -> tuple[Any, bool]:
    """Return the type that is asked for, without Annotated and `| None`."""
    if get_origin(annotation) is typing.Annotated:
        return _unwrapped(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        some = [each for each in get_args(annotation) if each is not type(None)]
        is_optional = len(some) < len(get_args(annotation))
        return (_unwrapped(some[0])[0], is_optional) if len(some) == 1 else (str, is_optional)
    return annotation, False


_WIDGETS: dict[Any, str] = {
    str: "text",
    bool: "checkbox",
    int: "number",
    float: "number",
    datetime.date: "date",
    datetime.datetime: "datetime",
    datetime.time: "time",
    SecretStr: "password",
    SecretBytes: "password",
}


def _widget(kind: Any) -> str:
    if _is_choice(kind):
        return "select"
    if get_origin(kind) in MANY:
        inner = _inner(kind)
        if _is_choice(inner):
            return "multiselect"
        return "lines" if inner in (str, int, float) else "json"
    if kind in _WIDGETS:
        return _WIDGETS[kind]
    if isinstance(kind, type) and hasattr(kind, "form_widget"):
        return str(kind.form_widget)
    is_structure = get_origin(kind) is dict or kind is dict or _is_class(kind, BaseModel)
    return "json" if is_structure else "text"


def _inner(kind: Any) -> Any:
    """What a list is a list of; any other type itself."""
    return _unwrapped(get_args(kind)[0])[0] if get_origin(kind) in MANY else kind


def _is_class(kind: Any, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


def _is_choice(kind: Any) -> bool:
    return get_origin(kind) is Literal or _is_class(kind, enum.Enum)


def _choices(kind: Any, is_optional: bool) -> list[tuple[str, str]]:
    if get_origin(kind) in MANY:
        return _choices(_inner(kind), False)
    if get_origin(kind) is Literal:
        found = [(str(each), str(each)) for each in get_args(kind)]
    elif _is_class(kind, enum.Enum):
        found = [(str(each.value), each.name.replace("_", " ").capitalize()) for each in kind]
    else:
        return []
    return [("", "–"), *found] if is_optional else found  # noqa: RUF001 - "no choice"


def _meanings(kind: Any) -> dict[str, Any]:
    offered = get_args(kind) if get_origin(kind) is Literal else ()
    return {str(each): each for each in offered if not isinstance(each, str)}


def _attributes(metadata: Sequence[Any]) -> dict[str, Any]:
    found = {}
    for constraint in metadata:
        for name, attribute in ATTRIBUTES.items():
            value = getattr(constraint, name, None)
            if value is not None:
                found[attribute] = value
    return found


def _shown(asked: Field, default: Any) -> Any:
    if asked.widget == "password":
        return None
    if isinstance(default, enum.Enum):
        return str(default.value)
    if asked.widget == "json":
        plain = default.model_dump(mode="json") if isinstance(default, BaseModel) else default
        return json.dumps(plain, indent=2, default=str)
    if asked.widget in ("lines", "multiselect"):
        said = [str(each.value if isinstance(each, enum.Enum) else each) for each in default]
        return "\n".join(said) if asked.widget == "lines" else said
    return default


def _for_people(sentence: str) -> str:
    return FILL_IN if sentence == "Field required." else sentence
