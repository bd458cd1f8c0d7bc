"""Read stored params, without any of their author's code: nothing is validated again (Y2)."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import enum
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, RootModel, SecretBytes, SecretStr, TypeAdapter
from pydantic.types import Secret

from app.jobs.errors import StoredParamsOutdated
from app.jobs.params.leaves import BY_NAME, load_bytes
from app.jobs.params.marks import EXTRA, FACTORIES, IS, MAPPINGS, PRIVATE, SEQUENCES, SET
from app.jobs.params.types import classes_in, is_named_tuple
from app.jobs.uploads import UploadedFile
from app.jobs.values import FILE, PAIRS, SECRET, VALUE


class ParamReader:
    """Reads the params of one handler from JSON. `model` None: they are a plain dict."""

    def __init__(self, model: type[BaseModel] | None) -> None:
        self._model = model
        self._classes: Mapping[str, type] = classes_in(model) if model else {}

    def read(self, stored: Mapping[str, Any]) -> Any:
        """Return what was written; raise StoredParamsOutdated if the code knows it no more."""
        with _telling_of_other_code():
            if self._model is None:
                return self._value(stored)
            return self._model_of(self._model, stored)

    def _value(self, stored: Any) -> Any:
        if isinstance(stored, list):
            return [self._value(each) for each in stored]
        if not isinstance(stored, dict):
            return stored
        if stored.keys() == {SECRET}:
            return SecretStr(stored[SECRET]) if self._model else self._value(stored[SECRET])
        if stored.keys() == {FILE}:
            return UploadedFile.restored(stored[FILE])
        if IS not in stored:
            return {key: self._value(each) for key, each in stored.items()}
        return self._typed(stored[IS], stored)

    def _typed(self, name: str, stored: Mapping[str, Any]) -> Any:
        if name in BY_NAME:
            return BY_NAME[name].load(stored)
        if name in SEQUENCES or name in MAPPINGS or name == "defaultdict":
            return self._container(name, stored)
        if name == SecretBytes.__name__:
            return SecretBytes(load_bytes(stored[VALUE][SECRET]))
        return self._instance(self._classes[name], stored)

    def _container(self, name: str, stored: Mapping[str, Any]) -> Any:
        if name == "deque":
            return collections.deque(self._value(stored[VALUE]), stored["$maxlen"])
        if name in SEQUENCES:
            return SEQUENCES[name](self._value(stored[VALUE]))
        pairs = [(self._value(key), self._value(each)) for key, each in stored[PAIRS]]
        if name == "defaultdict":
            return collections.defaultdict(FACTORIES.get(stored.get("$factory", "")), pairs)
        return MAPPINGS[name](dict(pairs))

    def _instance(self, kind: type, stored: Mapping[str, Any]) -> Any:
        if issubclass(kind, BaseModel):
            return self._model_of(kind, stored)
        if issubclass(kind, enum.Enum):
            return kind[stored["$name"]] if "$name" in stored else kind(stored[VALUE])
        if issubclass(kind, Secret):
            return kind(self._value(stored[VALUE][SECRET]))
        if is_named_tuple(kind):
            return tuple.__new__(kind, self._value(stored[VALUE]))
        if dataclasses.is_dataclass(kind):
            return self._dataclass_of(kind, stored)
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        return adapter.validate_python(self._value(stored[VALUE]))

    def _dataclass_of(self, kind: type[Any], stored: Mapping[str, Any]) -> Any:
        made = object.__new__(kind)
        for field in dataclasses.fields(kind):
            object.__setattr__(made, field.name, self._value(stored[field.name]))
        return made

    def _model_of(self, kind: type[BaseModel], stored: Mapping[str, Any]) -> BaseModel:
        if issubclass(kind, RootModel):
            stored = {"root": stored[VALUE], **stored}
        made = kind.__new__(kind)
        fields: dict[str, Any] = {}
        for name, info in kind.model_fields.items():
            if name in stored:
                fields[name] = self._value(stored[name])
            elif info.is_required():
                raise KeyError(name)
            else:
                fields[name] = info.get_default(call_default_factory=True, validated_data=fields)
        private = self._value(stored.get(PRIVATE, {}))
        for name, declared in kind.__private_attributes__.items():
            if name not in private:
                made_with = {"call_default_factory": True, "validated_data": fields | private}
                private[name] = declared.get_default(**made_with)
        extra = {self._value(key): self._value(each) for key, each in stored.get(EXTRA, [])}
        state = {
            "__dict__": fields,
            "__pydantic_fields_set__": set(stored.get(SET, kind.model_fields)),
            "__pydantic_extra__": extra if kind.model_config.get("extra") == "allow" else None,
            "__pydantic_private__": private if kind.__private_attributes__ else None,
        }
        BaseModel.__setstate__(made, state)
        return made


@contextlib.contextmanager
def _telling_of_other_code() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoredParamsOutdated(f"{type(error).__name__}: {error}") from error
