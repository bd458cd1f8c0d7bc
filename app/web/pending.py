"""Why a job does not run, in the few words that a row of a list has room for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from app.jobs import PendingReason

#: In a row of a list; what is told there already is left out.
PENDING_WORDS: Final = {
    "reopening": "Being reopened",
    "held": "Waits to be started",
    "retry": "Next try",
    "paused": "Paused",
    "no_worker": "No worker runs",
    "no_handler": "No worker has this handler",
    "broken_handler": "Its handler is broken",
    "slot": "Waits for a slot",
    "no_thread": "Waits for a thread",
    "alone": "Waits for a task that runs alone",
    "deadlock": "Jobs wait for each other",
}


def pending_words(reason: PendingReason) -> str:
    """Why a job does not run, in short; '' where nothing needs to be said."""
    return PENDING_WORDS.get(reason.code, "")


def named_jobs(reason: PendingReason) -> Iterator[tuple[str, int | None]]:
    """The sentence in parts: each a text, and the job that is named after it, to be linked."""
    texts = re.split(r"#([0-9]{1,18})", reason.message)
    for place in range(0, len(texts), 2):
        yield texts[place], int(texts[place + 1]) if place + 1 < len(texts) else None
