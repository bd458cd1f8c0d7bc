"""What handlers say is stored and shown, in its order (P8)."""

from __future__ import annotations

import logging

import pytest

from app.jobs import Handler, Task
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done


def test_lines_are_kept_in_order_with_their_task_attempt_and_level(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.log("number %s of %s", task.index, 2)
        task.log("100 % sure", level="warning")

    engine = engines(Handler(name="work", run=body, parallel_limit=1))
    job_id = engine.start_new_job("x", None, blank(2), "work")
    job = done(engine, job_id)
    lines = engine.log(job_id)
    assert [(line.task_index, line.attempt, line.level, line.message) for line in lines] == [
        (0, 1, "INFO", "number 0 of 2"),
        (0, 1, "WARNING", "100 % sure"),
        (1, 1, "INFO", "number 1 of 2"),
        (1, 1, "WARNING", "100 % sure"),
    ]
    assert job.created_at < lines[0].at <= lines[-1].at
    assert engine.task(job_id, 1).log == lines[2:]


def test_the_last_lines_are_the_ones_that_are_shown(engines: Engines) -> None:
    def body(task: Task) -> None:
        for number in range(250):
            task.log(number)

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    done(engine, job_id)
    assert [line.message for line in engine.log(job_id, limit=2)] == ["248", "249"]
    assert len(engine.log(job_id)) == 100
    assert len(engine.task(job_id, 0).log) == 200


def test_any_text_can_be_said(engines: Engines) -> None:
    def body(task: Task) -> None:
        task.log("half \ud800, \0", level="l\ud800\0ng and loud")
        task.log({"a": "dict"})
        task.log("x" * 50_000)

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    done(engine, job_id)
    odd, mapping, long = engine.log(job_id)
    assert (odd.message, odd.level) == ("half \\ud800, \\0", "L\\ud800\\0N")
    assert mapping.message == "{'a': 'dict'}"
    assert len(long.message) < 20_100


class Unprintable:
    """Something that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("message", "args", "line"),
    [
        ("%d files", ("x",), "%d files 'x'"),
        ("%s %s", (1,), "%s %s 1"),
        ("%s", (1, 2), "%s 1 2"),
        ("done", ("early",), "done 'early'"),
        ("100 % sure", (), "100 % sure"),
        ("50 %", (3,), "50 % 3"),
        ("%(a)s of %(b)d", ({"a": 1, "b": 2},), "1 of 2"),
        ("%(a)s", ({"b": 2},), "%(a)s {'b': 2}"),
        ("%s", ({},), "{}"),
        ("%s", (Unprintable(),), "%s <Unprintable that cannot be shown>"),
        (Unprintable(), (), "<Unprintable that cannot be shown>"),
        (b"bytes %s", (1,), "b'bytes 1'"),
        ("%c", (-1,), "%c -1"),
        (None, (), "None"),
        ("%s", ("x" * 3,), "xxx"),
    ],
)
def test_a_line_whose_arguments_do_not_fit_is_logged_as_it_is(
    engines: Engines, message: object, args: tuple[object, ...], line: str
) -> None:
    def body(task: Task) -> None:
        task.log(message, *args)
        logging.getLogger("mine").info(message, *args)

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    done(engine, job_id)
    assert [each.message for each in engine.log(job_id)] == [line, line]


def test_a_level_may_be_a_number_and_anything_else(engines: Engines) -> None:
    def body(task: Task) -> None:
        for level in (logging.WARNING, 7, None, Unprintable()):
            task.log("x", level=level)

    engine = engines(Handler(name="work", run=body))
    job_id = engine.start_new_job("x", None, blank(1), "work")
    done(engine, job_id)
    assert [each.level for each in engine.log(job_id)] == [
        "WARNING", "LEVEL 7", "NONE", "<UNPRINTAB",
    ]  # fmt: skip


def test_a_line_moves_the_version_of_its_job(engines: Engines) -> None:
    versions: list[int] = []

    def body(task: Task) -> None:
        for _ in range(3):
            task.log("again")
            task.flush()
            versions.append(engine.job(task.job.id).version)

    engine = engines(Handler(name="work", run=body))
    done(engine, engine.start_new_job("x", None, blank(1), "work"))
    assert versions == sorted(set(versions))
