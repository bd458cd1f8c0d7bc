"""SQL written once, as SQLite reads it, and reworded for PostgreSQL where the two differ."""

from __future__ import annotations

import re
from typing import Any, Final, Self

from sqlalchemy import TextClause
from sqlalchemy.ext.compiler import compiles

#: Bound values of these names are times. PostgreSQL wants to know, where no column tells it.
TIMES: Final = ("at", "now", "until", "before", "run")

_REWORDED: Final = tuple(
    (re.compile(pattern), wording)
    for pattern, wording in (
        # A bound list of whole numbers. As an array it leads to the index, whatever its length.
        (
            r"(\S+) IN \(SELECT value FROM json_each\((:\w+)\)\)",
            r"\1 = ANY (ARRAY(SELECT CAST(value AS bigint)"
            r" FROM json_array_elements_text(CAST(\2 AS json))))",
        ),
        # Whether two may both be NULL and count as the same.
        (r" IS (:\w+)", r" IS NOT DISTINCT FROM \1"),
        # What keeps SQLite away from an index, or leads it to one: PostgreSQL finds its way.
        (r"(?<=[\s(])\+(?=[a-z])", ""),
        (r" INDEXED BY \w+", ""),
        (r"\bCROSS JOIN (\w+) ON\b", r"JOIN \1 ON"),
        (rf"(?<!:):({'|'.join(TIMES)})\b", r"CAST(:\1 AS timestamptz)"),
    )
)


class Statement(TextClause):
    """An SQL text with bound values. `postgresql` is its wording there, where it is another one."""

    inherit_cache = True
    postgresql: str | None = None

    def on_postgresql(self, wording: str) -> Self:
        """Give the wording for PostgreSQL, with the same bound values."""
        self.postgresql = wording
        return self


def statement(wording: str) -> Statement:
    """An SQL text that both databases take."""
    return Statement(wording)


def reworded(wording: str) -> str:
    """The same for PostgreSQL."""
    for pattern, other in _REWORDED:
        wording = pattern.sub(other, wording)
    return wording


@compiles(Statement, "postgresql")
def _for_postgresql(element: Statement, compiler: Any, **context: Any) -> str:
    there = TextClause(element.postgresql or reworded(element.text))
    there._bindparams |= element._bindparams
    compiled: str = compiler.visit_textclause(there, **context)
    return compiled
