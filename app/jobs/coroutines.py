"""Handlers and callbacks that are `async def`: an event loop for each of them, in its thread."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from app.fork_safety import ForkGuard
from app.jobs.call import Call
from app.jobs.errors import BadHandler, TaskCancelled, TaskLost, TaskTimedOut

_PLAIN: Final = frozenset({type(None), dict, list, str, int, float, bool})
_ASYNCIO: Final = str(Path(asyncio.__file__).parent)


def result_of(returned: Any, call: Call, *, hear_cancel: Callable[[], None] = lambda: None) -> Any:
    """Return what a handler or a callback has returned, run to its end if that is a coroutine.

    The coroutine is cancelled when the job is cancelled, or its time is over; `hear_cancel` is
    called just before. Its pending tasks and asynchronous generators are closed at the end.
    """
    if type(returned) in _PLAIN:  # as nearly always; to ask inspect takes 2 us
        return returned
    if inspect.isawaitable(returned):
        return _run(returned, call, hear_cancel)
    if inspect.isgenerator(returned) or inspect.isasyncgen(returned):
        raise BadHandler(
            "It returned a generator, none of whose code has run. Use return in place of yield."
        )
    return returned


def _run(awaitable: Awaitable[Any], call: Call, hear_cancel: Callable[[], None]) -> Any:
    try:
        with asyncio.Runner() as runner:
            return runner.run(_cancellable(awaitable, call, hear_cancel))
    except asyncio.CancelledError:
        if reason := _reason(call):
            raise reason from None
        raise
    except BaseExceptionGroup as group:
        # What tasks of a group have heard arrives in a group, too.
        reason = _reason(call)
        if reason and group.subgroup((TaskCancelled, TaskLost, TaskTimedOut)):
            raise reason from group
        raise


def is_frame_of_loop(file: str) -> bool:
    """Tell whether a file of a traceback only runs coroutines, and tells their author nothing."""
    return file == __file__ or file.startswith(_ASYNCIO)


async def _cancellable(
    awaitable: Awaitable[Any], call: Call, hear_cancel: Callable[[], None]
) -> Any:
    loop, main = asyncio.get_running_loop(), asyncio.current_task()
    assert main is not None

    def cancel() -> None:
        hear_cancel()
        main.cancel()

    def hear() -> None:
        with suppress(RuntimeError):  # it has just ended, and its loop is closed
            loop.call_soon_threadsafe(cancel)

    with call.listening(hear), ForkGuard():
        return await awaitable


def _reason(call: Call) -> BaseException | None:
    """Return why a coroutine was cancelled, as a handler that is no coroutine hears it.

    None: nobody but itself has done so.
    """
    if call.lost:
        return TaskLost()
    if call.timed_out:
        return TaskTimedOut()
    return TaskCancelled() if call.cancelled else None


def refuse_generator(what: str, function: object) -> None:
    """Raise BadHandler for a function that makes something of which nothing would ever run.

    `what` begins the sentence, as in "The handler 'count_words'".
    """
    if any(map(inspect.isgeneratorfunction, _functions(function))):
        raise BadHandler(f"{what} is a generator: none of its code would run. Remove its yield.")
    if any(map(inspect.isasyncgenfunction, _functions(function))):
        raise BadHandler(
            f"{what} is an asynchronous generator: none of its code would run. Remove its yield."
        )


def refuse_async(what: str, function: object) -> None:
    """Raise BadHandler for an `async def` where items are made one after another."""
    is_async = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    if any(look(each) for each in _functions(function) for look in is_async):
        raise BadHandler(
            f"{what} is async. Make it a plain generator: def, with yield for each task. "
            "The handler itself and its callbacks may be async."
        )


def _functions(function: object) -> list[Any]:
    """Return a function with all that it only passes its call on to: of a partial, of a method,
    of an object that can be called, of a decorator."""
    found: list[Any] = []
    while function is not None and function not in found:
        found.append(function)
        if isinstance(function, functools.partial | functools.partialmethod):
            function = function.func
        elif isinstance(function, staticmethod | classmethod) or inspect.ismethod(function):
            function = function.__func__
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif inspect.isroutine(function) or isinstance(function, type):
            function = None
        else:
            function = inspect.getattr_static(type(function), "__call__", None)
    return found
