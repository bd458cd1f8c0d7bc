"""Types within the annotations of a model: which classes its values may be instances of."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, TypeGuard, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.types import Secret

SECRET_TYPES = (SecretStr, SecretBytes, Secret)


@cache
def classes_in(model: type) -> Mapping[str, type]:
    """Return every class that the model's annotations reach, by a name that is its alone.

    Subclasses are included: pydantic keeps an instance of one as it is.
    """
    found: dict[str, type] = {}
    for each in _reached(model):
        name = each.__qualname__
        if found.get(name, each) is not each:
            name = f"{each.__module__}.{name}"
        while found.get(name, each) is not each:
            name += "'"
        found[name] = each
    return found


def is_named_tuple(kind: Any) -> TypeGuard[type[tuple[Any, ...]]]:
    """Tell whether a class is a NamedTuple."""
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def is_typed_dict(kind: Any) -> bool:
    """Tell whether a class is a TypedDict."""
    return isinstance(kind, type) and issubclass(kind, dict) and hasattr(kind, "__total__")


def hints_of(kind: Any) -> Mapping[str, Any]:
    """Return the annotations of a model, dataclass, NamedTuple or TypedDict, by field."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: info.annotation for name, info in kind.model_fields.items()}
    if not (dataclasses.is_dataclass(kind) or is_named_tuple(kind) or is_typed_dict(kind)):
        return {}
    try:
        return get_type_hints(kind, include_extras=True)
    except (NameError, TypeError):  # names that only its author's type checker can see
        return {}


def unwrapped(annotation: Any) -> Any:
    """Return an annotation without Annotated and without the names that stand for others."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__value__"):  # type Alias = ...
            annotation = annotation.__value__
        elif hasattr(get_origin(annotation), "__value__"):  # Alias[int]
            annotation = get_origin(annotation).__value__[get_args(annotation)]
        else:
            return annotation


def holds(annotation: Any, wanted: Callable[[type], bool]) -> bool:
    """Tell whether a value of this annotation may hold an instance of a wanted class."""
    return any(wanted(each) for each in _reached(annotation))


def _reached(annotation: Any) -> Iterator[type]:
    """Yield each class that an annotation reaches, itself first, each once."""
    seen: set[Any] = set()
    waiting: list[Any] = [annotation]
    while waiting:
        each = unwrapped(waiting.pop(0))
        try:
            if each in seen:
                continue
            seen.add(each)
        except TypeError:  # some metadata cannot be hashed, and is no class either
            continue
        if isinstance(each, type) and get_origin(each) is None:
            yield each
        waiting += _inside(each)


def _inside(annotation: Any) -> Iterable[Any]:
    if isinstance(annotation, TypeVar):
        return [annotation.__bound__, *annotation.__constraints__]
    if get_origin(annotation) is Literal:
        return [type(each) for each in get_args(annotation)]
    inner = [get_origin(annotation), *_flat(get_args(annotation)), *hints_of(annotation).values()]
    if isinstance(annotation, type) and _may_be_subclassed(annotation):
        inner += annotation.__subclasses__()
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        inner += _undeclared(annotation)
    return [each for each in inner if each is not None]


def _flat(arguments: Iterable[Any]) -> Iterator[Any]:
    for each in arguments:
        yield from _flat(each) if isinstance(each, list | tuple) else [each]


def _may_be_subclassed(kind: type) -> bool:
    own = kind is not BaseModel and issubclass(kind, BaseModel)
    return own or dataclasses.is_dataclass(kind) or issubclass(kind, enum.Enum)


def _undeclared(model: type[BaseModel]) -> list[Any]:
    """Return the annotations of fields that are extra, and of private attributes."""
    names = {"__pydantic_extra__", *model.__private_attributes__}
    try:
        hints = get_type_hints(model, include_extras=True)
    except (NameError, TypeError):
        return []
    return [hint for name, hint in hints.items() if name in names]
