"""Write params as JSON, so that the task gets the values that the model made of the input (Y2).

To dump a model and validate the dump is no identity: validators run twice, excluded and computed
fields differ, times are past meanwhile. So each value is written by its own type, not by the
model's serializers, and restored as unpickling does it, without any of its author's code.

    {"folder": "/srv/in", "since": {"$is": "date", "$value": "2026-01-31"}, "$set": ["folder"]}

A key with a `$` is never the author's: `$is` names a type, `$value` or `$pairs` is what a person
reads, `$set`, `$extra` and `$private` are what a model knows beside its fields. Secrets and files
keep the marks that app.jobs.values knows.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, RootModel, SecretBytes, SecretStr, TypeAdapter
from pydantic.fields import ModelPrivateAttr
from pydantic.types import Secret
from pydantic_core import PydanticUndefined

from app.jobs.errors import InvalidParams
from app.jobs.params.leaves import LEAVES, dump_bytes
from app.jobs.params.marks import EXCLUDED, EXTRA, FACTORIES, IS, MAPPINGS, PRIVATE, SEQUENCES, SET
from app.jobs.params.members import json_of
from app.jobs.params.types import classes_in, is_named_tuple
from app.jobs.uploads import UploadedFile
from app.jobs.values import FILE, MASK, PAIRS, SECRET, VALUE


class NotStorable(Exception):
    """A value that no JSON can be made of; the text says where it is and what it is."""


class ParamWriter:
    """Writes the params of one handler as JSON. `model` None: they are a plain dict."""

    def __init__(self, model: type[BaseModel] | None) -> None:
        self._model = model
        self._classes: Mapping[str, type] = classes_in(model) if model else {}

    def write(self, params: Any) -> dict[str, Any]:
        """Return params as a JSON object; raise InvalidParams, a sentence a field that cannot be.

        `params` are an instance of the model, or a dict where there is none.
        """
        if not isinstance(params, BaseModel):
            written = self._each_field(params)
            return written if not any(key[:1] == "$" for key in written) else self._dict(params)
        if type(params) is not self._model:
            made = type(params).__name__
            said = f"The model made a {made} of them, which is another model than its handler's."
            raise InvalidParams({"": [said]})
        fields = {name: vars(params)[name] for name in self._stored_fields(params)}
        return self._each_field(fields) | self._beside(params)

    def value(self, value: Any) -> Any:
        """Return one value as JSON, in the form that write() has; raise NotStorable."""
        kind = type(value)
        if value is None or kind in (str, bool, int) or (kind is float and math.isfinite(value)):
            return value
        if kind is list:
            return [self.value(each) for each in value]
        if kind is dict:
            return self._dict(value)
        if kind in LEAVES:
            return _leaf(value)
        for wanted, write in self._writers():
            if isinstance(value, wanted):
                return write(value)
        return self._instance(value)

    def _stored_fields(self, model: BaseModel) -> list[str]:
        """Return the fields to store: all but untouched defaults that cannot be, such as `len`.

        The task gets that very default again.
        """
        return [
            name
            for name in _fields_of(model)
            if not _is_untouched(model, name) or self._is_storable(vars(model)[name])
        ]

    def _is_storable(self, value: Any) -> bool:
        try:
            self.value(value)
        except NotStorable:
            return False
        return True

    def _each_field(self, fields: Mapping[Any, Any]) -> dict[str, Any]:
        written, wrong = {}, {}
        for name, value in fields.items():
            try:
                written[name] = self.value(value)
            except NotStorable as error:
                wrong[str(name)] = [f"{error}."]
            except RecursionError:
                wrong[str(name)] = ["It is nested too deeply, or contains itself."]
        if wrong:
            raise InvalidParams(wrong)
        return written

    def _writers(self) -> list[tuple[Any, Callable[[Any], Any]]]:
        return [
            (SecretStr, _secret_text),
            (SecretBytes, _secret_bytes),
            (Secret, self._secret),
            (UploadedFile, lambda value: {FILE: value.stored()}),
            (enum.Enum, self._enum),
            (BaseModel, self._nested),
            (tuple(SEQUENCES.values()), self._sequence),
            (dict, self._mapping),
        ]

    def _dict(self, value: Mapping[Any, Any]) -> dict[str, Any]:
        is_marked = self._model is None and value.keys() == {SECRET}
        if is_marked or all(type(key) is str and key[:1] != "$" for key in value):
            return {key: self.value(each) for key, each in value.items()}
        return {IS: "dict", PAIRS: self._pairs(value)}

    def _pairs(self, value: Mapping[Any, Any]) -> list[list[Any]]:
        return [[self.value(key), self.value(each)] for key, each in value.items()]

    def _secret(self, value: Secret[Any]) -> dict[str, Any]:
        written = self.value(value.get_secret_value())
        return {IS: self._name_of(type(value)), VALUE: {SECRET: written}}

    def _enum(self, value: enum.Enum) -> dict[str, Any]:
        # Several flags together have no name of their own.
        has_name = type(value).__members__.get(value.name) is value
        name = {"$name": value.name} if has_name else {}
        return {IS: self._name_of(type(value)), VALUE: json_of(value), **name}

    def _nested(self, value: BaseModel) -> dict[str, Any]:
        fields = {name: self.value(vars(value)[name]) for name in self._stored_fields(value)}
        if isinstance(value, RootModel):
            fields = {VALUE: fields["root"]}
        return {IS: self._name_of(type(value)), **fields, **self._beside(value)}

    def _sequence(self, value: Any) -> Any:
        items = [self.value(each) for each in value]
        if is_named_tuple(type(value)):
            return {IS: self._name_of(type(value)), VALUE: items}
        if type(value) not in SEQUENCES.values():
            return self._instance(value)
        if isinstance(value, set | frozenset):
            items.sort(key=lambda item: json.dumps(item, sort_keys=True))
        length = {"$maxlen": value.maxlen} if type(value) is collections.deque else {}
        return {IS: type(value).__name__, VALUE: items, **length}

    def _mapping(self, value: Mapping[Any, Any]) -> Any:
        if type(value) in MAPPINGS.values():
            return {IS: type(value).__name__, PAIRS: self._pairs(value)}
        if type(value) is not collections.defaultdict:
            return self._instance(value)
        made_by = value.default_factory
        if made_by is not None and made_by not in FACTORIES.values():
            raise NotStorable("It holds a defaultdict whose values are made by code; use a dict")
        named = {} if made_by is None else {"$factory": getattr(made_by, "__name__", "")}
        return {IS: "defaultdict", PAIRS: self._pairs(value), **named}

    def _instance(self, value: Any) -> dict[str, Any]:
        name = self._name_of(type(value))
        if dataclasses.is_dataclass(value):
            fields = [each.name for each in dataclasses.fields(value)]
            return {IS: name} | {each: self.value(getattr(value, each)) for each in fields}
        return {IS: name, VALUE: self._by_its_own_schema(value)}

    def _by_its_own_schema(self, value: Any) -> Any:
        """Return JSON by which the value's class makes an equal one; else raise NotStorable."""
        cannot = NotStorable(
            f"It holds a {type(value).__name__}, which cannot be stored; let the model make text, "
            "numbers, times, lists, dicts, enums, dataclasses or models of it"
        )
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(type(value))
            written = adapter.dump_python(value, mode="json")
            again = adapter.validate_python(written)
            is_same = type(again) is type(value) and bool(again == value)
        except Exception:  # noqa: BLE001 - whatever its author's class raises
            raise cannot from None
        if not is_same:
            raise cannot
        return self.value(written)

    def _name_of(self, kind: type) -> str:
        for name, each in self._classes.items():
            if each is kind:
                return name
        raise NotStorable(
            f"It holds a {kind.__name__}, which the model does not name; annotate the field with it"
        )

    def _beside(self, model: BaseModel) -> dict[str, Any]:
        """Return what a model knows beside its fields, as far as it is not the usual."""
        beside: dict[str, Any] = {}
        if model.model_fields_set != type(model).model_fields.keys():
            beside[SET] = sorted(model.model_fields_set)
        if excluded := [name for name in _fields_of(model) if _is_excluded(model, name)]:
            beside[EXCLUDED] = excluded
        if model.model_extra:
            beside[EXTRA] = self._pairs(model.model_extra)
        if private := self._private_of(model):
            beside[PRIVATE] = private
        return beside

    def _private_of(self, model: BaseModel) -> dict[str, Any]:
        """Return the private attributes; one that cannot be stored gets its default again."""
        written = {}
        for name, value in (model.__pydantic_private__ or {}).items():
            try:
                written[name] = self.value(value)
            except NotStorable:
                declared = type(model).__private_attributes__.get(name)
                if declared is None or not _has_default(declared):
                    raise
        return written


