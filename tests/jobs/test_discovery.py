"""Handlers' modules that cannot be loaded: what is known of them, and the others work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.jobs import Registry
from app.jobs.errors import BrokenHandler, UnknownHandler

HEAD = "from app.jobs import task_handler\n"
MOW = "@task_handler\ndef mow(task):\n    pass\n"
#: What a module may be like, with what is said of it.
KINDS = {
    "missing import": (f"import nowhere\n{HEAD}{MOW}", "No module named 'nowhere'"),
    "missing name": (f"from app.jobs import nothing\n{HEAD}{MOW}", "cannot import name 'nothing'"),
    "syntax": (f"{HEAD}{MOW}    if:\n", "SyntaxError: invalid syntax"),
    "indentation": (f"{HEAD}{MOW}  return\n", "IndentationError"),
    "null byte": (f"{HEAD}{MOW}\0", "null bytes"),
    "name": (f"{HEAD}{MOW}nothing\n", "NameError: name 'nothing' is not defined"),
    "exit": (f"import sys\n{HEAD}{MOW}sys.exit(3)\n", "SystemExit: 3"),
    "silent exit": (f"import sys\n{HEAD}{MOW}sys.exit()\n", "SystemExit"),
    "own base": (f"class Mine(BaseException): pass\n{HEAD}{MOW}raise Mine('x')\n", "Mine: x"),
    "unsayable": (
        "class Mine(Exception):\n    def __str__(self): raise ValueError\n"
        f"{HEAD}{MOW}raise Mine()\n",
        "Mine",
    ),
    "option": (
        HEAD + MOW.replace("handler\n", "handler(concurrency_limit=0)\n"),
        "concurrency_limit of handler 'mow' is 0",
    ),
    "unknown option": (HEAD + MOW.replace("handler\n", "handler(colour=1)\n"), "colour"),
    "generator": (f"{HEAD}{MOW}\n@mow.tusks\ndef make(params): ...\n", "tusks"),
    "params": (
        f"from pydantic import BaseModel\nclass P(BaseModel):\n    x: object() = 1\n{HEAD}{MOW}",
        "P",
    ),
    "recursion": (f"{HEAD}{MOW}\ndef f(): f()\nf()\n", "RecursionError"),
    "encoding": (f"# coding: no-such\n{HEAD}{MOW}", "encoding"),
}
NAMINGS = {
    "@task_handler\ndef mow(task): ...": "mow",
    "@task_handler()\nasync def mow(task): ...": "mow",
    "@task_handler('lawn', retries=1)\ndef mow(task): ...": "lawn",
    "import app.jobs\n@app.jobs.task_handler('lawn')\ndef mow(task): ...": "lawn",
    "from app.jobs import task_handler as handler\n@handler\ndef mow(task): ...": "mow",
    "@other\n@task_handler\ndef mow(task): ...": "mow",
    "@task_handler(\n    'lawn',\n)\n@other\ndef mow(task): ...\n if:": "lawn",
    "@task_handler\n@other\ndef mow(task:\n": "mow",
    "def helps(): ...": "",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an importable package `theirs` with one handler `rake`."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "rake.py").write_text(HEAD + MOW.replace("mow", "rake"))
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [each for each in sys.modules if each.split(".")[0] == "theirs"]:
        del sys.modules[name]


def found(*packages: str) -> Registry:
    registry = Registry()
    registry.discover(packages)
    return registry


@pytest.mark.parametrize("kind", KINDS)
def test_a_module_that_fails_takes_nothing_else_with_it(package: Path, kind: str) -> None:
    source, said = KINDS[kind]
    (package / "mow.py").write_text(source)
    registry = found("theirs")
    assert [handler.name for handler in registry] == ["rake"]
    failure = registry.broken["mow"]
    assert registry.failures == [failure]
    assert failure.module == "theirs.mow"
    assert said in failure.error
    assert failure.sentence.startswith("The handler module 'theirs.mow' cannot be loaded: ")
    assert failure.sentence.endswith(". Mend it, or take it out of JOBDECK_HANDLERS.")
    assert "importlib" not in failure.traceback
    assert "discovery.py" not in failure.traceback


@pytest.mark.parametrize("source", NAMINGS)
def test_the_names_of_broken_handlers_are_known(package: Path, source: str) -> None:
    (package / "mow.py").write_text(f"{source}\nnothing\n")
    registry = found("theirs")
    assert registry.failures
    assert "".join(registry.broken) == NAMINGS[source]


def test_a_traceback_says_where_it_is(package: Path) -> None:
    (package / "mow.py").write_text("def f():\n    return 1 / 0\n\n\nf()\n")
    (failure,) = found("theirs").failures
    assert failure.traceback.startswith("Traceback (most recent call last):\n")
    assert 'theirs/mow.py", line 2, in f' in failure.traceback
    assert failure.traceback.endswith("ZeroDivisionError: division by zero\n")


def test_a_package_that_fails_breaks_all_handlers_in_it(package: Path) -> None:
    (package / "__init__.py").write_text("nothing")
    registry = found("theirs", "app.handlers")
    assert "rake" in registry.broken
    assert "example_job_handler" in registry


@pytest.mark.parametrize("name", ["nowhere_to_be_found", "theirs.missing", ".theirs", "1 2"])
def test_a_module_that_is_nowhere_is_named(package: Path, name: str) -> None:
    registry = found(name, "theirs")
    assert [failure.module for failure in registry.failures] == [name]
    assert not registry.broken
    assert "rake" in registry


def test_of_two_handlers_of_one_name_neither_is_taken(package: Path) -> None:
    (package / "again.py").write_text(HEAD + MOW.replace("mow", "rake"))
    (package / "mow.py").write_text(HEAD + MOW)
    registry = found("theirs")
    assert [handler.name for handler in registry] == ["mow"]
    assert registry.broken["rake"].sentence == (
        "Two handlers are named 'rake', in theirs.again and theirs.rake; rename one of them."
    )


def test_a_module_that_is_named_twice_is_one(package: Path) -> None:
    registry = found("theirs", "theirs.rake", "theirs")
    assert [handler.name for handler in registry] == ["rake"]
    assert not registry.failures


def test_a_handler_that_works_elsewhere_is_not_broken(package: Path) -> None:
    (package / "again.py").write_text(f"{HEAD}{MOW.replace('mow', 'rake')}nothing\n")
    registry = found("theirs")
    assert "rake" in registry
    assert not registry.broken
    assert registry.failures


def test_a_package_without_a_file_of_its_own_has_components(package: Path) -> None:
    (package / "__init__.py").unlink()
    (package / "components").mkdir()
    registry = found("theirs")
    assert "rake" in registry
    assert registry.component_folders == [package / "components"]


def test_asking_for_a_broken_handler_says_that_it_is(package: Path) -> None:
    (package / "mow.py").write_text(f"{HEAD}{MOW}nothing\n")
    registry = found("theirs")
    with pytest.raises(BrokenHandler, match="'mow' is broken: its code cannot be loaded"):
        registry["mow"]
    with pytest.raises(UnknownHandler, match="no handler named 'sow'"):
        registry["sow"]


def test_ctrl_c_is_no_failure(package: Path) -> None:
    (package / "mow.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        found("theirs")


def test_failures_are_logged(package: Path, caplog: pytest.LogCaptureFixture) -> None:
    (package / "mow.py").write_text(f"{HEAD}{MOW}nothing\n")
    found("theirs").log_failures()
    assert "'theirs.mow' cannot be loaded: NameError" in caplog.text
    assert "line 5" in caplog.text
