"""What of a job does not change while it runs: its handler and its callbacks know it."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from app.jobs.store.reading import Facts
from app.jobs.values import SECRET, decode, secrets_in


@dataclass(frozen=True, slots=True)
class StartedBy:
    """The person who started a job."""

    id: int


#: The start of a list or an object in the JSON of params, beside the one that holds them all.
_CONTAINER: Final = re.compile(r"[\[{]")


class JobFacts:
    """What of a job does not change while it runs."""

    def __init__(self, row: Facts, params: Callable[[], Any]) -> None:
        self.id = row.id
        self.name = row.name
        self.handler = row.handler
        self.started_by = None if row.started_by is None else StartedBy(row.started_by)
        #: Secret params, as texts to be hidden wherever something is said.
        self.secrets = secrets_in(decode(row.params)) if SECRET in row.params else ()
        #: Its own, in place of what its handler declares; None: the handler's.
        self.retries = row.retries
        self.timeout = row.timeout
        self._load_params = params
        self._has_only_scalars = not _CONTAINER.search(row.params, 1)

    @cached_property
    def _params(self) -> Any:
        return self._load_params()

    def params(self) -> Any:
        """Return the params, for one task alone: what that changes of them, no other one sees."""
        # A shallow copy takes a tenth of the time, and most params hold nothing that can change.
        return copy(self._params) if self._has_only_scalars else self._load_params()


class KnownJob:
    """What a handler and its callbacks know of their job from the start."""

    __slots__ = ("_facts", "_params")

    def __init__(self, facts: JobFacts) -> None:
        self._facts = facts
        self._params: Any = None

    @property
    def id(self) -> int:
        """The job's id."""
        return self._facts.id

    @property
    def name(self) -> str:
        """The job's name when it was claimed."""
        return self._facts.name

    @property
    def params(self) -> Any:
        """The params as the handler's own model, or a dict for a handler without one."""
        if self._params is None:
            self._params = self._facts.params()
        return self._params

    @property
    def started_by(self) -> StartedBy | None:
        """Who started the job; None is nobody (a program)."""
        return self._facts.started_by
