"""Handlers and callbacks may be `async def`: they run, and are cancelled like all others."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from app.jobs import Engine, Handler, JobStatus, Task, TaskStatus, task_handler
from app.jobs.errors import BadHandler, TaskCancelled, TaskTimedOut
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.hooked import Hooked, over
from tests.jobs.looking import blank, done, ended, statuses

FREE: dict[str, Any] = {"parallel_limit": None, "concurrency_limit": None}


def start(engines: Engines, run: Callable[[Task], Any], tasks: int = 1, **more: Any) -> Any:
    """An engine, and a job of these tasks."""
    engine = engines(Handler(name="work", run=run, **FREE | more))
    return engine, engine.start_new_job("x", None, blank(tasks), "work")


async def double(task: Task) -> int:
    """Do what a coroutine does, in between."""
    task.set_state_field("step", 1)
    await asyncio.sleep(0)
    task.job.update_fields_atomically(lambda state: state.update(n=state.get("n", 0) + 1))
    await asyncio.to_thread(task.flush)
    both = await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, task.index))
    return sum(both)


class Called:
    """An object whose call is a coroutine."""

    async def __call__(self, task: Task) -> int:
        """Do the same."""
        return await double(task)

    async def method(self, task: Task) -> int:
        """Do the same."""
        return await double(task)

    @classmethod
    async def of_class(cls, task: Task) -> int:
        """Do the same."""
        return await double(task)


@functools.wraps(double)
def decorated(*given: Any) -> Awaitable[int]:
    """Pass the call on."""
    return double(*given)


@pytest.mark.parametrize(
    "run",
    [
        double,
        decorated,
        Called(),
        Called().method,
        Called.of_class,
        functools.partial(double),
        lambda task: double(task),
    ],
)
def test_a_coroutine_runs_to_its_end(engines: Engines, run: Callable[[Task], Any]) -> None:
    engine, job_id = start(engines, run, 8)
    assert done(engine, job_id).state == {"n": 8}
    found = engine.tasks(job_id, limit=9)
    assert [(each.result, each.state) for each in found] == [(n + 1, {"step": 1}) for n in range(8)]


def test_a_coroutine_that_fails_tells_where(engines: Engines) -> None:
    async def inner() -> None:
        raise ValueError("too deep")

    async def run(task: Task) -> None:
        await inner()

    engine, job_id = start(engines, run, retries=1, retry_delay=0.01)
    ended(engine, job_id)
    task = engine.task(job_id, 0)
    assert (task.status, task.error, len(task.attempts)) == ("FAILED", "ValueError: too deep", 2)
    traceback = task.attempts[0].traceback
    assert traceback.splitlines()[1].strip().startswith(f'File "{__file__}"')
    assert "asyncio" not in traceback


async def for_ever(task: Task) -> None:
    """Wait for what never comes."""
    await asyncio.get_running_loop().create_future()


async def grouped(task: Task) -> None:
    """Let two others wait."""
    async with asyncio.TaskGroup() as group:
        group.create_task(for_ever(task))
        group.create_task(for_ever(task))


async def deep_in_a_thread(task: Task) -> None:
    """Wait in a thread, which hears of it by its task."""
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(task.sleep, 60))


async def by_its_task(task: Task) -> None:
    """Wait, and let nobody else in the loop go on."""
    task.sleep(60)


WAITING = [for_ever, grouped, deep_in_a_thread, by_its_task]


@pytest.mark.parametrize("run", WAITING)
def test_a_cancel_reaches_a_coroutine(engines: Engines, run: Callable[[Task], Any]) -> None:
    engine, job_id = start(engines, run, 4)
    eventually(lambda: engine.job(job_id).in_progress == 4)
    engine.cancel(job_id)
    assert ended(engine, job_id, within=5).status == JobStatus.CANCELLED
    assert statuses(engine, job_id) == [TaskStatus.CANCELLED] * 4


@pytest.mark.parametrize("run", WAITING)
def test_a_timeout_reaches_a_coroutine(engines: Engines, run: Callable[[Task], Any]) -> None:
    engine, job_id = start(engines, run, 4, timeout=0.1)
    assert ended(engine, job_id, within=5).failed == 4
    assert "its timeout" in (engine.task(job_id, 0).error or "")
    eventually(lambda: not engine._running._deadlines._running)
    assert engine.hung == 0


def test_after_a_cancel_a_coroutine_may_tidy_up(engines: Engines) -> None:
    heard, begun = list[str](), threading.Event()

    async def generate() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                await asyncio.sleep(0)
        finally:
            heard.append("generator closed")

    async def aside() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            heard.append("pending task cancelled")
            raise

    async def run(task: Task) -> None:
        pending = asyncio.create_task(aside())
        begun.set()
        try:
            async for _ in generate():
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            task.set_state_field("tidy", True)
            assert not pending.done()
            raise

    engine, job_id = start(engines, run)
    assert begun.wait(5)
    engine.cancel(job_id)
    ended(engine, job_id)
    found = engine.task(job_id, 0).state, sorted(heard)
    assert found == ({"tidy": True}, ["generator closed", "pending task cancelled"])


def test_what_cancels_itself_has_failed(engines: Engines) -> None:
    async def run(task: Task) -> None:
        inner = asyncio.create_task(asyncio.sleep(60))
        inner.cancel()
        await inner

    engine, job_id = start(engines, run)
    assert ended(engine, job_id).failed == 1
    assert (engine.task(job_id, 0).error or "").startswith("CancelledError")


def test_an_engine_that_stops_ends_what_awaits(engines: Engines) -> None:
    ends: list[str] = []
    begun = threading.Event()

    async def run(task: Task) -> None:
        begun.set()
        try:
            await for_ever(task)
        finally:
            ends.append("ended")

    engine, _ = start(engines, run)
    assert begun.wait(5)
    engine.begin_stop()
    engine.stop()
    eventually(lambda: ends)


def test_callbacks_may_be_coroutines(engines: Engines) -> None:
    async def before(job: Any, attempt: int) -> None:
        await asyncio.sleep(0)
        if attempt == 1:
            job.add_tasks(blank(1))

    async def after(job: Any) -> None:
        await asyncio.sleep(0)
        job.set_state_field("after", True)

    engine = engines(Hooked(before, after))
    job = over(engine, engine.start_new_job("x", None, blank(1), "work"))
    assert (job.status, job.done, job.state) == (JobStatus.DONE, 2, {"after": True})


def waiting_callback(engines: Engines, **more: Any) -> tuple[Engine, int]:
    """A job whose callback awaits what never comes."""
    begun = threading.Event()

    async def before(job: Any, attempt: int) -> None:
        begun.set()
        await asyncio.get_running_loop().create_future()

    engine = engines(Hooked(before, **more))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    assert begun.wait(20)
    return engine, job_id


def test_a_timeout_reaches_a_callback(engines: Engines) -> None:
    engine, job_id = waiting_callback(engines, timeout=0.1)
    job = over(engine, job_id)
    assert (job.status, "its timeout" in (job.error or "")) == (JobStatus.DONE_WITH_ERRORS, True)
    eventually(lambda: not engine._running._deadlines._running)  # type: ignore[union-attr]
    assert engine.hung == 0


def test_a_cancel_reaches_a_callback(engines: Engines) -> None:
    engine, job_id = waiting_callback(engines)
    engine.cancel(job_id)
    job = over(engine, job_id)
    assert (job.status, job.error) == (JobStatus.CANCELLED, None)


# What cannot run is refused when it is declared --------------------------------------------------


def generator(*_: Any) -> Iterator[dict[str, Any]]:
    """Make something."""
    yield {}


async def async_generator(*_: Any) -> AsyncIterator[dict[str, Any]]:
    """Make something, now and then."""
    yield {}


async def coroutine(*_: Any) -> list[dict[str, Any]]:
    """Make something later."""
    return [{}]


def made_of(function: Callable[..., Any]) -> list[Any]:
    """The same function in every form in which it may be given."""

    class Object:
        method = function
        of_class = classmethod(function)
        of_nobody = staticmethod(function)
        __call__ = function

    @functools.wraps(function)
    def wrapped(*given: Any) -> Any:
        return function(*given)

    one = Object()
    partial = functools.partial(function, 1)
    return [
        function, partial, functools.partial(partial), wrapped, one, one.method, one.of_class,
        one.of_nobody, functools.partial(one.method), functools.partial(one),
    ]  # fmt: skip


@pytest.mark.parametrize("made", [generator, async_generator])
def test_generators_in_the_wrong_place_are_refused(made: Callable[..., Any]) -> None:
    for each in made_of(made):
        with pytest.raises(BadHandler, match=r"The handler 'work' is an? .*generator: none of its"):
            Handler(name="work", run=each)
        with pytest.raises(BadHandler, match=r"before_job_finish of handler 'work' is an? "):
            Handler(name="work", run=double, finish_hook=each)
        with pytest.raises(BadHandler, match=r"on_all_tasks_done of handler 'work' is an? "):
            task_handler("work", on_all_tasks_done=each)(double)
        handler = Handler(name="work", run=double)
        for decorate in (handler.before_job_finish, handler.on_all_tasks_done):
            with pytest.raises(BadHandler, match=r"Remove its yield\."):
                decorate(each)


@pytest.mark.parametrize("made", [coroutine, async_generator])
def test_tasks_are_made_by_a_plain_generator(made: Callable[..., Any]) -> None:
    for each in made_of(made):
        with pytest.raises(BadHandler, match=r"tasks function of handler 'work' is async. Make it"):
            Handler(name="work", run=double, make_tasks=each)
        with pytest.raises(BadHandler, match="Make it a plain generator"):
            Handler(name="work", run=double).tasks(each)


def test_plain_functions_are_taken_in_every_form() -> None:
    for each in made_of(lambda *_: [{}]):
        Handler(name="work", run=each, make_tasks=each, finish_hook=each, all_tasks_done=each)
    for each in made_of(generator):
        assert list(Handler(name="work", run=double, make_tasks=each).states({})) == [{}]
    for each in made_of(coroutine):
        Handler(name="work", run=each, finish_hook=each, all_tasks_done=each)


@pytest.mark.parametrize("made", [generator, async_generator])
def test_a_generator_that_is_returned_is_told_of(
    engines: Engines, made: Callable[..., Any]
) -> None:
    engine, job_id = start(engines, lambda task: made(task))
    ended(engine, job_id)
    assert "Use return in place of yield." in (engine.task(job_id, 0).error or "")


def test_a_handler_is_called_in_a_test_as_the_executor_calls_it() -> None:
    async def run(task: Any) -> str:
        await asyncio.sleep(0)
        return str(task)

    assert Handler(name="work", run=run)("task") == "task"  # type: ignore[arg-type]
    assert not issubclass(TaskCancelled, Exception)
    assert not issubclass(TaskTimedOut, Exception)
