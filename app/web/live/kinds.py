"""The topics that there are: from a name that somebody sends to what is watched by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

from app.jobs import Engine
from app.web.live.fields import JobField, TaskField
from app.web.live.topics import Address, JobUpdates, TaskUpdates, Topic
from app.web.live.views import HandlersView, JobsView, NavbarView, PopupView

#: Each kind of topic demands by itself, at each look, that the person may see what it shows.
KINDS: Final[Mapping[str, Callable[[Engine, Address], Topic]]] = {
    "job-updates": JobUpdates,
    "job-task-updates/<id>": TaskUpdates,
    "job-state/<id>/<field>": JobField,
    "job-task-state/<id>/<field>": TaskField,
    "view/jobs": JobsView,
    "view/job/<id>": PopupView,
    "view/navbar": NavbarView,
    "view/handlers": HandlersView,
}


def topic(engine: Engine, name: str) -> Topic | None:
    """The topic that has this name: a path, with a field in it percent-encoded, and a query."""
    path, _, query = name.partition("?")
    for pattern, kind in _PATTERNS:
        if found := pattern.fullmatch(path):
            parts = found.groupdict()
            return kind(
                engine,
                Address(
                    job_id=int(parts.get("id", 0)),
                    field=unquote(parts.get("field", "")),
                    query=dict(parse_qsl(query)),
                ),
            )
    return None


def _pattern(kind: str) -> re.Pattern[str]:
    # One form for each id, as in the addresses of pages, and 18 digits at most: no database has
    # longer ones.
    number, text = r"(?P<id>0|[1-9][0-9]{0,17})", r"(?P<field>.+)"
    return re.compile(kind.replace("<id>", number).replace("<field>", text), re.DOTALL)


_PATTERNS: Final = [(_pattern(name), kind) for name, kind in KINDS.items()]
