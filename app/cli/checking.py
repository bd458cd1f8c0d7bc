"""`jobdeck check`: load all that people have written, and say what is wrong with it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from jinja2 import Environment, TemplateSyntaxError

from app.admin.form import form_for
from app.cli.saying import as_json, write_json
from app.config import BadSetting, Settings
from app.jobs import Handler, Registry
from app.jobs.errors import sentence_of
from app.resources import all_resources
from app.web.components import OWN


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that will not work: of which module, handler, file or setting, and why."""

    name: str
    message: str
    traceback: str = ""


@click.command()
@as_json
def check(as_json: bool) -> None:
    """Load every handler, component and resource; exit with 1 when one of them will not work.

    It asks no database and starts nothing.
    """
    with contextlib.redirect_stdout(sys.stderr):  # for a module may print what it likes
        handlers, problems = _checked()
    if as_json:
        write_json({"ok": not problems, "problems": [asdict(each) for each in problems]})
    else:
        for each in problems:
            click.echo(each.message)
        if not problems:
            click.echo(f"All is well: {handlers} handlers can be used.")
    sys.exit(1 if problems else 0)


def _checked() -> tuple[int, list[Problem]]:
    registry = Registry()
    try:
        registry.discover(Settings.from_environment().handler_modules)
    except BadSetting as error:
        return 0, [Problem(name="settings", message=str(error))]
    problems = [
        *(
            Problem(name=each.module, message=each.sentence, traceback=each.traceback)
            for each in registry.failures
        ),
        *(problem for handler in registry for problem in _of_handler(handler, registry)),
        *_of_components([*registry.component_folders, OWN]),
        *_of_resources(),
    ]
    return len(list(registry)), problems


def _of_handler(handler: Handler, registry: Registry) -> Iterator[Problem]:
    """Check what is made of its declaration later on."""
    try:
        form_for(handler.params)
    except Exception as error:  # noqa: BLE001 - whatever the author's model raises
        said = f"The form of handler {handler.name!r} cannot be made: {sentence_of(error)}"
        yield Problem(name=handler.name, message=said)
    folders = [*registry.component_folders, OWN]
    if handler.component and not any((each / handler.component).is_file() for each in folders):
        said = f"The handler {handler.name!r} names a component {handler.component!r}, which is in "
        yield Problem(name=handler.name, message=f"{said}no folder of components.")


def _of_components(folders: Iterable[Path]) -> Iterator[Problem]:
    for path in sorted(path for folder in set(folders) for path in folder.rglob("*.html")):
        try:
            Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))
        except TemplateSyntaxError as error:
            said = f"The component {path.name!r} is broken in line {error.lineno}: {error.message}"
            yield Problem(name=str(path), message=said)
        except (OSError, ValueError) as error:
            said = f"The component {path.name!r} cannot be read: {sentence_of(error)}"
            yield Problem(name=str(path), message=said)


def _of_resources() -> Iterator[Problem]:
    try:
        all_resources()
    except Exception as error:  # noqa: BLE001 - whatever its author wrote
        yield Problem(name="resources", message=f"A resource is broken: {sentence_of(error)}")
