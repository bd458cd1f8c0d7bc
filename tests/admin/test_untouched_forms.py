"""A form that nobody touched gives the model's defaults, or the values that it was shown."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import uuid
from pathlib import Path
from typing import Any, Literal, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FutureDate,
    NaiveDatetime,
    PastDatetime,
    RootModel,
    create_model,
)

from app.admin.defaults import as_json
from app.admin.display import sent_by
from app.admin.form import Form, form_for, values_of

Sent = dict[str, list[str]]


class Level(enum.IntEnum):
    """An enum of numbers."""

    LOW = 1
    HIGH = 2


class Mixed(enum.Enum):
    """An enum of all sorts of values."""

    TEXT = "1"
    NUMBER = 1.5
    YES = True
    NOTHING = None
    EMPTY = ""


class Access(enum.IntFlag):
    """A flag."""

    READ = 1
    WRITE = 2


class Server(BaseModel):
    """A model within a model."""

    model_config = ConfigDict(frozen=True)

    host: str = "localhost"
    port: int = 80
    tags: tuple[str, ...] = ()
    is_on: bool = False
    note: str | None = None


class Node(BaseModel):
    """A model within itself."""

    name: str = ""
    children: list[Node] = Field(default_factory=list)


class Names(RootModel[list[str]]):
    """A list with a name of its own."""


class Loose(BaseModel):
    """A model that takes more than its fields."""

    model_config = ConfigDict(extra="allow")

    a: int = 1


def sent(form: Form) -> Sent:
    """What a browser sends of the form."""
    found: Sent = {}
    for each in form.fields:
        found |= sent_by(each)
    return found


def read(model: type[BaseModel], values: dict[str, Any], *, strict: bool | None = None) -> Any:
    """What a task sees of these values."""
    return model.model_validate_json(json.dumps(values), strict=strict, by_alias=True, by_name=True)


# Each kind of field, with how its values are made.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
HARD = st.sampled_from(["", " ", " a ", "a\nb", "\n", "a,b", "\r", "1", "true", "null", '"', "ä"])
ANY_TEXT = TEXTS | HARD
FLOATS = st.floats(allow_nan=False)
DAYS = st.dates(datetime.date(1, 1, 2), datetime.date(9999, 12, 30))
NAIVE = st.datetimes()
OFFSETS = st.integers(-14 * 60, 14 * 60).map(
    lambda m: datetime.timezone(datetime.timedelta(minutes=m))
)
AWARE = st.datetimes(
    datetime.datetime(2, 1, 1),  # noqa: DTZ001
    datetime.datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=OFFSETS,
)
SERVERS = st.builds(
    Server, host=ANY_TEXT, port=st.integers(), tags=st.lists(ANY_TEXT, max_size=3).map(tuple),
    is_on=st.booleans(), note=st.none() | ANY_TEXT,
)  # fmt: skip
NODES = st.recursive(
    st.builds(Node, name=ANY_TEXT),
    lambda inner: st.builds(Node, name=ANY_TEXT, children=st.lists(inner, max_size=2)),
    max_leaves=8,
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ANY_TEXT, inner, max_size=2),
    max_leaves=5,
)
KINDS: dict[Any, st.SearchStrategy[Any]] = {
    str: ANY_TEXT,
    int: st.integers(),
    float: FLOATS,
    bool: st.booleans(),
    decimal.Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    datetime.date: DAYS,
    datetime.datetime: NAIVE | AWARE,
    AwareDatetime: AWARE,
    NaiveDatetime: NAIVE,
    PastDatetime: st.just(datetime.datetime(2020, 1, 2, 3, 4, 5)),  # noqa: DTZ001
    FutureDate: st.just(datetime.date(2999, 1, 1)),
    datetime.time: st.times(),
    datetime.timedelta: st.timedeltas(
        datetime.timedelta(days=-9999), datetime.timedelta(days=9999)
    ),
    bytes: ANY_TEXT.map(str.encode),
    uuid.UUID: st.uuids(),
    Path: st.sampled_from([Path("/srv"), Path(), Path("a b")]),
    Level: st.sampled_from(Level),
    Mixed: st.sampled_from(Mixed),
    Access: st.sampled_from([Access.READ, Access.READ | Access.WRITE]),
    Literal[1, "1", True, "", "b"]: st.sampled_from([1, "1", True, "", "b"]),
    int | str: st.integers() | ANY_TEXT,
    bool | Literal["auto"]: st.booleans() | st.just("auto"),
    Any: JSON,
    list[str]: st.lists(ANY_TEXT, max_size=3),
    list[int]: st.lists(st.integers(), max_size=3),
    list[float]: st.lists(FLOATS, max_size=3),
    list[bool]: st.lists(st.booleans(), max_size=3),
    list[Level]: st.lists(st.sampled_from(Level), max_size=3),
    list[int | str]: st.lists(st.integers() | ANY_TEXT, max_size=3),
    list[str | None]: st.lists(st.none() | ANY_TEXT, max_size=3),
    list[datetime.date]: st.lists(DAYS, max_size=2),
    list[list[str]]: st.lists(st.lists(ANY_TEXT, max_size=2), max_size=2),
    set[str]: st.sets(ANY_TEXT, max_size=3),
    frozenset[Level]: st.frozensets(st.sampled_from(Level)),
    tuple[int, str]: st.tuples(st.integers(), ANY_TEXT),
    tuple[int, ...]: st.lists(st.integers(), max_size=3).map(tuple),
    dict[str, int]: st.dictionaries(ANY_TEXT, st.integers(), max_size=3),
    dict[str, Server]: st.dictionaries(ANY_TEXT, SERVERS, max_size=2),
    Server: SERVERS,
    list[Server]: st.lists(SERVERS, max_size=2),
    set[Server]: st.sets(SERVERS, max_size=2),
    Node: NODES,
    Names: st.lists(ANY_TEXT, max_size=3).map(Names),
    Loose: st.builds(Loose, a=st.integers(), more=JSON),
}  # fmt: skip


@st.composite
def fields(draw: st.DrawFn) -> tuple[Any, Any]:
    """A type, maybe optional, and one of its values."""
    kind = draw(st.sampled_from(list(KINDS)))
    if draw(st.booleans()):
        # JSON has one null: a member that is None cannot be told from none at all.
        values = KINDS[kind].filter(lambda value: value is not Mixed.NOTHING)
        return kind | None if kind is not Any else Any, draw(st.none() | values)
    return kind, draw(KINDS[kind])


@st.composite
def models(draw: st.DrawFn) -> type[BaseModel]:
    """A model with a default for each field."""
    drawn = draw(st.lists(fields(), min_size=1, max_size=4))
    made: Any = {f"f{i}": each for i, each in enumerate(drawn)}
    return cast(type[BaseModel], create_model("Model", **made))


SLOW = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@SLOW
@given(models())
def test_a_form_that_nobody_touched_gives_the_defaults(model: type[BaseModel]) -> None:
    values = values_of(model, sent(form_for(model)))
    assert values == {}
    assert read(model, values) == model()


@SLOW
@given(fields())
def test_what_is_shown_and_not_touched_stays_as_it_is(field: tuple[Any, Any]) -> None:
    kind, value = field
    for default in (..., None):
        model = create_model("Model", it=(kind, default))
        form = form_for(model)
        form.show({"it": as_json(value)})
        values = values_of(model, sent(form))
        assert equal(read(model, values).it, value), values


@SLOW
@given(models())
def test_what_was_not_entered_is_shown_as_its_default_again(model: type[BaseModel]) -> None:
    form = form_for(model)
    form.show({})
    assert sent(form) == sent(form_for(model))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """A type with two of its values."""
    kind = draw(st.sampled_from(list(KINDS)))
    values = KINDS[kind].filter(lambda value: value is not Mixed.NOTHING) | st.none()
    return (Any if kind is Any else kind | None), draw(values), draw(values)


@SLOW
@given(pairs())
def test_a_value_is_shown_whatever_the_default_looks_like(pair: tuple[Any, Any, Any]) -> None:
    kind, default, value = pair
    model = create_model("Model", it=(kind, default))
    form = form_for(model)
    form.show({"it": as_json(value)})
    assert equal(read(model, values_of(model, sent(form))).it, value)


@SLOW
@given(fields())
def test_what_was_written_is_shown_and_read_again(field: tuple[Any, Any]) -> None:
    kind, value = field
    model = create_model("Model", it=(kind, ...))
    form = form_for(model)
    form.show({"it": as_json(value)})
    again = form_for(model)
    again.fill(sent(form))
    assert values_of(model, sent(again)) == values_of(model, sent(form))


def equal(one: Any, other: Any) -> bool:
    """Whether they are the same, of the same types."""
    return repr(one) == repr(other) or (type(one) is type(other) and one == other)
