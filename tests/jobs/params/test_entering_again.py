"""What was entered is kept to be entered again: without its secrets, and with its files by name."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    Field,
    Json,
    Secret,
    SecretStr,
    model_validator,
)
from typing_extensions import TypedDict

from app.jobs.params import entered_params, validate_params
from app.jobs.values import FILE, SECRET

HIDDEN = {SECRET: None}


class Login(BaseModel):
    """Part of the params."""

    user: str
    password: SecretStr = Field(alias="pass-word")


class Typed(TypedDict):
    """A dict with a secret."""

    name: str
    code: SecretStr


@dataclasses.dataclass
class Plain:
    """A dataclass with a secret."""

    name: str
    code: SecretStr


class Tree(BaseModel):
    """A model within itself."""

    code: SecretStr | None = None
    inner: list[Tree] = []


def _parts(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


CASES: list[tuple[Any, Any, Any]] = [
    (SecretStr, "hush", HIDDEN),
    (SecretStr | None, "hush", HIDDEN),
    (SecretStr | None, None, None),
    (Secret[int], 12345, HIDDEN),
    (int | SecretStr, 5, HIDDEN),
    (list[SecretStr], ["a", "b"], [HIDDEN, HIDDEN]),
    (tuple[str, SecretStr], ["a", "b"], ["a", HIDDEN]),
    (tuple[SecretStr, ...], ["a", "b"], [HIDDEN, HIDDEN]),
    (dict[str, SecretStr], {"a": "b"}, {"a": HIDDEN}),
    (dict[str, list[SecretStr]] | None, {"a": ["b"]}, {"a": [HIDDEN]}),
    (Login, {"user": "a", "pass-word": "b"}, {"user": "a", "password": HIDDEN}),
    (Login, {"user": "a", "password": "b"}, {"user": "a", "password": HIDDEN}),
    (list[Login], [{"user": "a", "pass-word": "b"}], [{"user": "a", "password": HIDDEN}]),
    (Login | dict[str, int], {"a": 1}, {"a": 1}),
    (Login | str, "text", "text"),
    (Typed, {"name": "a", "code": "b"}, {"name": "a", "code": HIDDEN}),
    (Plain, {"name": "a", "code": "b"}, {"name": "a", "code": HIDDEN}),
    (Tree, {"inner": [{"code": "b"}]}, {"inner": [{"code": HIDDEN}]}),
    (Annotated[list[SecretStr], BeforeValidator(_parts)], "a,b", HIDDEN),
    (Json[Login], '{"user": "a", "pass-word": "b"}', HIDDEN),
    (str, "plain", "plain"),
    (Any, {SECRET: "no mark of ours"}, {SECRET: "no mark of ours"}),
]


@pytest.mark.parametrize(("annotation", "given", "kept"), CASES)
def test_secrets_are_left_out_and_the_rest_is_kept(annotation: Any, given: Any, kept: Any) -> None:
    class Params(BaseModel):
        value: annotation
        other: str = ""

    read = validate_params(Params, {"value": given, "other": "b"}, {})
    entered = entered_params(Params, {"value": given, "other": "b"}, read)
    assert entered == {"value": kept, "other": "b"}
    json.dumps(entered)


class Pathed(BaseModel):
    """A model whose fields are read from within what is given."""

    user: str = Field("", validation_alias=AliasPath("auth", "user"))
    code: SecretStr | None = Field(None, validation_alias=AliasChoices("pin", AliasPath("auth", 1)))
    word: SecretStr | None = Field(None, validation_alias=AliasPath("auth", "word"))


class Former(BaseModel):
    """A model that reads what it was given before its fields were renamed."""

    days: int = 3
    word: SecretStr | None = None

    @model_validator(mode="before")
    @classmethod
    def renamed(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return them by the new names."""
        names = {"age": "days", "password": "word"}
        return {names.get(key, key): value for key, value in given.items()}


@pytest.mark.parametrize(
    ("model", "given", "kept"),
    [
        (Pathed, {"auth": {"user": "a", "word": "hush"}}, {"user": "a", "word": HIDDEN}),
        (Pathed, {"auth": ["a", "hush"]}, {"code": HIDDEN}),
        (Pathed, {"pin": "hush"}, {"code": HIDDEN}),
        (Pathed, {"code": "hush"}, {"code": HIDDEN}),
        (Former, {"age": 5, "password": "hush"}, {"age": 5, "password": HIDDEN}),
    ],
)
def test_a_secret_is_known_by_whatever_name_it_was_given(model: Any, given: Any, kept: Any) -> None:
    read = validate_params(model, given, {})
    assert entered_params(model, given, read) == kept

    class Outer(BaseModel):
        one: model
        more: list[model] = []

    nested = {"one": given, "more": [given]}
    read = validate_params(Outer, nested, {})
    assert entered_params(Outer, nested, read) == {"one": kept, "more": [kept]}


def test_marks_of_secrets_stay_where_there_is_no_model() -> None:
    given = {"a": {SECRET: "hush"}, "b": [{SECRET: "hush"}, 1]}
    assert entered_params(None, given, given) == {"a": HIDDEN, "b": [HIDDEN, 1]}


def test_what_no_json_can_be_made_of_is_left_out() -> None:
    assert entered_params(None, {"a": object(), "b": 1}, {}) == {"b": 1}


def test_a_file_is_entered_again_by_the_name_that_it_has_in_its_job() -> None:
    from pathlib import Path

    from app.jobs import UploadedFile

    def upload(number: int) -> UploadedFile:
        return UploadedFile(id=number, name="a.csv", size=1, token="0" * 32, folder=Path())

    class Params(BaseModel):
        one: UploadedFile
        more: list[UploadedFile | None] = []
        count: int = 0

    read = Params.model_construct(one=upload(4), more=[upload(5), None], count=4)
    given = {"one": "4", "more": [5, None], "count": 4}
    named = [{FILE: {"name": name}} for name in ("a.csv", "a (2).csv")]
    wanted = {"one": named[0], "more": [named[1], None], "count": 4}
    assert entered_params(Params, given, read) == wanted
    assert entered_params(Params, {**given, "one": upload(4)}, read) == wanted
