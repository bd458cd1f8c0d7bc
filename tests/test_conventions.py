"""The habits of this code base, as far as a machine can see them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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
    *(path for path in (ROOT / "bin").iterdir()),
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", TEXT, ids=name_of)
def test_a_file_has_at_most_400_lines(path: Path) -> None:
    if path.parent.name == "versions":
        return  # a migration holds all that it makes, however much that is
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_a_function_has_at_most_40_lines(path: Path) -> None:
    if path.parent.name == "versions":
        return  # a migration is a list of columns, however long
    for function in functions_of(path):
        assert lines_of(function) <= 40, f"{function.name} has {lines_of(function)} lines"


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_a_module_says_what_it_is(path: Path) -> None:
    if source := path.read_text():
        assert ast.get_docstring(ast.parse(source))


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=name_of)
def test_a_test_sleeps_nowhere(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) != ("time", "sleep"), f"line {node.lineno}"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            assert "sleep" not in [alias.name for alias in node.names], f"line {node.lineno}"


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


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    assert function.end_lineno is not None
    said = ast.get_docstring(function, clean=False)
    return function.end_lineno - function.lineno + 1 - (said.count("\n") + 1 if said else 0)
