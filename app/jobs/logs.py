"""Lines of a task's log: how they are formatted, and how Python's logging comes among them."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from app.jobs.errors import TaskTimedOut

#: Takes a line: its level's name, and its text.
Take = Callable[[str, str], None]

#: The application's own loggers are no handler's. Those that are, and what speaks to their authors:
_OWN: Final = "app."
_OF_AUTHORS: Final = ("app.handlers", "app.resources", "app.demo", "app.flask_sessions")

_take: ContextVar[Take | None] = ContextVar("jobdeck_log", default=None)


def text_of(message: object, args: tuple[Any, ...]) -> str:
    """Return a message with its arguments as logging formats it; whatever they are, it is a text.

    Where they do not fit, the message stays as it is, with the arguments behind it.
    """
    said = _shown(message, str)
    if not args:
        return said
    first = args[0]
    values: Any = first if len(args) == 1 and isinstance(first, Mapping) and first else args
    try:
        return str(said % values)
    except Exception:  # noqa: BLE001 - whatever an argument raises when it is shown
        return " ".join([said, *(_shown(each, repr) for each in args)])


def level_name(level: object) -> str:
    """Return the name of a level that is given by its name or its number."""
    name = logging.getLevelName(level) if isinstance(level, int) else level
    return _shown(name, str).upper()


def _shown(value: object, show: Callable[[object], str]) -> str:
    try:
        return show(value)
    except Exception:  # noqa: BLE001 - whatever its author wrote
        return f"<{type(value).__name__} that cannot be shown>"


class Capture:
    """Let Python's logging of this context, and of what has it from here, go to a task's log.

    Entered once for each try: a generator as a context manager takes three times as long.
    """

    __slots__ = ("_is_open", "_take", "_token")

    def __init__(self, take: Take) -> None:
        self._take = take

    def __enter__(self) -> None:
        self._is_open = True
        self._token = _take.set(self._take_while_open)
        _installed.restore()

    def __exit__(self, *_: object) -> None:
        self._is_open = False
        _take.reset(self._token)

    def _take_while_open(self, level: str, text: str) -> None:
        if self._is_open:
            self._take(level, text)


class TaskLogHandler(logging.Handler):
    """Gives what is logged in a handler to the log of its task.

    It stands at the root logger, and holds no lock: what it gives to may wait for the journal,
    which logs as well.
    """

    def __init__(self, level: int) -> None:
        super().__init__()
        self._least = level

    def handle(self, record: logging.LogRecord) -> bool:
        """Emit a record without a lock."""
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Give a record to the task in whose context it was logged, if any."""
        take = _take.get()
        if take is not None and record.levelno >= self._least and _is_of_author(record.name):
            # What is logged while the record is shown, or stored, must not come here again.
            token = _take.set(None)
            try:
                take(level_name(record.levelname), _text_of_record(record))
            except (Exception, TaskTimedOut):  # noqa: BLE001 - a line of a log never fails a task
                pass
            finally:
                _take.reset(token)
        _print_as_before(record, self)


def _is_of_author(name: str) -> bool:
    return not name.startswith(_OWN) or name.startswith(_OF_AUTHORS)


def _text_of_record(record: logging.LogRecord) -> str:
    args = record.args if isinstance(record.args, tuple) else (record.args,)
    parts = [text_of(record.msg, args if record.args else ())]
    if record.exc_info and record.exc_info[0]:
        parts += ["".join(_traceback_of(record.exc_info)).rstrip()]
    elif record.exc_text:
        parts += [record.exc_text]
    if record.stack_info:
        parts += [record.stack_info]
    return "\n".join(parts)


def _traceback_of(exc_info: Any) -> list[str]:
    try:
        return traceback.format_exception(*exc_info)
    except Exception:  # noqa: BLE001 - whatever its author wrote
        return [f"{exc_info[0].__name__} (its traceback cannot be shown)"]


def _print_as_before(record: logging.LogRecord, handler: logging.Handler) -> None:
    """Print what Python prints of a record that no other handler takes."""
    last = logging.lastResort
    if last is None or record.levelno < last.level:
        return
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger:
        if any(each is not handler for each in logger.handlers):
            return
        logger = logger.parent if logger.propagate else None
    last.handle(record)


class _Installed:
    """The handler at the root logger, as long as some engine of the process runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engines = 0
        self._undo: list[Callable[[], None]] = []
        self._handler: TaskLogHandler | None = None

    def add(self, level: int) -> None:
        """Install it for the first engine. What the others at the root print stays as it is."""
        with self._lock:
            self._engines += 1
            if self._engines > 1:
                return
            root, before = logging.getLogger(), logging.getLogger().level
            if before > level:
                for each in [each for each in root.handlers if each.level < before]:
                    self._undo.append(_set_level(each, before))
                self._undo.append(_set_level(root, level))
            self._handler = TaskLogHandler(level)
            root.addHandler(self._handler)
            self._undo.append(self._remove_handler)

    def restore(self) -> None:
        """Put it back where somebody has configured logging anew, and so taken it away."""
        handler = self._handler
        if handler is not None and handler not in logging.getLogger().handlers:
            with self._lock:
                if self._handler is not None:
                    logging.getLogger().addHandler(self._handler)

    def _remove_handler(self) -> None:
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
            self._handler = None

    def remove(self) -> None:
        """Take it away with the last one, and leave everything as it was."""
        with self._lock:
            self._engines -= 1
            while not self._engines and self._undo:
                self._undo.pop()()


def _set_level(what: logging.Logger | logging.Handler, level: int) -> Callable[[], None]:
    before = what.level
    what.setLevel(level)

    def undo() -> None:
        if what.level == level:  # nobody has set it since
            what.setLevel(before)

    return undo


_installed = _Installed()


@contextmanager
def installed(level: str) -> Iterator[None]:
    """Let logging of at least this level, by its name, reach the logs of tasks. OFF: none does."""
    if level == "OFF":
        yield
        return
    _installed.add(logging.getLevelNamesMapping()[level])
    try:
        yield
    finally:
        _installed.remove()
