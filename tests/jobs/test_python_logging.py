"""What a handler logs with Python's logging goes into the log of its task."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from app.jobs import Engine, Handler, Task
from app.jobs.logs import TaskLogHandler
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.hooked import Params
from tests.jobs.looking import blank, done, ended

log = logging.getLogger("author.module")
Line = tuple[int, str, str]


@pytest.fixture(autouse=True)
def _as_python_begins() -> Any:
    """The root logger as it is where nobody has set anything."""
    before = logging.getLogger().level
    logging.getLogger().setLevel(logging.WARNING)
    yield
    logging.getLogger().setLevel(before)


def lines(engines: Engines, run: Callable[[Task], Any], tasks: int = 1, **more: Any) -> list[Line]:
    """What the tasks of a job have logged."""
    engine = engines(Handler(name="work", run=run, parallel_limit=None), **more)
    job_id = engine.start_new_job("x", None, blank(tasks), "work")
    done(engine, job_id)
    return said(engine, job_id)


def said(engine: Engine, job_id: int) -> list[Line]:
    """The log of a job."""
    return [(each.task_index, each.level, each.message) for each in engine.log(job_id)]


def test_each_line_comes_with_its_level_in_its_order(engines: Engines) -> None:
    def run(task: Task) -> None:
        log.debug("not this")
        log.info("read %d of %d", 1, 2)
        task.log("in between")
        logging.getLogger().warning("careful")
        log.error("%(a)s", {"a": "bad"}, extra={"task": object(), "thing": task})
        log.log(35, "odd")

    assert lines(engines, run) == [
        (0, "INFO", "read 1 of 2"),
        (0, "INFO", "in between"),
        (0, "WARNING", "careful"),
        (0, "ERROR", "bad"),
        (0, "LEVEL 35", "odd"),
    ]


def test_a_traceback_comes_with_it_and_no_secret(engines: Engines) -> None:
    def run(task: Task) -> None:
        try:
            raise ValueError(f"{task.job.params.token.get_secret_value()} is wrong")
        except ValueError:
            log.exception("With %s", task.job.params.token.get_secret_value())
        log.warning("here", stack_info=True)

    engine = engines(Handler(name="work", run=run, params=Params))
    job_id = engine.start("work", {"word": "x", "token": "hunter22"})
    done(engine, job_id)
    first, second = engine.log(job_id)
    assert first.level == "ERROR"
    assert first.message.startswith("With ••••••\nTraceback (most recent call last):\n")
    assert first.message.endswith("\nValueError: •••••• is wrong")
    assert "in run\n" in second.message
    assert SecretStr("x") != SecretStr("y")


def test_who_configures_logging_anew_takes_it_from_no_other_task(engines: Engines) -> None:
    root = logging.getLogger()

    def run(task: Task) -> None:
        log.warning("of %s", task.index)
        for each in [each for each in root.handlers if isinstance(each, TaskLogHandler)]:
            root.removeHandler(each)  # as dictConfig() does, and basicConfig(force=True)

    found = lines(engines, run, 5, threads=1)
    assert found == [(index, "WARNING", f"of {index}") for index in range(5)]
    assert not [each for each in root.handlers if isinstance(each, TaskLogHandler)]


def test_each_task_has_its_own_lines(engines: Engines) -> None:
    def run(task: Task) -> None:
        for _ in range(20):
            log.info("of %s", task.index)

    found = lines(engines, run, 5)
    assert sorted(found) == sorted(
        (index, "INFO", f"of {index}") for index in range(5) for _ in range(20)
    )


def test_coroutines_and_threads_with_its_context_take_part(engines: Engines) -> None:
    async def inner(name: str) -> None:
        log.info(name)

    async def run(task: Task) -> None:
        await asyncio.gather(inner("gathered"), asyncio.to_thread(log.info, "in a thread"))
        for target, args in (
            (contextvars.copy_context().run, [log.info, "with the context"]),
            (log.info, ["of nobody"]),
        ):
            thread = threading.Thread(target=target, args=args)
            thread.start()
            thread.join()

    assert sorted(message for _, _, message in lines(engines, run)) == [
        "gathered", "in a thread", "with the context",
    ]  # fmt: skip


def test_what_the_engine_logs_is_no_handlers(engines: Engines) -> None:
    def run(task: Task) -> None:
        for name in ("app.jobs.journal", "app.db", "app.web.errors"):
            logging.getLogger(name).warning("the engine's")
        for name in ("app", "app.handlers.mine", "application", "urllib3"):
            logging.getLogger(name).warning(name)

    assert [message for _, _, message in lines(engines, run)] == [
        "app", "app.handlers.mine", "application", "urllib3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("level", "kept"),
    [("DEBUG", ["d", "i", "w"]), ("INFO", ["i", "w"]), ("WARNING", ["w"]), ("OFF", [])],
)
def test_a_setting_says_from_which_level_on(engines: Engines, level: str, kept: list[str]) -> None:
    def run(task: Task) -> None:
        log.debug("d")
        log.info("i")
        log.warning("w")

    assert [message for _, _, message in lines(engines, run, log_level=level)] == kept


def test_an_argument_that_logs_when_it_is_shown_is_no_endless_circle(engines: Engines) -> None:
    class Chatty:
        def __str__(self) -> str:
            log.info("shown %s", self)
            return "chatty"

    def run(task: Task) -> None:
        log.info("%s", Chatty())
        log.info("after")

    found = [message for _, _, message in lines(engines, run)]
    assert found[-1] == "after"
    assert len(found) == 2


def test_a_line_after_the_end_is_nobodys(engines: Engines) -> None:
    gate, over = threading.Event(), threading.Event()

    def later() -> None:
        assert gate.wait(20)
        log.info("too late")
        over.set()

    def run(task: Task) -> None:
        log.info("in time")
        threading.Thread(target=contextvars.copy_context().run, args=[later]).start()

    engine = engines(Handler(name="work", run=run))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    done(engine, job_id)
    gate.set()
    assert over.wait(20)
    done(engine, engine.start_new_job("y", None, [], "work"))
    assert said(engine, job_id) == [(0, "INFO", "in time")]


def test_logging_never_ends_a_handler(engines: Engines) -> None:
    gate = threading.Event()
    reached: list[str] = []

    def run(task: Task) -> None:
        assert gate.wait(20)
        log.info("after the timeout, or a cancel")
        reached.append("end")

    engine = engines(Handler(name="work", run=run, timeout=0.1))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    ended(engine, job_id)
    gate.set()
    eventually(lambda: reached)
    assert said(engine, job_id) == []


def test_what_is_printed_stays_as_it_was(
    engines: Engines, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    engine = engines(Handler(name="work", run=lambda _: None))
    assert [type(each) for each in root.handlers] == [TaskLogHandler]
    log.info("nobody prints this")
    log.warning("Python prints this")
    assert capfd.readouterr().err == "Python prints this\n"
    engine.begin_stop()
    engine.stop()
    assert (root.handlers, root.level) == ([], logging.WARNING)


def test_other_handlers_of_the_root_print_no_more_than_before(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            printed.append(record.getMessage())

    printed: list[str] = []
    other = Noting()
    monkeypatch.setattr(logging.getLogger(), "handlers", [other])

    def run(task: Task) -> None:
        log.info("quiet")
        log.warning("loud")

    assert [message for _, _, message in lines(engines, run)] == ["quiet", "loud"]
    assert printed == ["loud"]
    engines.stop()
    assert other.level == logging.NOTSET
