"""What a request to the API asks for: its body, strictly read, and what stands in its address."""

from __future__ import annotations

from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, ValidationError
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from app.admin.asked import whole
from app.jobs import JobStatus, TaskStatus
from app.jobs.errors import InvalidParams
from app.jobs.params import sentences


class Body(BaseModel):
    """The body of a request: fields of these names and types, and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


Asked = TypeVar("Asked", bound=Body)


def body(model: type[Asked], *, optional: bool = False) -> Asked:
    """What was sent, as the model has it; raise InvalidParams with a sentence for each field.

    `optional`: nothing sent is an empty object.
    """
    given = {} if optional and _is_empty() else json_object()
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InvalidParams(sentences(error)) from None


def json_object() -> dict[str, Any]:
    """The object that was sent; raises what the web framework has for everything else."""
    if not request.is_json:
        raise UnsupportedMediaType
    _read()
    try:
        given = request.get_json()
    except RecursionError:
        raise BadRequest from None
    if not isinstance(given, dict):
        raise BadRequest
    return given


def _is_empty() -> bool:
    return not _read()


def _read() -> bytes:
    sent = request.get_data()
    if len(sent) == request.max_content_length:
        # What comes in chunks of no known sum is cut off there without a word.
        raise RequestEntityTooLarge
    return sent


def whole_arg(name: str, default: int | None, *, most: int = 2**62, least: int = 0) -> Any:
    """A number out of the address, or `default`; one above `most` is `most`."""
    if not request.args.get(name):
        return default
    number = whole(request.args[name])
    if number is None or not least <= number:
        raise InvalidParams({name: [f"Write a whole number from {least} up."]})
    return min(number, most)


def status_arg(statuses: type[JobStatus] | type[TaskStatus]) -> str | None:
    """The status out of the address; None without one."""
    value = request.args.get("status")
    if not value:
        return None
    if value not in set(statuses):
        raise InvalidParams({"status": [f"Write one of {', '.join(statuses)}."]})
    return value
