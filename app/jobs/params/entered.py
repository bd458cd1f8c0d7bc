"""Params as they were entered, to be entered again: no secrets, and files by their names.

A job keeps them beside what its model made of them: a validator that multiplies would multiply its
own result at each Run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from app.jobs.params.marks import MADE
from app.jobs.params.parts import (
    fields_in,
    is_list,
    is_object,
    items_in,
    kinds_of,
    may_mean,
)
from app.jobs.params.types import SECRET_TYPES, holds, unwrapped
from app.jobs.params.validation import is_json
from app.jobs.params.writer import NotStorable, ParamWriter
from app.jobs.uploads import UploadedFile, uploads_in
from app.jobs.values import FILE, HIDDEN, SECRET, mask_values, readable, secrets_in


def entered_params(
    model: type[BaseModel] | None, given: Mapping[str, Any] | BaseModel, params: Any
) -> dict[str, Any]:
    """Return what was given for params as JSON: secrets left out, files by the names in their job.

    Values stand under the names of the model's fields, whatever alias they were given by. `params`
    is what the model made of it. What no JSON can be made of is left out. `$made` lists the fields
    that were given as values of Python, from whose JSON the model may make something else.
    """
    writer = ParamWriter(model)
    plain = {}
    for key, value in _said(given).items():
        try:
            plain[str(key)] = value if is_json(value) else readable(writer.value(value))
        except (NotStorable, RecursionError):
            continue
    if model is None:
        return {key: _hide_marked(value) for key, value in plain.items()}
    entered = _Hiding(writer, params).object(model, plain)
    is_made = isinstance(given, BaseModel) or not is_json(dict(given))
    made = sorted(entered.keys() & model.model_fields.keys()) if is_made else []
    return entered | ({MADE: made} if made else {})


def _said(given: Mapping[str, Any] | BaseModel) -> dict[str, Any]:
    """Return what was given; of an instance only the fields that are no defaults."""
    if not isinstance(given, BaseModel):
        return dict(given)
    kept = given.model_fields_set | (given.model_extra or {}).keys()
    return {name: value for name, value in given if name in kept}


class _Hiding:
    """Leaves the secrets out of what was given for one job."""

    def __init__(self, writer: ParamWriter, params: Any) -> None:
        self._writer = writer
        self._params = params
        self._files = dict(uploads_in(params))

    def any(self, annotation: Any, value: Any) -> Any:
        """Return a value without the secrets of its annotation, and with its files by name."""
        annotation = unwrapped(annotation)
        if isinstance(value, UploadedFile):
            return self._file(value.id, value.name)
        if value is None:
            return value
        kinds = kinds_of(annotation)
        # Which of several it is, the model knows: what any of them would hide is hidden.
        meant = [each for each in kinds if may_mean(each, value)] or kinds
        for kind in meant:
            if len(meant) == 1 or holds(kind, _is_marked):
                value = self._one(kind, value)
        return value

    def object(self, kind: Any, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return an object of this kind without its secrets."""
        return {
            key: self._unknown(kind, each) if hint is Any else self.any(hint, each)
            for key, hint, each in fields_in(kind, value)
        }

    def _one(self, kind: Any, value: Any) -> Any:
        if kind is UploadedFile:
            return self._file(value, value)
        if isinstance(value, dict) and is_object(kind):
            return self.object(kind, value)
        if isinstance(value, list) and is_list(kind):
            return [self.any(each, item) for each, item in items_in(kind, value)]
        # A secret, or of another shape: a validator may take it apart, and find a secret.
        return HIDDEN if holds(kind, _is_secret) else value

    def _unknown(self, kind: Any, value: Any) -> Any:
        """Return what no field reads, unless a validator has found a secret in it."""
        if value in (None, "") or not holds(kind, _is_secret):
            return value
        return value if mask_values(value, self._secrets) == value else HIDDEN

    @cached_property
    def _secrets(self) -> tuple[str, ...]:
        return secrets_in(self._writer.write(self._params))

    def _file(self, given: Any, value: Any) -> Any:
        number = int(given) if isinstance(given, int) or str(given).isdecimal() else 0
        return {FILE: {"name": self._files[number]}} if number in self._files else value


def _is_secret(kind: type) -> bool:
    return issubclass(kind, SECRET_TYPES)


def _is_marked(kind: type) -> bool:
    return _is_secret(kind) or kind is UploadedFile


def _hide_marked(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {SECRET}:
            return HIDDEN
        return {key: _hide_marked(each) for key, each in value.items()}
    return [_hide_marked(each) for each in value] if isinstance(value, list) else value
