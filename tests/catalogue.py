"""What a database holds beside rows: everything a migration could forget, in comparable words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import Connection, Row, text

Catalogue = dict[tuple[str, str], str]

_SQLITE_TABLES = """SELECT name FROM sqlite_master
WHERE type = 'table' AND name <> 'alembic_version' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"""

_POSTGRESQL = {
    "column": """SELECT c.relname || '.' || a.attname, concat_ws(' ',
            format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'NOT NULL' END,
            nullif(attgenerated, ''), nullif(attidentity, ''), pg_get_expr(adbin, adrelid))
        FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'v', 'm', 'p')""",
    "index": """SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_class c WHERE relkind = 'i'""",
    "constraint": """SELECT c.relname || '.' || conname, pg_get_constraintdef(k.oid)
        FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid""",
    "trigger": """SELECT c.relname || '.' || tgname, pg_get_triggerdef(t.oid)
        FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal""",
    "view": """SELECT c.relname, pg_get_viewdef(c.oid) FROM pg_class c
        WHERE relkind IN ('v', 'm')""",
    "function": """SELECT c.proname || '(' || oidvectortypes(proargtypes) || ')',
        pg_get_functiondef(c.oid) FROM pg_proc c WHERE prokind <> 'a'""",
    "sequence": """SELECT c.relname, 'exists' FROM pg_class c WHERE relkind = 'S'""",
}


def catalogue_of(connection: Connection) -> Catalogue:
    """Every column, index, constraint, trigger, view and function, but Alembic's own."""
    words = _sqlite if connection.dialect.name == "sqlite" else _postgresql
    return {
        (kind, name): re.sub(r"\s+", " ", said).strip()
        for kind, name, said in words(connection)
        if "alembic_version" not in name
    }


def _postgresql(connection: Connection) -> Iterator[tuple[str, str, str]]:
    for kind, query in _POSTGRESQL.items():
        schema = "pronamespace" if kind == "function" else "relnamespace"
        joint = "AND" if "WHERE" in query else "WHERE"
        ours = f"{query} {joint} c.{schema} = 'public'::regnamespace"
        for name, said in connection.execute(text(ours)):
            yield kind, name, said


def _sqlite(connection: Connection) -> Iterator[tuple[str, str, str]]:
    for name in connection.scalars(text(_SQLITE_TABLES)).all():
        yield from _sqlite_table(connection, name)
    for row in connection.execute(text("SELECT type, name, sql FROM sqlite_master")):
        if row.type in ("index", "trigger", "view") and row.sql:
            yield row.type, row.name, row.sql


def _sqlite_table(connection: Connection, table: str) -> Iterator[tuple[str, str, str]]:
    query = text("SELECT sql FROM sqlite_master WHERE name = :name")
    made = str(connection.scalar(query, {"name": table}))
    yield "table", table, "AUTOINCREMENT" if "AUTOINCREMENT" in made else "plain"
    for column in _pragma(connection, "table_xinfo", table):
        yield "column", f"{table}.{column.name}", str(column[2:])
    # SQLite tells of no constraint by name, but keeps the text by which each was made.
    for constraint in _constraints(made):
        yield "constraint", f"{table}.{constraint}", "exists"
    for computed in re.findall(r"^\s*(\w+) .*GENERATED ALWAYS AS \((.*)\)", made, re.M):
        yield "computed", f"{table}.{computed[0]}", computed[1]


def _constraints(made: str) -> list[str]:
    lines = (line.strip().rstrip(",") for line in made.splitlines())
    return [line for line in lines if line.startswith("CONSTRAINT")]


def _pragma(connection: Connection, name: str, table: str) -> list[Row[tuple[object, ...]]]:
    return list(connection.exec_driver_sql(f"PRAGMA {name}('{table}')").all())
