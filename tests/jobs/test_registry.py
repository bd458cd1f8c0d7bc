"""Handlers: how they are declared, found, and told what is wrong with them (A3, Q1)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel, Field, RootModel, model_validator

from app.config import Settings
from app.db import Database
from app.jobs import Engine, Handler, Preview, Registry, Task, task_handler
from app.jobs.errors import BadHandler, InvalidParams
from tests.jobs.conftest import Engines
from tests.jobs.looking import done

MODULE = '''
from app.jobs import task_handler


@task_handler
def {name}(task):
    """Do {name}."""
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an importable package `theirs` with one handler module."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "mow.py").write_text(MODULE.format(name="mow"))
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [each for each in sys.modules if each.split(".")[0] == "theirs"]:
        del sys.modules[name]


def found(*packages: str) -> list[str]:
    registry = Registry()
    registry.discover(packages)
    return [handler.name for handler in registry]


def test_a_function_becomes_a_handler_by_decoration() -> None:
    @task_handler
    def mow_lawn(task: Task) -> None:
        """Mow the lawn,
        all of it.

        Not the roses.
        """

    assert isinstance(mow_lawn, Handler)
    assert (mow_lawn.name, mow_lawn.title) == ("mow_lawn", "Mow lawn")
    assert mow_lawn.description == "Mow the lawn, all of it."
    assert (mow_lawn.parallel_limit, mow_lawn.concurrency_limit) == (3, 1)


def test_a_handler_may_have_another_name_and_options() -> None:
    @task_handler("lawn", parallel_limit=None, roles={"start": "operator"}, icon="leaf")
    def mow(task: Task) -> None: ...

    assert (mow.name, mow.parallel_limit, mow.roles) == ("lawn", None, {"start": "operator"})
    assert (mow.icon, mow.description) == ("leaf", "")


@pytest.mark.parametrize("limit", [0, -1, 1.5, "3", True])
@pytest.mark.parametrize("which", ["parallel_limit", "concurrency_limit"])
def test_a_limit_is_a_whole_number_from_1_or_none(which: str, limit: object) -> None:
    options: dict[str, Any] = {which: limit}
    with pytest.raises(BadHandler, match=f"{which} of handler 'x' is .* from 1 up, or None"):
        Handler(name="x", run=print, **options)


def test_roles_name_actions_and_roles_that_exist() -> None:
    with pytest.raises(BadHandler, match=r"name \['fly'\]; the actions are manage, start, view"):
        Handler(name="x", run=print, roles={"fly": "viewer"})
    with pytest.raises(BadHandler, match=r"name \['king'\]; the roles are operator, superadmin"):
        Handler(name="x", run=print, roles={"start": "king"})


@pytest.mark.parametrize("params", [3, {"n": int}, list[int], NamedTuple("Given", [("n", int)])])
def test_params_that_are_no_model_are_refused(params: Any) -> None:
    with pytest.raises(BadHandler, match=r"'x' are .*must be a class that derives from pydantic"):
        Handler(name="x", run=print, params=params)


def test_params_have_names() -> None:
    with pytest.raises(BadHandler, match=r"'x' are RootModel.*Make it a field of a BaseModel"):
        Handler(name="x", run=print, params=RootModel[list[str]])


def test_modules_of_a_package_are_found(package: Path) -> None:
    (package / "rake.py").write_text("from theirs.mow import mow\n" + MODULE.format(name="rake"))
    assert found("theirs") == ["mow", "rake"]
    assert found("theirs.mow") == ["mow"]


def test_handlers_of_settings_stand_beside_our_own(package: Path, database: Database) -> None:
    (package / "components").mkdir()
    engine = Engine(database, Settings(handlers=("theirs",), data_dir=package))
    assert {"mow", "example_job_handler", "checksum_files"} <= {
        each.name for each in engine.registry
    }
    assert package / "components" in engine.registry.component_folders


def test_handlers_of_installed_plugins_are_found(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("x", "theirs.mow:mow", "jobdeck.handlers")
    monkeypatch.setattr("app.jobs.discovery.entry_points", lambda group: [point])
    assert found() == ["mow"]


def test_a_handler_may_be_registered_by_a_call(engines: Engines) -> None:
    engine = engines(runs=False)
    engine.register_task_handler("mow", lambda task: task.index, parallel_limit=1)
    engine.register_task_details_component("mow", "lawn.html")
    assert engine.registry["mow"].component == "lawn.html"
    assert "mow" in engine.registry
    with pytest.raises(BadHandler, match="Two handlers"):
        engine.register_task_handler("mow", print)
    engine.run()
    done(engine, engine.start("mow"))


class Params(BaseModel):
    count: int = Field(3, ge=0)
    words: list[str] = []

    @model_validator(mode="after")
    def _fits(self) -> Params:
        if len(self.words) > self.count:
            raise ValueError("there are more words than tasks")
        return self


def test_what_is_wrong_is_said_for_each_field_and_for_the_whole() -> None:
    handler = Handler(name="x", run=print, params=Params)
    with pytest.raises(InvalidParams) as refused:
        handler.validate_params({"count": "many", "words": ["a", 1]})
    assert list(refused.value.fields) == ["count", "words"]
    assert refused.value.fields["words"] == ["1: Input should be a valid string."]
    with pytest.raises(InvalidParams) as refused:
        handler.validate_params({"count": 0, "words": ["a"]})
    assert refused.value.fields == {"": ["there are more words than tasks."]}
    assert str(refused.value) == "params: there are more words than tasks."


def handler_of(count: int) -> Handler:
    return Handler(name="x", run=print, make_tasks=lambda _: ({} for _ in range(count)))


def test_a_preview_counts_the_tasks_and_stores_nothing(engines: Engines) -> None:
    engine = engines(handler_of(7), runs=False)
    assert engine.preview("x", {}) == Preview(7, False)
    assert engine.jobs() == []
    assert handler_of(9_999).preview({}) == Preview(9_999, False)
    assert Handler(name="x", run=print).preview({}) == Preview(1, False)


def test_a_preview_stops_at_10_000_tasks_and_after_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert handler_of(10_001).preview({}) == Preview(10_000, True)
    monkeypatch.setattr("app.jobs.registry.PREVIEW_SECONDS", -1)
    assert handler_of(5).preview({}) == Preview(1, True)


def test_who_may_do_what_is_known_of_every_handler_that_was_ever_declared(
    engines: Engines,
) -> None:
    gone = Handler(name="gone", run=print, roles={"view": "superadmin"})
    changed = Handler(name="mow", run=print, roles={"start": "superadmin"})
    engine = engines(gone, changed, runs=False)
    for name in ("gone", "mow"):
        engine.start_new_job("x", None, [], name)
    now = engines(Handler(name="mow", run=print, roles={"view": "operator"}), runs=False)
    assert now.roles() == {"gone": {"view": "superadmin"}, "mow": {"view": "operator"}}
