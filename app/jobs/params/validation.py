"""Validation of params by the handler's model, and what is wrong with them as sentences."""

from __future__ import annotations

import json
import logging
import math
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from app.jobs.errors import InvalidParams, ValueNotStorable
from app.jobs.params.members import with_members
from app.jobs.uploads import GIVEN, UploadedFile
from app.jobs.values import demand_sound

log = logging.getLogger(__name__)


def validate_params(
    model: type[BaseModel], params: Mapping[str, Any] | BaseModel, context: Mapping[str, Any]
) -> BaseModel:
    """Return params as an instance of the model; raise InvalidParams with a sentence a field.

    JSON values, which is what forms, programs and commands send, are read as JSON, so that a
    strict model takes the text of a date from them; anything else is taken as Python's values.
    Fields go by their names and by their aliases. An instance is what has been validated already.
    Raises ValueNotStorable for names that are no text.
    """
    if type(params) is model:
        return params
    given = dict(params)
    demand_sound(list(given), "params")
    refuse_each(given, lambda value: demand_sound(value, "value"))
    try:
        return _validated(model, given, context)
    except ValidationError as error:
        raise InvalidParams(sentences(error)) from None
    except Exception as error:  # noqa: BLE001 - a mistake of its author, in a validator
        # Without what it says: that may be a secret, and nothing is known of these params yet.
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("Params of %s cannot be validated: %s\n%s", model.__name__, type(error), where)
        said = f"These could not be checked: a validator raised {type(error).__name__}."
        raise InvalidParams({"": [said]}) from None


def refuse_each(params: Mapping[str, Any], check: Callable[[Any], object]) -> None:
    """Raise InvalidParams with what a check of each value says, if it is ValueNotStorable."""
    wrong: dict[str, list[str]] = {}
    for name, value in zip(map(str, params), params.values(), strict=True):
        try:
            check(value)
        except ValueNotStorable as error:
            # What a model knows beside its fields is none of them.
            wrong["" if name[:1] == "$" else name] = [str(error)]
    if wrong:
        raise InvalidParams(wrong)


def sentences(error: ValidationError) -> dict[str, list[str]]:
    """Return what is wrong with each field of a model, as sentences; "" is the whole of it."""
    fields: dict[str, list[str]] = {}
    for each in error.errors(include_url=False, include_input=False):
        name = str(each["loc"][0]) if each["loc"] else ""
        within = ".".join(str(part) for part in each["loc"][1:])
        message = each["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        fields.setdefault(name, []).append(f"{within}: {message}." if within else f"{message}.")
    return fields


def is_json(value: Any) -> bool:
    """Tell whether a value consists of JSON values only, and files that are at hand."""
    if value is None or type(value) in (str, bool, int, UploadedFile):
        return True
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is list:
        return all(map(is_json, value))
    return type(value) is dict and all(
        type(key) is str and is_json(each) for key, each in value.items()
    )


def _validated(
    model: type[BaseModel], given: dict[str, Any], context: Mapping[str, Any]
) -> BaseModel:
    if not is_json(given):
        return model.model_validate(given, context=dict(context), by_alias=True, by_name=True)
    files: list[UploadedFile] = []

    def mark(file: UploadedFile) -> dict[str, int]:
        files.append(file)
        return {GIVEN: len(files) - 1}

    text = json.dumps(given, default=mark)
    known = {**context, GIVEN: files}
    try:
        return model.model_validate_json(text, context=known, by_alias=True, by_name=True)
    except ValidationError as error:
        chosen = with_members(model, given) if _lacks_members(error) else given
        if chosen is given:
            raise
        return _with_chosen(model, chosen, known, error)


def _lacks_members(error: ValidationError) -> bool:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return any(each["type"] in ("enum", "literal_error") for each in found)


def _with_chosen(
    model: type[BaseModel], chosen: Any, context: Mapping[str, Any], before: ValidationError
) -> BaseModel:
    """Validate again with members in their places, as Python's values; raise the shorter error."""
    try:
        return model.model_validate(chosen, context=dict(context), by_alias=True, by_name=True)
    except ValidationError as error:
        raise min(error, before, key=lambda each: each.error_count()) from None
