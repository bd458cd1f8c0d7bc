"""A form from a model: which field asks for what, and what its answers become."""

from __future__ import annotations

import datetime
import decimal
import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    Field,
    SecretBytes,
    SecretStr,
    ValidationError,
    create_model,
    model_validator,
)

from app.admin import form
from app.admin.display import sent_by
from app.admin.form import form_for, values_of
from tests.outside.kinds import Color, Everything


class Level(enum.IntEnum):
    """An enum of numbers."""

    LOW = 1
    HIGH = 2


class Point(BaseModel):
    """A model inside of a model."""

    x: int = 0


def field_for(kind: Any, default: Any = ...) -> form.Field:
    """The field for a param of this type."""
    (found,) = form_for(create_model("Model", it=(kind, default))).fields
    return found


def read(kind: Any, *said: str, default: Any = ...) -> Any:
    """What a param of this type is once the form was sent."""
    model = create_model("Model", it=(kind, default))
    checked = model.model_validate(values_of(model, {"it": said} if said else {}))
    return checked.it  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "widget"),
    [
        (str, "text"), (int, "number"), (float, "number"), (bool, "checkbox"),
        (Literal["a", "b"], "select"), (Color, "select"), (list[Color], "multiselect"),
        (set[Literal["a", "b"]], "multiselect"), (list[str], "lines"), (list[int], "lines"),
        (tuple[float, ...], "lines"), (list[Point], "rows"), (dict[str, int], "json"),
        (dict, "json"), (Point, "group"), (dict[str, Point], "pairs"),
        (datetime.date, "date"), (datetime.time, "time"),
        (datetime.datetime, "datetime"), (SecretStr, "password"), (Path, "text"),
        (SecretBytes, "password"),
        (decimal.Decimal, "text"), (int | None, "number"), (Annotated[int, "x"], "number"),
        (Annotated[int | None, "x"], "number"), (int | str, "text"),
    ],
)  # fmt: skip
def test_each_type_has_its_widget(kind: Any, widget: str) -> None:
    assert field_for(kind).widget == widget


@pytest.mark.parametrize(
    ("kind", "said", "value"),
    [
        (str, "x", "x"), (int, "7", 7), (float, "0.5", 0.5), (Literal["a", "b"], "b", "b"),
        (Literal[1, 2], "2", 2), (Color, "r", Color.DARK_RED), (Level, "2", Level.HIGH),
        (list[str], "a\r\n\r\n b ", ["a", " b "]), (list[int], "1\n2", [1, 2]),
        (dict[str, int], '{"a": 1}', {"a": 1}), (Point, '{"x": 3}', Point(x=3)),
        (datetime.date, "2026-11-21", datetime.date(2026, 11, 21)),
        (datetime.time, "08:30", datetime.time(8, 30)),
        (bool, "true", True), (bool, "on", True), (bool, "false", False), (bool, "", False),
        (Path, "/srv", Path("/srv")), (int | None, "7", 7), (int | None, "", None),
        (str | None, "", None), (Literal["a"] | None, "", None), (SecretStr | None, "", None),
    ],
)  # fmt: skip
def test_what_is_sent_becomes_the_type(kind: Any, said: str, value: Any) -> None:
    assert read(kind, said, default=None if value is None else ...) == value


@pytest.mark.parametrize("kind", [list[Color], list[Literal[1, 2]], set[Level]])
def test_several_can_be_chosen(kind: Any) -> None:
    offered = [value for value, _ in field_for(kind).choices]
    assert len(read(kind, *offered)) == 2


def test_what_is_not_ticked_or_chosen_is_left_out_by_a_browser() -> None:
    assert read(bool, default=True) is False
    assert read(list[Color], default=[Color.GREEN]) == []


@pytest.mark.parametrize(
    ("kind", "default"), [(int, 3), (float, 0.5), (datetime.date, datetime.date(2026, 1, 2))]
)
def test_what_is_left_empty_has_its_default(kind: Any, default: Any) -> None:
    assert read(kind, "", default=default) == default
    assert read(kind, default=default) == default


def test_a_text_can_be_emptied() -> None:
    assert read(str, "", default="as it was") == ""


def test_what_is_required_and_left_empty_is_asked_for() -> None:
    for kind in (str, int, Literal["a", "b"], datetime.date, SecretStr, Point):
        with pytest.raises(ValidationError, match="Field required"):
            read(kind, "")


def test_what_is_no_json_is_for_the_model_to_refuse() -> None:
    with pytest.raises(ValidationError):
        read(dict[str, int], "{")


def test_a_field_says_what_the_model_says_of_it() -> None:
    text, count, ratio = form_for(Everything).fields[:3]
    assert (text.label, text.help, text.required) == ("Text", "Small letters", True)
    assert text.attrs == {"minlength": 2, "maxlength": 8, "pattern": "^[a-z]+$"}
    assert (count.value, count.attrs) == (3, {"min": 1, "max": 9, "step": 1})
    assert (ratio.value, ratio.attrs) == (0.5, {})


