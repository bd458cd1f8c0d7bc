"""What a script of the page asks, and what only a script understands of an answer."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

from flask import Response, request


def asked_by_script() -> bool:
    """Whether a part of a page is wanted, not a whole one."""
    return "HX-Request" in request.headers


def shown_address() -> str:
    """The path and query that the browser shows while its script asks; '' when it does not say."""
    try:
        parts = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def shown_query(path: str) -> dict[str, str]:
    """The query of the page that is shown, if it is the page of this path; else nothing."""
    shown, _, query = shown_address().partition("?")
    return dict(parse_qsl(query)) if shown == path else {}


def with_events(answer: Response, **events: object) -> Response:
    """Let these events happen in the page when the answer is there; `toast` shows a message."""
    answer.headers["HX-Trigger"] = json.dumps(events)
    return answer


def with_toast(answer: Response, message: str, kind: str = "success") -> Response:
    """Say a sentence in a corner of the page."""
    return with_events(answer, toast={"message": message, "kind": kind})
