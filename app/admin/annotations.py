"""Read type annotations: which type a field is of, whether it may be None, what constrains it."""

from __future__ import annotations

import collections
import collections.abc
import types
import typing
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, NewType, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, RootModel, TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType

#: Types whose JSON is a list.
LISTS = (
    list, set, tuple, frozenset, collections.deque, collections.abc.Sequence,
    collections.abc.Iterable, collections.abc.Collection, collections.abc.MutableSequence,
    collections.abc.Set, collections.abc.MutableSet,
)  # fmt: skip
SETS = (set, frozenset, collections.abc.Set, collections.abc.MutableSet)
#: Types whose JSON is an object.
DICTS = (
    dict, collections.OrderedDict, collections.defaultdict, collections.Counter,
    collections.abc.Mapping, collections.abc.MutableMapping,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A type without Annotated, aliases and `| None`, and all that was said around it."""

    type: Any
    nullable: bool = False
    metadata: tuple[Any, ...] = ()

    @property
    def origin(self) -> Any:
        """`list` for `list[int]` and for `list`."""
        return get_origin(self.type) or self.type

    @property
    def arguments(self) -> tuple[Any, ...]:
        """`(int,)` for `list[int]`."""
        return get_args(self.type)

    @property
    def members(self) -> list[Kind]:
        """The kinds of a union; of anything else itself."""
        if self.origin not in (Union, types.UnionType):
            return [self]
        return [kind_of(each) for each in self.arguments]

    @property
    def item(self) -> Kind | None:
        """The kind of each item of a list of any length; None when there is no such kind."""
        if self.origin not in LISTS or not self.arguments:
            return None
        if self.origin is tuple and (len(self.arguments) != 2 or self.arguments[1] is not ...):
            return None
        return kind_of(self.arguments[0])


def kind_of(annotation: Any, metadata: tuple[Any, ...] = ()) -> Kind:
    """Return the kind of an annotation; `metadata` is what was said of it elsewhere."""
    nullable, found = False, metadata
    while True:
        inner, more, is_optional = _unwrapped(annotation)
        found, nullable = (*found, *more), nullable or is_optional
        if inner is annotation:
            return Kind(type=annotation, nullable=nullable, metadata=found)
        annotation = inner


def is_class(kind: Any, base: type | tuple[type, ...]) -> bool:
    """Return whether it is a class below this one; a generic alias is none."""
    return isinstance(kind, type) and not get_args(kind) and issubclass(kind, base)


def is_secret(kind: Any) -> bool:
    """Return whether values of this type hide what they hold (SecretStr and its like)."""
    return hasattr(get_origin(kind) or kind, "get_secret_value")


def holds_secret(kind: Kind, seen: frozenset[Any] = frozenset()) -> bool:
    """Return whether there may be a secret anywhere within values of this kind."""
    if is_secret(kind.type):
        return True
    if is_class(kind.type, BaseModel):
        if kind.type in seen:
            return False
        inner = [kind_of(info.annotation) for info in kind.type.model_fields.values()]
        return any(holds_secret(each, seen | {kind.type}) for each in inner)
    named = _named_types(kind.type) if kind.type not in seen else []
    inner = [kind_of(each) for each in (*kind.arguments, *named) if each is not ...]
    return any(holds_secret(each, seen | {kind.type}) for each in inner if _is_type(each.type))


@cache
def only_instances(kind: Any) -> bool:
    """Return whether nothing that can be written as JSON is of this type."""
    if get_origin(kind) is collections.abc.Callable or kind in (collections.abc.Callable, type):
        return True
    if not isinstance(kind, type):
        return False
    try:
        schema = TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True)).core_schema
    except PydanticUserError:  # it has a configuration of its own
        return False
    return schema["type"] in ("is-instance", "callable")


def _named_types(kind: Any) -> list[Any]:
    """The types of what a dataclass, a TypedDict or a NamedTuple holds."""
    if not isinstance(kind, type) or not getattr(kind, "__annotations__", None):
        return []
    try:
        return list(typing.get_type_hints(kind, include_extras=True).values())
    except (NameError, TypeError):
        return []


def _is_type(kind: Any) -> bool:
    return isinstance(kind, type) or get_origin(kind) is not None


def _unwrapped(annotation: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """One layer less: the type within, what was said of it, and whether it may be None."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return arguments[0], _flat(arguments[1:]), False
    if origin in (Union, types.UnionType) or origin is Literal:
        return _without_none(annotation)
    if is_class(annotation, RootModel):
        info = annotation.model_fields["root"]
        return info.annotation, tuple(info.metadata), False
    return _renamed(annotation), (), False


def _without_none(annotation: Any) -> tuple[Any, tuple[Any, ...], bool]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    some = tuple(each for each in arguments if each not in (None, type(None)))
    if len(some) == len(arguments) or not some:
        return annotation, (), False
    if origin is Literal:
        return Literal[some], (), True
    return Union[some], (), True  # noqa: UP007 - made of a tuple


def _renamed(annotation: Any) -> Any:
    """The type that an alias, a NewType or a type variable stands for."""
    origin = get_origin(annotation)
    if isinstance(annotation, _ALIASES):
        return annotation.__value__
    if isinstance(origin, _ALIASES):
        return origin.__value__[get_args(annotation)]
    if isinstance(annotation, NewType):
        return annotation.__supertype__
    if isinstance(annotation, TypeVar):
        return annotation.__bound__ or Any
    return annotation


#: typing's own from Python 3.12 on, which typing_extensions hands on, and what it offers before.
_ALIASES = tuple({TypeAliasType, getattr(typing, "TypeAliasType", TypeAliasType)})


def _flat(metadata: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return metadata with each Field() replaced by its own metadata."""
    found: list[Any] = []
    for each in metadata:
        found += each.metadata if isinstance(each, FieldInfo) else [each]
    return tuple(found)
