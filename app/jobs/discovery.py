"""Import the modules in which handlers are declared, and say which of them cannot be loaded.

One that fails takes nothing else with it: the others' handlers work, and its own are known by name.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
import re
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Final

from app.jobs.errors import BadHandler, sentence_of

LONGEST_ERROR: Final = 500
#: A declaration in a source that cannot be parsed: its decorator, with others below, its function.
_DECLARED: Final = re.compile(
    r"^@\s*(?:\w+\s*\.\s*)*task_handler\b(?:\s*\(\s*(?P<quote>['\"])(?P<name>[^'\"\n]+)(?P=quote))?"
    r".*?^\s*(?:async\s+)?def\s+(?P<function>\w+)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class LoadFailure:
    """Handlers that are broken, as far as their names can be known, and why."""

    module: str
    handlers: tuple[str, ...] = ()
    error: str
    traceback: str = ""

    @property
    def sentence(self) -> str:
        """The error with what to do."""
        own = self.module.partition(".")[0] == "app"
        elsewhere = "remove it" if own else "take it out of JOBDECK_HANDLERS"
        said = f"The handler module {self.module!r} cannot be loaded: {self.error.rstrip('.')}"
        return f"{said}. Mend it, or {elsewhere}."


@dataclass(frozen=True, kw_only=True)
class DuplicateName(LoadFailure):
    """Handlers of one name, of which none can be chosen."""

    @property
    def sentence(self) -> str:
        """The error, which says what to do."""
        return self.error


@dataclass(frozen=True)
class Loaded:
    """The modules that could be imported, what failed, and folders of components beside them."""

    modules: list[ModuleType] = field(default_factory=list)
    failures: list[LoadFailure] = field(default_factory=list)
    component_folders: list[Path] = field(default_factory=list)


def load_modules(names: Iterable[str]) -> Loaded:
    """Import modules, packages with all modules in them, and installed plugins."""
    loaded = Loaded()
    plugins = entry_points(group="jobdeck.handlers")
    for name in (*names, *(point.value.partition(":")[0].strip() for point in plugins)):
        package = _load(name, loaded)
        if package is None:
            continue
        for found in pkgutil.iter_modules(getattr(package, "__path__", [])):
            _load(f"{package.__name__}.{found.name}", loaded)
        loaded.component_folders.extend(_component_folders(package))
    return loaded


def duplicate(name: str, modules: Iterable[str]) -> LoadFailure:
    """Return the failure of handlers that have the same name."""
    places = " and ".join(dict.fromkeys(modules))
    said = f"Two handlers are named {name!r}, in {places}; rename one of them."
    return DuplicateName(module=places, handlers=(name,), error=said)


def _load(name: str, loaded: Loaded) -> ModuleType | None:
    try:
        module = importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever its author wrote, such as sys.exit()
        loaded.failures.append(_failure(name, error))
        return None
    if module not in loaded.modules:
        loaded.modules.append(module)
    return module


def _failure(module: str, error: BaseException) -> LoadFailure:
    said = str(error) if isinstance(error, BadHandler) else sentence_of(error)
    return LoadFailure(
        module=module,
        handlers=tuple(dict.fromkeys(_names_in(module))),
        error=said if len(said) <= LONGEST_ERROR else f"{said[:LONGEST_ERROR]}…",
        traceback=_traceback_of(error),
    )


def _traceback_of(error: BaseException) -> str:
    """Write the traceback without the frames of the import system."""
    told = traceback.TracebackException.from_exception(error)
    own = (__file__, importlib.__file__)
    frames = [
        frame
        for frame in told.stack
        if frame.filename not in own and not frame.filename.startswith("<frozen ")
    ]
    told.stack = traceback.StackSummary.from_list(frames)
    return "".join(told.format())


def _component_folders(package: ModuleType) -> Iterator[Path]:
    beside = [str(Path(package.__file__).parent)] if package.__file__ else package.__path__
    for folder in beside:
        if (found := Path(folder) / "components").is_dir():
            yield found


def _names_in(module: str) -> Iterator[str]:
    """The names of the handlers that a module would declare, or the modules of a package."""
    for source in _sources_of(module):
        try:
            text = source.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        try:
            yield from _names_in_tree(ast.parse(text))
        except (SyntaxError, ValueError, RecursionError):
            for found in _DECLARED.finditer(text):
                yield found["name"] or found["function"]


def _sources_of(module: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(module)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - its package cannot be imported, for any reason
        return []
    if spec is None:
        return []
    folders = spec.submodule_search_locations or ()
    inside = [path for folder in folders for path in sorted(Path(folder).glob("*.py"))]
    return inside or ([Path(spec.origin)] if spec.origin else [])


def _names_in_tree(tree: ast.Module) -> Iterator[str]:
    called = {"task_handler"} | {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == "task_handler" and alias.asname
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if _last_name(decorator) in called:
                    yield _given_name(decorator) or node.name


def _last_name(decorator: ast.expr) -> str:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _given_name(decorator: ast.expr) -> str:
    given = decorator.args if isinstance(decorator, ast.Call) else []
    first = given[0] if given else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
