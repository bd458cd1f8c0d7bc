"""The job whose handler, or callback, runs in this thread: the parent of jobs that it starts."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

#: A context variable, so that coroutines of a handler know it, too.
current_job: Final[ContextVar[int | None]] = ContextVar("jobdeck_current_job", default=None)
