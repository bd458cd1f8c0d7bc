"""The application's context around what its authors write: handlers, callbacks, generators.

The core is handed what makes such a context, and knows nothing of what it is.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final, TypeVar

from app.fork_safety import ForkGuard
from app.jobs.call import Call
from app.jobs.errors import TaskTimedOut

#: Makes a context to enter. If it has a method `end(error)`, that is called from another thread
#: when a try takes too long: nothing that the code does from then on may count.
Within = Callable[[], AbstractContextManager[object]]
Item = TypeVar("Item")

_END: Final[Any] = object()


def entered(within: Within, call: Call) -> AbstractContextManager[object]:
    """Enter a context for a try, and end it as soon as the time of the try is over."""
    context = within()
    end = getattr(context, "end", None)
    return _Guarded(context) if end is None else _ending(context, end, call)


class _Guarded:
    """A context in which a forked child ends where the code ends that forked it."""

    __slots__ = ("_context", "_guard")

    def __init__(self, context: AbstractContextManager[object]) -> None:
        self._context, self._guard = context, ForkGuard()

    def __enter__(self) -> None:
        self._context.__enter__()
        self._guard.__enter__()

    def __exit__(self, *error: Any) -> bool | None:
        self._guard.__exit__(*error)
        return self._context.__exit__(*error)


@contextmanager
def _ending(
    context: AbstractContextManager[object], end: Callable[[BaseException], None], call: Call
) -> Iterator[None]:
    def hear() -> None:
        if call.timed_out:
            end(TaskTimedOut())

    with context, call.listening(hear), ForkGuard():
        yield


def each_within(within: Within, items: Callable[[], Iterator[Item]]) -> Iterator[Item]:
    """Make items in a context of their own, which is left while one of them is handed on.

    Whoever takes them, a web request for one, is in its own context in between.
    """
    own, stack = contextvars.copy_context(), ExitStack()

    def begin() -> Iterator[Item]:
        stack.enter_context(within())
        with ForkGuard():
            made = items()
        stack.callback(getattr(made, "close", lambda: None))
        return made

    try:
        made = own.run(begin)
        while (item := own.run(_next, made)) is not _END:
            yield item
    except BaseException as error:
        own.run(stack.__exit__, type(error), error, error.__traceback__)
        raise
    own.run(stack.close)


def _next(made: Iterator[Item]) -> Item:
    with ForkGuard():
        return next(made, _END)
