"""Every statement compiles for SQL Server (B12); docs/databases.md says what else it would need."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest
import sqlglot
from sqlalchemy import TextClause, event
from sqlalchemy.dialects import mssql
from sqlalchemy.engine import Engine
from sqlglot import ErrorLevel, exp

from app.jobs import store
from app.sql import Statement
from tests.visitor import Visitor

SQL_SERVER = mssql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
#: What is asked of one other database only.
ELSEWHERE = {
    "creating.INSERT_AT_ONCE", "creating.INSERT_ONE", "telling.TELL",
}  # fmt: skip


def statements() -> Iterator[tuple[str, Statement]]:
    """All of the store, by their names."""
    for module in pkgutil.iter_modules(store.__path__):
        for name, each in vars(importlib.import_module(f"app.jobs.store.{module.name}")).items():
            for key, one in each.items() if isinstance(each, dict) else [("", each)]:
                if isinstance(one, Statement):
                    yield f"{module.name}.{name}{key and f'[{key}]'}", one


STATEMENTS = {name: each for name, each in statements() if name not in ELSEWHERE}


@pytest.mark.parametrize("name", STATEMENTS)
def test_it_compiles(name: str) -> None:
    demand_good(str(STATEMENTS[name].compile(dialect=SQL_SERVER)))


def demand_good(words: str) -> None:
    """Parse a statement as SQL Server would, and look for what its parser takes and it does not."""
    assert not re.search(r"\b(LIMIT|RETURNING|INDEXED|json_each|true|false)\b|\|\|", words)
    # The parser knows of no OUTPUT of a DELETE.
    plain = re.sub(r"(DELETE FROM \w+) OUTPUT deleted\.\w+", r"\1", words.replace(":", "@"))
    tree = sqlglot.parse_one(plain, read="tsql", error_level=ErrorLevel.RAISE)
    assert not isinstance(tree, exp.Command)  # what it does not understand
    conditions = [each.this for each in tree.find_all(exp.Where, exp.Having, exp.If)]
    conditions += [on for each in tree.find_all(exp.Join) if (on := each.args.get("on"))]
    assert all(is_truth(each) for each in conditions), words
    values = [column.unalias() for each in tree.find_all(exp.Select) for column in each.expressions]
    values += [each for call in tree.find_all(exp.Coalesce) for each in call.iter_expressions()]
    assert not any(is_truth(each) for each in values), words


def is_truth(part: object) -> bool:
    """Whether it is true or false, which is no value there."""
    if isinstance(part, exp.Paren | exp.Not):
        return is_truth(part.this)
    if isinstance(part, exp.And | exp.Or):
        return is_truth(part.left) and is_truth(part.right)
    return isinstance(part, exp.Predicate | exp.SubqueryPredicate)


@pytest.mark.parametrize(
    "words",
    ["SELECT id FROM job WHERE alive", "SELECT id < 3 FROM job", "SELECT id FROM job LIMIT 1",
     "SELECT coalesce(id < 3, 1) FROM job", "SELECT id FROM job WHERE id = true",
     "SELECT CASE WHEN held THEN 1 END FROM job", "DELETE FROM job ORDER BY id OFFSET 0 ROWS",
     "SELECT 1 FROM job JOIN task ON held", "SELECT 1 FROM job WHERE NOT held AND id = 1"],
)  # fmt: skip
def test_what_does_not_is_noticed(words: str) -> None:
    with pytest.raises((AssertionError, sqlglot.ParseError)):
        demand_good(words)


PAGES = (
    "/jobs", "/jobs?q=x&status=DONE", "/jobs?sort=finished&handler=example_job_handler",
    "/jobs?sort=-name&started_by=me", "/jobs?from=2026-01-01", "/handlers", "/users", "/account",
    "/users?q=a&sort=email", "/api/v1/jobs", "/api/v1/jobs?status=DONE", "/api/v1/handlers",
)  # fmt: skip


def test_what_pages_ask_compiles(alice: Visitor) -> None:
    """SQLAlchemy words what is not written out; it must not need what is not there."""
    asked: list[str] = []

    def listen(_: object, statement: object, *__: object) -> None:
        if not isinstance(statement, TextClause):
            asked.append(str(statement.compile(dialect=SQL_SERVER)))  # type: ignore[attr-defined]

    event.listen(Engine, "before_execute", listen)
    try:
        for page in PAGES:
            assert alice.get(page).status_code == 200, page
    finally:
        event.remove(Engine, "before_execute", listen)
    assert len(asked) > 2 * len(PAGES)
    assert not [each for each in asked if re.search(r"\bLIMIT\b|NULLS (FIRST|LAST)", each)]
