"""What can be stored comes back as it was; what cannot is refused with a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from app.jobs.errors import ValueNotStorable
from app.jobs.values import (
    MASK,
    SECRET,
    TEXT_LIMIT,
    decode,
    encode,
    encode_fields,
    encode_object,
    join_object,
    mask_secrets,
    reveal_secrets,
    storable_text,
)

LIMIT = 10_000
texts = some.text(some.characters(exclude_characters="\0", exclude_categories=["Cs"]))
plain = some.none() | some.booleans() | some.integers() | texts
numbers = some.floats(allow_nan=False, allow_infinity=False)
values = some.recursive(
    plain | numbers,
    lambda inner: some.lists(inner) | some.dictionaries(texts, inner),
    max_leaves=20,
)
anything = some.recursive(
    plain | some.floats() | some.text() | some.binary() | some.just({1}),
    lambda inner: some.lists(inner) | some.dictionaries(some.text() | some.integers(), inner),
    max_leaves=20,
)


def encoded(value: Any) -> tuple[str, str]:
    """The JSON text of a value, or why there is none."""
    try:
        return encode(value, "thing", LIMIT), ""
    except ValueNotStorable as error:
        return "", str(error)


@given(values)
def test_what_is_stored_comes_back(value: Any) -> None:
    assert decode(encode(value, "value", 10**6)) == value


@given(anything)
@example({"\0": 1})
@example("\\u0000")
@example("\ud800")
@example(10**5000)
def test_a_value_is_stored_whole_or_refused_with_a_sentence(value: Any) -> None:
    text, refusal = encoded(value)
    if refusal:
        assert refusal.startswith("The thing ")
        assert refusal.endswith(".")
    else:
        assert len(text.encode()) <= LIMIT


def test_a_backslash_and_a_code_are_no_nul() -> None:
    assert decode(encode("\\u0000", "x", 99)) == "\\u0000"
    assert decode(encode({"a": ["\\u0000", 1]}, "x", 99)) == {"a": ["\\u0000", 1]}


def nested(levels: int, innermost: object) -> Any:
    for _ in range(levels):
        innermost = [innermost]
    return innermost


@pytest.mark.parametrize("innermost", [1, "\\u0000"])
@pytest.mark.parametrize("levels", [1, 200, 201, 900, 5_000])
def test_depth_is_stored_or_refused(levels: int, innermost: object) -> None:
    text, refusal = encoded(nested(levels, innermost))
    assert ("nested too deeply" in refusal) == (levels > 200)
    if not refusal:
        assert decode(text) == nested(levels, innermost)


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueNotStorable, match=r"x (cannot be stored|is nested)"):
        encode(loop, "x", LIMIT)


@pytest.mark.parametrize(("text", "size"), [("x" * 8, 10), ("ä" * 4, 10), ("€", 5)])
def test_size_is_counted_in_bytes(text: str, size: int) -> None:
    assert encode(text, "x", size)
    with pytest.raises(ValueNotStorable, match=f"takes {size} bytes as JSON, and the limit is"):
        encode(text, "x", size - 1)


@given(some.dictionaries(texts, values, max_size=4))
def test_fields_make_the_object_that_they_are_of(fields: dict[str, Any]) -> None:
    assert decode(join_object(encode_fields(fields, "state", 10**6))) == fields


@pytest.mark.parametrize("value", [None, [], "x", 1, {1: 2}, {None: 1}])
def test_only_an_object_with_text_keys_is_one(value: Any) -> None:
    with pytest.raises(ValueNotStorable, match="must be an object with text keys"):
        encode_object(value, "state", LIMIT)


@given(some.text())
def test_any_text_can_be_made_storable(text: str) -> None:
    kept = storable_text(text)
    assert "\0" not in kept
    kept.encode()
    if "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text):
        assert kept == text


def test_a_long_text_keeps_both_its_ends() -> None:
    kept = storable_text("a" * TEXT_LIMIT + "b" * 12_345)
    assert kept.startswith("aaa")
    assert kept.endswith("bbb")
    assert "… 12,345 characters left out …" in kept
    assert storable_text("a" * TEXT_LIMIT) == "a" * TEXT_LIMIT


@given(values)
def test_what_has_no_secrets_is_shown_as_it_is(value: Any) -> None:
    if SECRET not in repr(value):
        assert mask_secrets(value) == reveal_secrets(value) == value


def test_secrets_are_masked_and_revealed_at_any_depth() -> None:
    value = {"a": [{"b": {SECRET: "hush"}}, {SECRET: None}], SECRET: 1}
    assert mask_secrets(value) == {"a": [{"b": MASK}, MASK], SECRET: 1}
    assert reveal_secrets(value) == {"a": [{"b": "hush"}, None], SECRET: 1}


def test_nothing_decodes_to_nothing() -> None:
    assert decode(None) is None