def _has_default(declared: ModelPrivateAttr) -> bool:
    return bool(declared.default_factory) or declared.default is not PydanticUndefined


def _fields_of(model: BaseModel) -> list[str]:
    return [name for name in type(model).model_fields if name in vars(model)]


def _is_untouched(model: BaseModel, name: str) -> bool:
    is_default = vars(model)[name] is type(model).model_fields[name].default
    return is_default and name not in model.model_fields_set


def _is_excluded(model: BaseModel, name: str) -> bool:
    info = type(model).model_fields[name]
    return bool(info.exclude or (info.exclude_if and info.exclude_if(vars(model)[name])))


def _leaf(value: Any) -> dict[str, Any]:
    leaf = LEAVES[type(value)]
    try:
        return {IS: leaf.name, **leaf.dump(value)}
    except (TypeError, ValueError) as error:
        raise NotStorable(f"It holds {error}, which cannot be stored") from None


def _secret_text(value: SecretStr) -> dict[str, Any]:
    if value.get_secret_value() == MASK:
        raise NotStorable("The dots only stand for a secret; enter the secret itself")
    return {SECRET: value.get_secret_value()}


def _secret_bytes(value: SecretBytes) -> dict[str, Any]:
    return {IS: SecretBytes.__name__, VALUE: {SECRET: dump_bytes(value.get_secret_value())}}
