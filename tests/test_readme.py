"""What the README says is so."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import Settings
from app.db import Database
from app.jobs import Handler, Registry

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/README.md",
    "docs/sessions.md",
)


def test_every_setting_is_in_the_readme_and_no_other() -> None:
    told = set(re.findall(r"JOBDECK_([A-Z_]+)", README))
    assert told == {field.name.upper() for field in dataclasses.fields(Settings)}


def test_every_setting_has_a_row_that_says_what_it_means() -> None:
    rows = re.findall(r"^\| (`JOBDECK_.+?) \| (.+?) \| (.+?) \|$", README, re.MULTILINE)
    named = {name for first, _, _ in rows for name in re.findall(r"JOBDECK_([A-Z_]+)", first)}
    assert named == {field.name.upper() for field in dataclasses.fields(Settings)}
    assert all(len(meaning.split()) > 2 for _, _, meaning in rows)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_picture_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_the_handler_in_the_readme_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = re.findall(r"```python\n# app/handlers/count_words.py\n(.+?)```", README, re.DOTALL)
    (tmp_path / "count_words.py").write_text(source)
    (tmp_path / "a.txt").write_text("one two three")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry()
    registry.discover(["count_words"])
    handler: Handler = registry["count_words"]
    params = handler.validate_params({"folder": str(tmp_path)})
    assert list(handler.states(params)) == [{"path": str(tmp_path / "a.txt")}]
    assert handler.description == "Count the words of every text in a folder."


def test_the_resource_and_the_handler_of_its_table_work(tmp_path: Path, database: Database) -> None:
    for page, folder, name in (
        (README, "resources", "customers"),
        (README, "handlers", "greet_customers"),
        ((ROOT / "docs/sessions.md").read_text(), "handlers", "bill_customers"),
    ):
        start = re.escape(f"```python\n# app/{folder}/{name}.py\n")
        (source,) = re.findall(rf"{start}(.+?)```", page, re.DOTALL)
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.py").write_text(source)
    # In a process of its own: the table must not be among those of the other tests.
    found = subprocess.run(
        [sys.executable, "-m", "tests.customers", str(tmp_path), str(database.url)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert not found.returncode, found.stderr
    assert found.stdout.splitlines() == [
        "jobs customers users",
        "DONE 2",
        "2 2",
        "0",
        "2",
        "200 True",
    ]


def test_the_tree_in_architecture_names_what_is_there() -> None:
    tree = (ROOT / "ARCHITECTURE.md").read_text().split("```")[1]
    core = {path.stem for path in (ROOT / "app/jobs").glob("*.py")} - {"__init__"}
    assert core <= set(re.findall(r"^    (\w+)\.py", tree, re.MULTILINE))
