"""Params that cannot be stored are refused at the start; those that can are restored whole."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, Field, PrivateAttr, RootModel, field_validator
from pydantic_core import PydanticSerializationError, core_schema

from app.jobs import Handler
from app.jobs.errors import InvalidParams, StoredParamsOutdated
from tests.jobs.conftest import Engines
from tests.jobs.params.test_what_is_accepted import Server, engine_of, ran, times_ten


class Client:
    """What cannot be stored."""


def _made(value: Any) -> AfterValidator:
    return AfterValidator(lambda _: value)


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[Any, _made(Client())],
        Annotated[Any, _made([{"a": Client()}])],
        Annotated[Any, _made(Server(host="not named"))],
        Annotated[Any, _made(lambda: 1)],
        Annotated[Any, _made(iter([1]))],
        Annotated[Any, _made(defaultdict(lambda: 3))],
        Annotated[Any, _made(re.compile(b"x"))],
    ],
)
def test_what_cannot_be_stored_is_refused_in_a_sentence(engines: Engines, annotation: Any) -> None:
    class Odd(BaseModel):
        odd: annotation = None

        @field_validator("odd", mode="before")
        @classmethod
        def _any(cls, value: Any) -> Any:
            return value

    engine, _ = engine_of(engines, Odd)
    for way in (engine.start, engine.preview):
        with pytest.raises(InvalidParams) as refusal:
            way("work", {"odd": 1})
        ((said,),) = refusal.value.fields.values()
        assert refusal.value.fields.keys() == {"odd"}
        assert "It holds" in said
    assert engine.jobs() == []


def test_what_holds_itself_is_refused(engines: Engines) -> None:
    endless: list[Any] = []
    endless.append(endless)
    engine, _ = engine_of(engines, None)
    with pytest.raises(Exception, match="contains itself"):
        engine.start("work", {"a": endless})


class Name:
    """A type of its author that knows how it is read and written."""

    end = ""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Name) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Read a text, and write it."""
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls(value.strip() + cls.end),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda name: name.text),
        )


class Longer(Name):
    """One that reads something else than it has written."""

    end = "!"


def test_a_type_of_its_author_is_stored_if_it_reads_what_it_writes(engines: Engines) -> None:
    class Named(BaseModel):
        name: Name

    class Growing(BaseModel):
        name: Longer

    engine, seen = engine_of(engines, Named)
    assert ran(engine, seen, {"name": " anna "}).name == Name("anna")
    engine, _ = engine_of(engines, Growing)
    with pytest.raises(InvalidParams, match="It holds a Longer, which cannot be stored"):
        engine.start("work", {"name": "anna"})


def test_a_root_model_may_be_a_field(engines: Engines) -> None:
    class Names(RootModel[dict[str, Annotated[int, times_ten]]]):
        pass

    class Named(BaseModel):
        names: Names

    engine, seen = engine_of(engines, Named)
    assert ran(engine, seen, {"names": {"a": 1}}).names.root == {"a": 10}
    assert engine.job(engine.jobs()[0].id).params == {"names": {"a": 10}}


def test_a_subclass_that_the_model_took_comes_back_as_one(engines: Engines) -> None:
    class Wide(Server):
        lanes: int = 2

    class Road(BaseModel):
        server: Server

    engine, seen = engine_of(engines, Road)
    got = ran(engine, seen, {"server": Wide(host="a", lanes=3)})
    assert type(got.server) is Wide
    assert got.server.lanes == 3


def test_a_field_that_a_newer_handler_has_gets_its_default() -> None:
    class Old(BaseModel):
        a: int

    class New(BaseModel):
        a: int
        b: list[int] = Field(default_factory=lambda data: [data["a"]])

    class Newer(New):
        c: int

    stored = '{"a":1}'
    assert Handler(name="x", run=print, params=Old).dump_params(Old(a=1)) == {"a": 1}
    assert Handler(name="x", run=print, params=New).load_params(stored) == New(a=1, b=[1])
    with pytest.raises(StoredParamsOutdated, match="'c'"):
        Handler(name="x", run=print, params=Newer).load_params(stored)


def test_a_private_attribute_that_cannot_be_stored_is_made_anew(engines: Engines) -> None:
    class Connected(BaseModel):
        _client: Client = PrivateAttr(default_factory=Client)
        _count: int = PrivateAttr(default=1)

        def model_post_init(self, context: Any, /) -> None:
            self._count = 5

    engine, seen = engine_of(engines, Connected)
    got = ran(engine, seen, {})
    assert type(got._client) is Client
    assert got._count == 5


def test_serializers_of_the_author_have_no_part_in_it(engines: Engines) -> None:
    class Stubborn(BaseModel):
        a: int = 1

        def model_dump(self, **_: Any) -> dict[str, Any]:
            raise PydanticSerializationError("never")

    engine, seen = engine_of(engines, Stubborn)
    assert ran(engine, seen, {"a": 2}).a == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"a": "x\0"}, "has a NUL character"),
        ({"a": "\ud800"}, "half of a surrogate pair"),
        ({"a": [["\udfff"]], "b": 1}, "half of a surrogate pair"),
        ({"b": -1}, "has a NUL character"),
        ({"a": "long" * 300_000}, "the limit is"),
    ],
)
def test_what_no_database_keeps_is_refused_beside_its_field(
    engines: Engines, given: Any, said: str
) -> None:
    class Params(BaseModel):
        a: Any = None
        b: Annotated[int, AfterValidator(lambda value: value if value > 0 else "\0")] = 1

    engine, _ = engine_of(engines, Params)
    for way in (engine.start, engine.preview):
        with pytest.raises(InvalidParams, match=said) as refusal:
            way("work", given)
        assert refusal.value.fields.keys() == {next(iter(given))}
