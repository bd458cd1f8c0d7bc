"""Make the fields of a form from a pydantic model: for each type the control that asks for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import AliasChoices, AliasPath, AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from app.admin.annotations import DICTS, SETS, Kind, holds_secret, is_class, kind_of
from app.admin.attributes import attributes_of
from app.admin.choices import YES_NO, choices_of
from app.admin.defaults import ABSENT, REQUIRED, Default, default_of
from app.admin.moments import UTC
from app.admin.widgets import HELP, NESTED, NOT_ASKED, Place, is_json_text, widget_of

#: Before the name of a param whose own name is that of something else in the form.
PREFIX: Final = "param."
#: Before the names of what a form says of its fields beside their values.
ABOUT: Final = "form."
#: Names that every form has for itself.
TAKEN: Final = frozenset({"csrf_token", "param", "form"})
#: The key of what a model takes beside its fields.
EXTRA: Final = "*"
TEXT: Final = Kind(type=str)


@dataclass(kw_only=True)
class Field:
    """One value that is asked for. `name` is its control's, `key` the model's name for it."""

    name: str
    label: str
    widget: str
    help: str = ""
    value: Any = None
    required: bool = False
    choices: Sequence[tuple[str, str]] = ()
    #: The JSON of each choice.
    meanings: Mapping[str, Any] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    key: str = ""
    #: By which key it is sent: the alias where the model's validators find it by that alone.
    sent_as: str = ""
    kind: Kind = TEXT
    #: How its text is read: text, int, float, duration, mixed (JSON if it is any), json.
    reads: str = "text"
    default: Default = REQUIRED
    #: What it is when it is left empty: missing, default, none, or exact (an empty text or list).
    empty: str = "missing"
    #: How it is asked for when that is not as usual: json, rows, exact.
    mode: str = ""
    #: Whether it is said to be none (of a group: or left as it is); None where that cannot be said.
    unset: bool | None = None
    #: Whether it holds a secret, which is never shown again.
    secret: bool = False
    #: Whether that secret was given when the job that is run again was started.
    was_given: bool = False
    #: Whether its value was entered for the job that is run again, even if it is the default.
    given: bool = False
    #: The zone of a moment: of a place, or an offset. Empty for what has no zone.
    zone: str = ""
    #: The zone in which moments are shown that have one.
    place_zone: str = UTC
    #: The moment as it was before it was shown in a zone.
    was: str = ""
    #: What names it in errors, beside its key.
    aliases: frozenset[str] = frozenset()
    fields: list[Field] = field(default_factory=list)
    rows: list[Field] = field(default_factory=list)
    #: The name that a row of a mapping has.
    entry: str = ""
    #: The field as it was before a value was shown that asks for another control.
    usual: Field | None = None
    make_row: Callable[[str], Field] | None = None

    @property
    def id(self) -> str:
        """The id of its control."""
        return f"field-{self.name}"

    @property
    def when_empty(self) -> str:
        """The value of an empty control, in words, where nobody would guess it."""
        if self.empty == "none" and self.default.value not in (None, ABSENT):
            return "None"
        if self.empty != "default" or self.widget in ("checkbox", "select", "fixed"):
            return ""
        shown = self.default.value
        is_simple = isinstance(shown, str | int | float) and not isinstance(shown, bool)
        return f"Default: {shown}" if is_simple and shown != "" else "Default"

    def about(self, what: str) -> str:
        """Return the name under which the form says something of this field."""
        return f"{ABOUT}{what}.{self.name}"


def fields_of(
    model: type[BaseModel], *, taken: Collection[str] = (), zone: str = UTC
) -> list[Field]:
    """Return the fields of a model; names that are `taken` in the form get a prefix.

    Moments that have a zone are shown in `zone`.
    """
    reserved = TAKEN | frozenset(taken)

    def named(key: str) -> str:
        return f"{PREFIX}{key}" if key in reserved else key

    return _fields(model, named, Place(trail=(model,), zone=zone))


def _fields(model: type[BaseModel], named: Callable[[str], str], place: Place) -> list[Field]:
    within = replace(place, strips=bool(model.model_config.get("str_strip_whitespace")))
    found = [_field(info, key, named(key), within) for key, info in model.model_fields.items()]
    for each in found:
        each.sent_as = _key_sent(model, each.key)
    if model.model_config.get("extra") == "allow":
        found.append(further(named(EXTRA)))
    return [each for each in found if each.widget != NOT_ASKED]


def further(name: str = EXTRA) -> Field:
    """Return the field for what is said beside the fields of a model."""
    help_ = "What else there is to say, as a JSON object."
    return Field(
        name=name, key=EXTRA, label="Further fields", widget="json", reads="json", help=help_,
        default=Default(exists=True, value={}), empty="default",
    )  # fmt: skip


def _field(info: FieldInfo, key: str, name: str, place: Place) -> Field:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    if extra.get("widget") == NOT_ASKED:
        return Field(name=name, label="", widget=NOT_ASKED)
    label = info.title or key.replace("_", " ").strip().capitalize()
    made = make_field(kind_of(info.annotation, tuple(info.metadata)), name, label, place)
    made.key, made.help = key, info.description or made.help
    made.aliases = frozenset(_aliases(info))
    made.default = _default(made, info)
    if widget := extra.get("widget"):
        made.widget = str(widget)
    if "accept" in extra:
        made.attrs["accept"] = extra["accept"]
    return _completed(made)


def _default(made: Field, info: FieldInfo) -> Default:
    default = default_of(info)
    if made.secret and default.value is not None:
        return Default(exists=default.exists)
    if is_json_text(made.kind) and default.value not in (None, ABSENT):
        return Default(exists=True, value=json.dumps(default.value))
    return default


def reads_more(model: type[BaseModel]) -> bool:
    """Return whether a validator sees all that is given, also what is no field."""
    found = model.__pydantic_decorators__.model_validators.values()
    return any(each.info.mode in ("before", "wrap") for each in found)


def make_field(kind: Kind, name: str, label: str, place: Place) -> Field:
    """Return the field for a value of this kind, with no default."""
    widget, reads = widget_of(kind, place)
    made = Field(name=name, label=label, widget=widget, kind=kind, reads=reads)
    made.place_zone = place.zone
    made.attrs = attributes_of(kind, widget, strips=place.strips)
    made.secret = widget not in NESTED and holds_secret(kind)
    if widget in ("select", "multiselect"):
        offered = choices_of(kind if widget == "select" else kind.item or kind)
        made.choices = [(each.key, each.label) for each in offered]
        made.meanings = {each.key: each.value for each in offered}
    if widget == "group":
        within = replace(place, trail=(*place.trail, kind.type))
        made.fields = _fields(kind.type, lambda key: f"{name}.{key}", within)
    item = _row_kind(kind)
    if item is not None and widget in (*NESTED, "lines", "multiselect"):
        made.make_row = _row_maker(item, made, place)
    if widget == "datetime" and kind.type is AwareDatetime:
        made.zone = place.zone
    if help_ := HELP.get(widget if reads == "text" else reads):
        made.help = help_
    return _completed(made)


def _row_kind(kind: Kind) -> Kind | None:
    is_dict = kind.origin in DICTS and len(kind.arguments) == 2
    return kind_of(kind.arguments[1]) if is_dict else kind.item


def _row_maker(item: Kind, of: Field, place: Place) -> Callable[[str], Field]:
    """Return a function that makes a row; in a list of texts, a row may be an empty text."""

    def make(index: str) -> Field:
        made = make_field(item, f"{of.name}.{index}", _noun(item, of.label), place)
        if made.widget in ("text", "textarea") and made.empty == "missing":
            made.empty, made.required = "exact", False
        return made

    return make


def _noun(item: Kind, label: str) -> str:
    if not is_class(item.type, BaseModel):
        return label
    title = item.type.model_config.get("title")
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", item.type.__name__).replace("_", " ").strip()
    return title or words.capitalize()


def _completed(made: Field) -> Field:
    """Set what depends on the default, once there is one."""
    is_open = made.kind.nullable or (made.default.exists and made.default.value in (None, ABSENT))
    if made.widget == "checkbox" and is_open:
        made.widget = "select"
        made.choices, made.meanings = list(YES_NO), {"true": True, "false": False}
    made.empty = _emptiness(made)
    made.required = made.empty == "missing" and made.widget not in ("checkbox", "fixed", *NESTED)
    if made.widget == "group":
        made.unset = True if made.empty in ("none", "default") else None
    elif made.kind.nullable and made.empty in ("default", "exact"):
        made.unset = False
    if made.widget == "select":
        made.choices = _with_empty(made)
    return made


def _emptiness(made: Field) -> str:
    default = made.default
    if default.exists and default.value is ABSENT:
        return "default"
    if made.kind.nullable:
        return "none"
    if made.widget in ("lines", "multiselect", "rows", "pairs"):
        return "default" if default.exists and default.value is None else "exact"
    if made.widget == "group":
        return "default" if default.exists and default.value is None else "missing"
    if not default.exists:
        return "missing"
    is_text = made.kind.type is str and isinstance(default.value, str)
    return "exact" if is_text and made.widget not in ("select", "file") else "default"


def _with_empty(made: Field) -> list[tuple[str, str]]:
    """The choices, with an empty one where nothing is chosen yet, or nothing may be chosen."""
    offered = [each for each in made.choices if each[0]]
    if made.empty == "none":
        return [("", "–"), *offered]  # noqa: RUF001 - "no choice"
    if made.empty == "missing":
        return [("", "Choose…"), *offered]
    shown = made.default.value in (None, ABSENT)
    return [("", "Default"), *offered] if shown else offered


def _key_sent(model: type[BaseModel], key: str) -> str:
    """The alias, unless the model takes names: what its author wrote may look for it there."""
    info, config = model.model_fields.get(key), model.model_config
    if info is None or config.get("populate_by_name") or config.get("validate_by_name"):
        return key
    said = info.validation_alias
    choices = said.choices if isinstance(said, AliasChoices) else [said]
    return next((each for each in choices if isinstance(each, str)), key)


def _aliases(info: FieldInfo) -> list[str]:
    """The names by which errors may call it."""
    said = [info.alias, info.validation_alias]
    if isinstance(info.validation_alias, AliasChoices):
        said += info.validation_alias.choices
    paths = [each.path[0] for each in said if isinstance(each, AliasPath)]
    return [str(each) for each in (*said, *paths) if isinstance(each, str)]


def is_set(made: Field) -> bool:
    """Return whether the order of its items means nothing."""
    return made.kind.origin in SETS
