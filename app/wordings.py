"""How the SQL that is written once, as SQLite reads it, is worded for other databases."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

#: Bound values of these names are times. PostgreSQL wants to know, where no column tells it.
TIMES: Final = ("at", "now", "until", "before", "run", "due")
#: The time of the server, as its columns have it.
NOW_ON_POSTGRESQL: Final = "clock_timestamp()"
NOW_ON_MARIADB: Final = "date_format(utc_timestamp(6), '%Y-%m-%dT%H:%i:%s.%fZ')"
#: A bound list of names or whole numbers, as JSON, and its name.
_LIST: Final = r"\(SELECT value FROM json_each\(:(\w+)\)\)"
#: A word that only tells SQLite its way: a `+` keeps it from an index.
_PLUS: Final = r"(?<![^\s(])\+(?=[a-z])"

#: A pattern, and what stands there instead, or what makes it of a match.
Wording = str | Callable[[re.Match[str]], str]
Rules = Sequence[tuple[re.Pattern[str], Wording]]


def _rules(*rules: tuple[str, Wording]) -> Rules:
    return [(re.compile(pattern), wording) for pattern, wording in rules]


_WAYS: Final = (
    # What leads SQLite to an index, or from one table to the next: others find their way.
    (_PLUS, ""),
    (r" INDEXED BY \w+", ""),
    (r"\bCROSS JOIN (\w+) ON\b", r"JOIN \1 ON"),
)
_POSTGRESQL: Final = _rules(
    # As an array a list leads to the index, however long.
    (
        r"(\S+) NOT IN \(SELECT value FROM json_each\((:called)\)\)",
        r"\1 <> ALL (ARRAY(SELECT value FROM json_array_elements_text(CAST(\2 AS json))))",
    ),
    (
        r"(\S+) IN \(SELECT value FROM json_each\((:handlers)\)\)",
        r"\1 = ANY (ARRAY(SELECT value FROM json_array_elements_text(CAST(\2 AS json))))",
    ),
    (
        r"(\S+) IN \(SELECT value FROM json_each\((:\w+)\)\)",
        r"\1 = ANY (ARRAY(SELECT CAST(value AS bigint)"
        r" FROM json_array_elements_text(CAST(\2 AS json))))",
    ),
    # Whether two may both be NULL and count as the same.
    (r" IS (:\w+)", r" IS NOT DISTINCT FROM \1"),
    # What keeps both away from the indexes of a status, where a row is known by its id.
    (r"(?<![^\s(])\+((?:[a-z_]+\.)?status)\b", r"\1 || ''"),
    *_WAYS,
    (rf"(?<!:):({'|'.join(TIMES)})\b", r"CAST(:\1 AS timestamptz)"),
)
_MARIADB: Final = _rules(
    # Its driver writes a list out. Of a subquery an UPDATE or a DELETE there makes a walk through
    # the whole table.
    (_LIST, r":\1"),
    (r" IS (:\w+)", r" <=> \1"),
    # What each status has an index of elsewhere is one index there.
    (r"INDEXED BY ix_task_(failed|cancelled)", "INDEXED BY ix_task_status"),
    (r"INDEXED BY ix_job_ready", "INDEXED BY ix_job_in_progress"),
    (r"(?<!DELETE FROM task) INDEXED BY (\w+)", r" FORCE INDEX (\1)"),
    *_WAYS,
    (r"\bAS text\)", "AS char)"),
    (r"\bAS bigint\)", "AS signed)"),
    # A trigger sees to it: what has triggers that write to `job` must not read it.
    (r",\s+version = \(SELECT version \+ 1 FROM job WHERE id = [\w.:]+\)", ""),
)


def _of(table: str) -> Callable[[re.Match[str]], str]:
    """What a statement returns, where SQL Server wants it said, as columns of this table."""

    def worded(match: re.Match[str]) -> str:
        columns = ", ".join(f"{table}.{each.strip()}" for each in match[3].split(","))
        return f"{match[1]} OUTPUT {columns}{match[2]}"

    return worded


#: Jobs do not run there yet; docs/databases.md says what is missing beside these words.
_SQL_SERVER: Final = _rules(
    (r"\bjson_each\(", "OPENJSON("),
    (r"\.key\b", ".[key]"),
    (r" IS (:\w+)", r" IS NOT DISTINCT FROM \1"),
    *_WAYS,
    (r"\bAS text\)", "AS nvarchar(max))"),
    (r"\|\|", "+"),
    (r"\bWITH RECURSIVE\b", "WITH"),
    # What is true is no value there, and a value is not true or false.
    (r"(= |, )(true|false)\b", lambda match: f"{match[1]}{int(match[2] == 'true')}"),
    (r"\bNOT (held)\b", r"\1 = 0"),
    (r"\b(AND|WHERE) (alive|held|uploaded)\b(?! *[=<])", r"\1 \2 = 1"),
    (r"(?<![:\w]):(all|blames_tasks)\b", r":\1 = 1"),
    (r"([\w.]+) IS NOT NULL AS (\w+)", r"CASE WHEN \1 IS NOT NULL THEN 1 ELSE 0 END AS \2"),
    (r"(\w+ < [^,]+?) AS (is_\w+)", r"CASE WHEN \1 THEN 1 ELSE 0 END AS \2"),
    # How many, and what is returned.
    (r"(ORDER BY [^()]*?) LIMIT (:?\w+)", r"\1 OFFSET 0 ROWS FETCH NEXT \2 ROWS ONLY"),
    (r"\bLIMIT (:?\w+)", r"ORDER BY (SELECT NULL) OFFSET 0 ROWS FETCH NEXT \1 ROWS ONLY"),
    (r"(INSERT INTO \w+ \([^)]*\))([\s\S]*?)\s+RETURNING ([\w, ]+)", _of("inserted")),
    (r"(DELETE FROM \w+)([\s\S]*?)\s+RETURNING ([\w, ]+)", _of("deleted")),
    (r"\b(UPDATE|FROM|INTO) (file)\b", r"\1 [\2]"),
)
_RULES: Final[Mapping[str, Rules]] = {
    "postgresql": _POSTGRESQL,
    "mariadb": _MARIADB,
    "mssql": _SQL_SERVER,
}


def reworded(wording: str, dialect: str = "postgresql") -> str:
    """The same for another database."""
    for pattern, other in _RULES.get(dialect, ()):
        wording = pattern.sub(other, wording)
    return wording


def lists_in(wording: str) -> tuple[str, ...]:
    """The names of the bound lists."""
    return tuple(dict.fromkeys(re.findall(_LIST, wording)))
