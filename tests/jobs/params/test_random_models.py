"""Models of random fields: a task sees what the model made of the input, at each Run again."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections import deque
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, SecretStr, create_model
from pydantic_core import PydanticSerializationError, to_jsonable_python

from app.jobs import Handler
from app.jobs.errors import InvalidParams
from app.jobs.params import entered_params, validate_params
from app.jobs.values import mask_secrets


class Colour(enum.Enum):
    """An enum of several types."""

    RED = "red"
    TWO = 2


class Inner(BaseModel):
    """A nested model, which changes what it is given."""

    n: int = 1
    note: str | None = None

    def model_post_init(self, context: Any, /) -> None:
        """Change a field, so that to run again would change it again."""
        self.n += 1


def _changed(value: Any) -> Any:
    """What a validator of its author makes of a value: something else, each time it runs."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value * 3 + 1
    if isinstance(value, str):
        return f"{value}!"
    if isinstance(value, list):
        return [*value, *value[:1]]
    return value


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
times = st.datetimes(timezones=st.sampled_from([None, dt.UTC]))
#: Types with what may be given for them, as Python's values.
LEAVES: list[tuple[Any, Any]] = [
    (int, st.integers()),
    (str, texts),
    (bool, st.booleans()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bytes, st.binary(max_size=5)),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (dt.date, st.dates()),
    (dt.datetime, times),
    (dt.time, st.times()),
    (dt.timedelta, st.timedeltas()),
    (UUID, st.uuids()),
    (Colour, st.sampled_from(Colour)),
    (Literal["a", 1, None], st.sampled_from(["a", 1, None])),
    (Inner, st.fixed_dictionaries({}, optional={"n": st.integers(), "note": texts})),
    (Any, st.recursive(texts | st.integers(), lambda each: st.dictionaries(texts, each))),
]
PLAIN = [pair for pair in LEAVES if pair[0] not in (Any, Inner)]


def _containers(pair: Any) -> Any:
    kind: Any
    kind, values = pair
    made = [
        (list[kind], st.lists(values, max_size=3)),
        (tuple[kind, ...], st.lists(values, max_size=3).map(tuple)),
        (tuple[kind, int], st.tuples(values, st.integers())),
        (deque[kind], st.lists(values, max_size=3).map(deque)),
        (dict[str, kind], st.dictionaries(texts, values, max_size=3)),
        (Optional[kind], values | st.none()),  # noqa: UP045 - kind is a value here
    ]
    if any(kind is each for each, _ in PLAIN):
        made += [
            (set[kind], st.sets(values, max_size=3)),
            (frozenset[kind], st.frozensets(values, max_size=3)),
            (dict[kind, int], st.dictionaries(values, st.integers(), max_size=3)),
        ]
    return st.sampled_from(made)


kinds = st.recursive(st.sampled_from(LEAVES), lambda each: each.flatmap(_containers), max_leaves=3)


@st.composite
def models(draw: st.DrawFn) -> tuple[type[BaseModel], dict[str, Any]]:
    """A model, and values that it may be given."""
    fields: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1, max_size=4)):
        kind, some = draw(kinds)
        value = draw(some)
        if draw(st.booleans()):
            kind = Annotated[kind, AfterValidator(_changed)]
        if draw(st.booleans()):
            fields[name] = (kind, value)
        else:
            fields[name] = (kind, ...)
            values[name] = value
    fields["token"] = (SecretStr, SecretStr(draw(texts)))
    return create_model("Random", **fields), values


@settings(max_examples=300, deadline=None)
@given(models())
def test_the_task_sees_what_the_model_made_of_it(made: tuple[type[BaseModel], Any]) -> None:
    model, values = made
    handler = Handler(name="random", run=print, params=model)
    before = handler.validate_params(values)
    after = handler.load_params(json.dumps(handler.dump_params(before)))
    # Sets may say themselves in another order; as they are stored, they do not.
    assert handler.dump_params(after) == handler.dump_params(before)
    assert after == before
    assert after.model_fields_set == before.model_fields_set
    assert all(type(getattr(after, n)) is type(getattr(before, n)) for n in model.model_fields)


@settings(max_examples=150, deadline=None)
@given(models())
def test_what_was_entered_as_json_makes_the_same_again(made: tuple[type[BaseModel], Any]) -> None:
    model, values = made
    try:
        given = to_jsonable_python(values)
        first = validate_params(model, given, {})
    except (InvalidParams, PydanticSerializationError, UnicodeDecodeError):
        reject()  # values that no JSON says, such as bytes that are no text
    latest = first
    for _ in range(3):
        entered = mask_secrets(entered_params(model, given, latest))
        assert entered == given
        latest = validate_params(model, entered, {})
        assert latest == first
