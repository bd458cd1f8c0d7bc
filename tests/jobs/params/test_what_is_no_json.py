"""Choices and defaults that no JSON is equal to, and what of them a form can say again (Y2)."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, SecretStr

from app.jobs.errors import InvalidParams
from tests.jobs.conftest import Engines
from tests.jobs.params.test_what_is_accepted import (
    Level,
    Pair,
    Params,
    engine_of,
    ran,
    same,
    times_ten,
)


class Day(enum.Enum):
    """An enum of what is no JSON, either."""

    FIRST = dt.date(2026, 1, 1)
    SECOND = dt.date(2026, 1, 2)


class Chosen(BaseModel):
    """Choices that no JSON is equal to."""

    pair: Pair | None = None
    day: Day = Day.FIRST
    days: list[Day] = []
    named: Literal[Day.FIRST, Day.SECOND] = Day.FIRST
    raw: Literal[b"a", b"b"] = b"a"
    by_name: dict[str, Pair | int] = {}
    amount: Annotated[int, times_ten] = 1


def test_members_are_chosen_by_the_json_of_their_values(engines: Engines) -> None:
    engine, seen = engine_of(engines, Chosen)
    given = {
        "pair": [1, 2], "day": "2026-01-02", "days": ["2026-01-01", "2026-01-02"],
        "named": "2026-01-02", "raw": "b", "by_name": {"a": [1, 2], "b": 3}, "amount": 5,
    }  # fmt: skip
    wanted = Chosen(
        pair=Pair.LEFT, day=Day.SECOND, days=[Day.FIRST, Day.SECOND], named=Day.SECOND, raw=b"b",
        by_name={"a": Pair.LEFT, "b": 3}, amount=5,
    )  # fmt: skip
    assert same(ran(engine, seen, given), wanted)
    again = engine.job(engine.jobs()[0].id).input
    assert same(ran(engine, seen, again), wanted)
    assert same(ran(engine, seen, {"pair": Pair.LEFT}), Chosen(pair=Pair.LEFT))
    assert engine.job(engine.jobs()[0].id).input == {"pair": [1, 2], "$made": ["pair"]}
    with pytest.raises(InvalidParams) as refusal:
        engine.start("work", {"pair": [1, 3], "day": "2026-01-02"})
    assert refusal.value.fields.keys() == {"pair"}


def test_a_default_that_cannot_be_stored_is_there_again_untouched(engines: Engines) -> None:
    class Inner(BaseModel):
        measure: Callable[[Any], int] = len

    class Params(BaseModel):
        kind: type[int] = int
        inner: Inner = Inner()

    engine, seen = engine_of(engines, Params)
    assert same(ran(engine, seen, {}), Params())
    assert same(ran(engine, seen, {"inner": {}}), Params(inner=Inner()))
    with pytest.raises(InvalidParams):
        engine.start("work", Params(kind=bool))


made: Any = Params


@pytest.mark.parametrize(
    ("given", "lost"),
    [
        (made(amount=3), {"amount", "anything"}),
        (
            made(raw=b"\xff", path=Path("a"), token=SecretStr("hush"), tags={"a"}),
            {"anything", "raw"},
        ),
        ({"amount": 3, "day": dt.date(2026, 1, 2), "price": Decimal("1.50")}, set()),
        ({"anything": (1, 2), "level": Level.HIGH, "key_bytes": b"hush"}, {"anything"}),
        ({"amount": 3, "raw": "hush"}, set()),
        ({"zone": ZoneInfo("UTC"), "reNamed": 3}, set()),
    ],
)
def test_params_that_no_form_can_say_are_known(engines: Engines, given: Any, lost: Any) -> None:
    engine, _ = engine_of(engines, Params)
    assert engine.not_enterable(engine.start("work", given)) == lost


def test_params_without_a_model_keep_their_types_too(engines: Engines) -> None:
    engine, seen = engine_of(engines, None)
    given = {"a": (1, 2), "b": {1: dt.date(2026, 1, 1)}, "c": {"$is": "x"}, "$d": b"\xff"}
    assert ran(engine, seen, given) == given
    assert engine.job(engine.jobs()[0].id).params == {
        "a": [1, 2], "b": {"1": "2026-01-01"}, "c": {"$is": "x"}, "$d": "/w==",
    }  # fmt: skip