def test_the_model_may_ask_for_another_label_or_widget() -> None:
    kind = Annotated[str, Field(title="Your story", json_schema_extra={"widget": "textarea"})]
    found = field_for(kind)
    assert (found.label, found.widget) == ("Your story", "textarea")


def test_a_choice_that_may_be_left_open_offers_that() -> None:
    assert [value for value, _ in field_for(Color | None, None).choices] == ["", "r", "g"]
    assert field_for(Color).choices == [("", "Choose…"), ("r", "Dark red"), ("g", "Green")]
    assert field_for(Color, Color.GREEN).choices == [("r", "Dark red"), ("g", "Green")]


@pytest.mark.parametrize(
    ("kind", "default", "shown"),
    [
        (Color, Color.GREEN, "g"), (list[Color], [Color.GREEN], ["g"]), (list[int], [1, 2], "1\n2"),
        (SecretStr, SecretStr("x"), None),
        (dict[str, int], {"a": 1}, '{\n  "a": 1\n}'), (str | None, None, None), (bool, True, True),
    ],
)  # fmt: skip
def test_a_default_is_shown_as_it_would_be_written(kind: Any, default: Any, shown: Any) -> None:
    assert field_for(kind, default).value == shown


def test_a_default_that_is_made_is_shown_too() -> None:
    assert form_for(Everything).fields[6].value == ["g"]


def filled(submitted: Mapping[str, Sequence[str]], *, whole: bool) -> dict[str, Any]:
    """What each field shows, once filled in."""
    made = form_for(Everything)
    made.fill(submitted, whole=whole)
    return {each.name: each.value for each in made.fields}


def test_what_was_written_is_shown_again() -> None:
    shown = filled({"count": ["many"], "colors": ["r", "g"], "agree": ["true"]}, whole=True)
    assert (shown["count"], shown["colors"], shown["agree"]) == ("many", ["r", "g"], True)
    assert shown["ratio"] == 0.5


def test_a_whole_form_without_a_choice_is_shown_without_it() -> None:
    assert not filled({"text": ["abc"]}, whole=True)["colors"]
    assert filled({"text": ["abc"]}, whole=False)["colors"] == ["g"]


def test_a_secret_is_not_shown_again() -> None:
    assert filled({"password": ["open sesame"]}, whole=True)["password"] is None


def test_what_is_wrong_is_told_beside_its_field_or_above_all() -> None:
    made = form_for(Everything)
    made.refuse({"text": ["Field required."], "": ["Not like this."], "other": ["Unknown."]})
    assert made.fields[0].errors == ["Fill this in."]
    assert made.errors == ["Not like this.", "other: Unknown."]


def test_without_a_model_nothing_is_asked_for() -> None:
    assert form_for(None).fields == []
    assert values_of(None, {"a": ["b"]}) == {}


def test_what_the_model_does_not_know_is_left_out() -> None:
    model = create_model("Model", it=(int, 1))
    assert values_of(model, {"it": ["2"], "handler": ["x"]}) == {"it": 2}


class Aliased(BaseModel):
    """A model whose validators know its fields by their aliases."""

    amount: int = Field(1, alias="theAmount")
    choice: str = Field("", validation_alias=AliasChoices(AliasPath("a", 0), "other"))

    @model_validator(mode="before")
    @classmethod
    def usual(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return what is given, and what was left out."""
        return {"theAmount": 9, "other": "usual"} | given


def test_a_form_sends_the_aliases_that_validators_look_for() -> None:
    sent = values_of(Aliased, {"amount": ["5"], "choice": ["mine"]})
    assert sent == {"theAmount": 5, "other": "mine"}
    within = create_model("Outer", it=(Aliased, ...), more=(list[Aliased], ...))
    said = {"it.amount": ["5"], "form.rows.more": ["", "0"], "more.0.choice": ["mine"]}
    assert values_of(within, said) == {"it": {"theAmount": 5}, "more": [{"other": "mine"}]}


def test_what_only_a_validator_reads_is_shown_and_sent_again() -> None:
    shown = form_for(Aliased)
    shown.show({"amount": 5, "former": [1]})
    assert [each.label for each in shown.fields] == ["Amount", "Choice", "Further fields"]
    sent = sent_by(shown.fields[0]) | sent_by(shown.fields[2])
    assert values_of(Aliased, sent) == {"theAmount": 5, "former": [1]}
    again = form_for(Aliased)
    again.fill(sent)
    assert [each.label for each in again.fields] == ["Amount", "Choice", "Further fields"]
    shown = form_for(Point)
    shown.show({"x": 5, "former": [1]})
    assert [each.label for each in shown.fields] == ["X"]
