"""Params as they were entered, to be entered again: no secrets, and files by their names.

A job keeps them beside what its model made of them: a validator that multiplies would multiply its
own result at each Run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.fields import FieldInfo

from app.jobs.params.types import SECRET_TYPES, hints_of, holds, unwrapped
from app.jobs.params.validation import is_json
from app.jobs.params.writer import NotStorable, ParamWriter
from app.jobs.uploads import UploadedFile, uploads_in
from app.jobs.values import FILE, SECRET, readable

HIDDEN: Final = {SECRET: None}


def entered_params(
    model: type[BaseModel] | None, given: Mapping[str, Any] | BaseModel, params: Any
) -> dict[str, Any]:
    """Return what was given for params as JSON: secrets left out, files by the names in their job.

    `params` is what the model made of it. What no JSON can be made of is left out.
    """
    writer = ParamWriter(model)
    names = dict(uploads_in(params))
    found = {}
    for key, value in dict(given).items():
        annotation = Any if model is None else _annotation_of(model, str(key))
        try:
            plain = value if is_json(value) else readable(writer.value(value))
        except (NotStorable, RecursionError):
            continue
        found[str(key)] = _hide(annotation, plain, names)
    return found if model else _hide_marked(found)


def _annotation_of(model: type[BaseModel], key: str) -> Any:
    """Return the annotation of the field that a name or an alias means; Any for none."""
    for name, info in model.model_fields.items():
        if key == name or key in aliases_of(info):
            return info.annotation
    return Any


def aliases_of(info: FieldInfo) -> set[str]:
    """Return the keys by which a field may be given, besides its name."""
    return {each for alias in (info.alias, info.validation_alias) for each in _keys(alias)}


def _keys(alias: str | AliasPath | AliasChoices | None) -> list[str]:
    if isinstance(alias, AliasChoices):
        return [key for each in alias.choices for key in _keys(each)]
    if isinstance(alias, AliasPath):
        return [str(alias.path[0])]
    return [] if alias is None else [alias]


def _is_secret(kind: type) -> bool:
    return issubclass(kind, SECRET_TYPES)


def _is_marked(kind: type) -> bool:
    return _is_secret(kind) or kind is UploadedFile


def _hide(annotation: Any, value: Any, names: Mapping[int, str]) -> Any:
    """Return a value without the secrets that its annotation has, and with its files by name."""
    annotation = unwrapped(annotation)
    if isinstance(value, UploadedFile):
        return _file(value.id, value.name, names)
    if value is None or not holds(annotation, _is_marked):
        return value
    kinds = [annotation]
    if get_origin(annotation) in (Union, UnionType):
        kinds = [unwrapped(each) for each in get_args(annotation)]
    # Which of several it is, the model knows: what any of them would hide is hidden.
    for kind in [each for each in kinds if _may_mean(each, value)] or kinds:
        value = _hide_one(kind, value, names)
    return value


def _hide_one(kind: Any, value: Any, names: Mapping[int, str]) -> Any:
    if not holds(kind, _is_marked):
        return value
    if kind is UploadedFile:
        return _file(value, value, names)
    if isinstance(value, dict) and _is_object(kind):
        return {key: _hide(_within(kind, key), each, names) for key, each in value.items()}
    if isinstance(value, list) and _is_list(kind):
        kinds = [each for each in get_args(kind) if each is not Ellipsis]
        kinds += kinds[-1:] * (len(value) - len(kinds))
        return [_hide(each, item, names) for each, item in zip(kinds, value, strict=False)]
    # A secret, or of another shape: a validator may take it apart, and find a secret.
    return HIDDEN if holds(kind, _is_secret) else value


def _may_mean(kind: Any, value: Any) -> bool:
    if isinstance(value, dict):
        return _is_object(kind)
    return _is_list(kind) if isinstance(value, list) else not (_is_object(kind) or _is_list(kind))


def _is_object(kind: Any) -> bool:
    if kind is UploadedFile:  # which is a number where it is entered
        return False
    origin = get_origin(kind)
    is_mapping = isinstance(origin, type) and issubclass(origin, Mapping)
    return is_mapping or bool(hints_of(kind) or hints_of(origin))


def _is_list(kind: Any) -> bool:
    return isinstance(get_origin(kind), type) and not _is_object(kind) and bool(get_args(kind))


def _within(kind: Any, key: str) -> Any:
    """Return the annotation that an object has for one of its keys; Any for none."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _annotation_of(kind, key)
    fields = hints_of(kind) or hints_of(get_origin(kind))
    return fields.get(key, Any) if fields else get_args(kind)[-1]


def _file(given: Any, value: Any, names: Mapping[int, str]) -> Any:
    number = int(given) if isinstance(given, int) or str(given).isdecimal() else 0
    return {FILE: {"name": names[number]}} if number in names else value


def _hide_marked(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {SECRET}:
            return HIDDEN
        return {key: _hide_marked(each) for key, each in value.items()}
    return [_hide_marked(each) for each in value] if isinstance(value, list) else value
