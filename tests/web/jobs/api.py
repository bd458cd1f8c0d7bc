"""What tests ask of the API's answers."""

from __future__ import annotations

from typing import Any

from werkzeug.test import TestResponse


def refused(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    """The error of an answer that has this status and this code, and a sentence."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/json"
    assert set(answer.get_json()) == {"error"}
    error: dict[str, Any] = answer.get_json()["error"]
    assert error["code"] == code
    assert error["message"]
    return error


def fields_of(answer: TestResponse) -> set[str]:
    """The names of the fields that do not fit."""
    return set(refused(answer, 422, "invalid")["fields"])
