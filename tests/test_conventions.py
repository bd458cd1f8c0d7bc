"""The habits of this code base, as far as a machine can see them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("app", "tests", "migrations", "benchmarks")
PYTHON = [
    *sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")),
    ROOT / "wsgi.py",
    ROOT / "gunicorn.conf.py",
]
TEXT = [
    *PYTHON,
    *(
        path
        for pattern in ("*.html", "*.css", "*.js")
        for path in (ROOT / "app").rglob(pattern)
        if "vendor" not in path.parts
    ),
    *(path for path in (ROOT / "bin").iterdir() if path.is_file()),
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


# Each of these looks at all files at once: a test for each file would be thousands of them.


def test_a_file_has_at_most_400_lines() -> None:
    # A migration holds all that it makes, however much that is.
    lines = {path: len(path.read_text().splitlines()) for path in TEXT if not is_migration(path)}
    assert [f"{name_of(path)}: {count}" for path, count in lines.items() if count > 400] == []


def test_a_function_has_at_most_40_lines() -> None:
    # A migration is a list of columns, however long.
    long = [
        f"{name_of(path)}: {function.name} has {lines_of(function)}"
        for path in PYTHON
        if not is_migration(path)
        for function in functions_of(path)
        if lines_of(function) > 40
    ]
    assert long == []


def test_a_module_says_what_it_is() -> None:
    modules = {path: tree(path) for path in PYTHON if tree(path).body}
    silent = [name_of(path) for path, module in modules.items() if not ast.get_docstring(module)]
    assert silent == []


def test_a_test_sleeps_nowhere() -> None:
    sleeps = [
        f"{name_of(path)}: {node.lineno}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for node in ast.walk(tree(path))
        if is_sleep(node)
    ]
    assert sleeps == []


def test_a_component_belongs_to_a_handler() -> None:
    handlers = {path.stem for path in (ROOT / "app/handlers").glob("*.py")}
    components = {path.stem for path in (ROOT / "app/components").glob("[!_]*.html")}
    assert components - handlers <= {"default"}


@pytest.mark.parametrize("part", ["app.jobs", "app.users", "app.db", "app.config", "app.schema"])
def test_what_is_below_the_web_knows_nothing_of_it(part: str) -> None:
    look = (
        f"import {part}, sys; print(*sorted({{'flask', 'jinja2', 'werkzeug'}} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == []


def is_migration(path: Path) -> bool:
    return path.parent.name == "versions"


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def is_sleep(node: ast.AST) -> TypeGuard[ast.Attribute | ast.ImportFrom]:
    """Whether it is time.sleep, or takes it from there."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return (node.value.id, node.attr) == ("time", "sleep")
    if isinstance(node, ast.ImportFrom) and node.module == "time":
        return "sleep" in [alias.name for alias in node.names]
    return False


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    assert function.end_lineno is not None
    said = ast.get_docstring(function, clean=False)
    return function.end_lineno - function.lineno + 1 - (said.count("\n") + 1 if said else 0)
