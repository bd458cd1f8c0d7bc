"""Name the parts of what is given for params, and find the annotation of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.fields import FieldInfo

from app.jobs.params.types import hints_of, unwrapped
from app.jobs.uploads import UploadedFile

_NOTHING: Final = object()


def by_field_names(model: type[BaseModel], given: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what is given under the names of the model's fields, whatever alias it came by.

    As pydantic reads it: an alias counts before the name. What no field reads keeps its key.
    """
    found: dict[str, Any] = {}
    read: set[Any] = set()
    for name, info in model.model_fields.items():
        paths: list[list[str | int]] = [*aliases_of(info), [name]]
        for path in paths:
            value = _at(given, path)
            if value is not _NOTHING and name not in found:
                found[name] = value
            read.add(path[0])
    return found | {str(key): value for key, value in given.items() if key not in read}


def aliases_of(info: FieldInfo) -> list[list[str | int]]:
    """Return the paths by which a field may be given besides its name, the first one first."""
    paths = [path for alias in (info.validation_alias, info.alias) for path in _paths(alias)]
    return [path for index, path in enumerate(paths) if path not in paths[:index]]


def kinds_of(annotation: Any) -> list[Any]:
    """Return the annotations of which a value is one: the members of a union, or itself."""
    annotation = unwrapped(annotation)
    if get_origin(annotation) in (Union, UnionType):
        return [kind for each in get_args(annotation) for kind in kinds_of(each)]
    return [annotation]


def may_mean(kind: Any, value: Any) -> bool:
    """Tell whether JSON of this shape may be meant for a value of this kind."""
    if isinstance(value, dict):
        return is_object(kind)
    return is_list(kind) if isinstance(value, list) else not (is_object(kind) or is_list(kind))


def is_object(kind: Any) -> bool:
    """Tell whether the JSON of this kind is an object."""
    if kind is UploadedFile:  # which is a number where it is entered
        return False
    origin = get_origin(kind)
    is_mapping = isinstance(origin, type) and issubclass(origin, Mapping)
    return is_mapping or bool(hints_of(kind) or hints_of(origin))


def is_list(kind: Any) -> bool:
    """Tell whether the JSON of this kind is a list."""
    return isinstance(get_origin(kind), type) and not is_object(kind) and bool(get_args(kind))


def fields_in(kind: Any, value: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield key, annotation and value of all that an object holds, models' fields by name."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        value = by_field_names(kind, value)
    fields = hints_of(kind) or hints_of(get_origin(kind))
    for key, each in value.items():
        yield key, fields.get(key, Any) if fields else get_args(kind)[-1], each


def items_in(kind: Any, value: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield annotation and value of each item of a list."""
    kinds = [each for each in get_args(kind) if each is not Ellipsis]
    kinds += kinds[-1:] * (len(value) - len(kinds))
    yield from zip(kinds, value, strict=False)


def _paths(alias: str | AliasPath | AliasChoices | None) -> list[list[str | int]]:
    if isinstance(alias, AliasChoices):
        return [path for each in alias.choices for path in _paths(each)]
    if isinstance(alias, AliasPath):
        return [list(alias.path)]
    return [] if alias is None else [[alias]]


def _at(given: Any, path: list[str | int]) -> Any:
    for part in path:
        try:
            given = given[part] if isinstance(given, dict | list) or part == path[0] else _NOTHING
        except (KeyError, IndexError, TypeError):
            return _NOTHING
    return given
