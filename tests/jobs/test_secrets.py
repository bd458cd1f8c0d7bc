"""Secret params reach the handler and nobody else (X5)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr, field_validator

from app.jobs import Engine, Handler, Task
from app.jobs.errors import InvalidParams, TasksNotMade
from app.jobs.values import MASK, mask_text, secrets_in
from tests.jobs.conftest import Engines
from tests.jobs.looking import blank, done, ended, sql


class Login(BaseModel):
    """Part of the params."""

    user: str
    password: SecretStr


class Params(BaseModel):
    """Params with secrets at several depths."""

    token: SecretStr
    raw: SecretBytes = SecretBytes(b"hush-bytes")
    logins: list[Login] = []
    by_name: dict[str, SecretStr] = {}


GIVEN: dict[str, Any] = {
    "token": "hush-token",
    "logins": [{"user": "anna", "password": "hush-list"}],
    "by_name": {"x": "hush-dict"},
}


def started(engines: Engines, seen: list[Any]) -> tuple[Engine, int]:
    """A job with secrets that has run; the handler's params are put into `seen`."""

    def body(task: Task) -> None:
        seen.append(task.job.params)

    engine = engines(Handler(name="work", run=body, params=Params))
    job_id = engine.start("work", GIVEN)
    done(engine, job_id)
    return engine, job_id


def test_the_handler_gets_secrets_as_they_were_given(engines: Engines) -> None:
    seen: list[Params] = []
    started(engines, seen)
    assert seen[0].token.get_secret_value() == "hush-token"
    assert seen[0].raw.get_secret_value() == b"hush-bytes"
    assert seen[0].logins[0].password.get_secret_value() == "hush-list"
    assert seen[0].by_name["x"].get_secret_value() == "hush-dict"


def test_whoever_looks_at_the_job_sees_dots(engines: Engines) -> None:
    engine, job_id = started(engines, [])
    assert engine.job(job_id).params == {
        "token": MASK,
        "raw": MASK,
        "logins": [{"user": "anna", "password": MASK}],
        "by_name": {"x": MASK},
    }
    assert "hush" not in repr(engine.job(job_id)) + repr(engine.jobs())


def test_a_secret_is_stored_as_one_so_that_it_is_known_without_its_handler(
    engines: Engines,
) -> None:
    engine, job_id = started(engines, [])
    ((stored,),) = sql(engine.database, "SELECT params FROM job WHERE id = :id", id=job_id)
    assert '"token":{"$secret":"hush-token"}' in stored
    stranger = engines(runs=False)
    assert "hush" not in repr(stranger.job(job_id))


def test_the_dots_that_stand_for_a_secret_are_none(engines: Engines) -> None:
    engine, job_id = started(engines, [])
    again = engine.job(job_id).input
    assert again["token"] == MASK
    with pytest.raises(InvalidParams, match="enter the secret itself"):
        engine.start("work", again)


def test_a_handler_without_a_model_may_be_given_secrets_too(engines: Engines) -> None:
    seen: list[Any] = []
    work = Handler(name="work", run=lambda task: seen.append(task.job.params))

    @work.tasks
    def make(params: Any) -> Any:
        seen.append(params)
        yield {}

    engine = engines(work)
    job_id = engine.start("work", {"key": {"$secret": "hush"}, "plain": 1})
    done(engine, job_id)
    assert seen == [{"key": "hush", "plain": 1}] * 2
    assert engine.job(job_id).params == {"key": MASK, "plain": 1}


SECRET = 'hush "p\\w"/ä +%'


def told(engines: Engines, *saying: Any) -> tuple[Engine, int]:
    """A job whose task says its secret param wherever it can, in each of these ways, and fails."""

    def body(task: Task) -> None:
        token = task.job.params.token.get_secret_value()
        for way in saying:
            task.log("it is %s", way(token))
            task.set_state_field(f"way of {way(token)}", [{way(token): f"<{way(token)}>"}])
            task.job.set_state_field(f"way of {way(token)}", {"a": way(token)})
        if task.index:
            raise ValueError(", ".join(way(token) for way in saying))

    def result(task: Task) -> Any:
        body(task)
        return [task.job.params.token.get_secret_value()]

    engine = engines(Handler(name="work", run=result, params=Params))
    job_id = engine.start("work", {**GIVEN, "token": SECRET}, tasks=blank(2))
    ended(engine, job_id)
    return engine, job_id


WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "as JSON": json.dumps,
    "as JSON with all letters": lambda token: json.dumps(token, ensure_ascii=False),
    "as Python": repr,
    "in an address": lambda token: f"?token={quote(token, safe='')}",
    "in a form": lambda token: urlencode({"token": token}),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_what_tasks_say_of_a_secret_is_shown_as_dots(
    engines: Engines, way: Callable[[str], str]
) -> None:
    engine, job_id = told(engines, way)
    said = way(SECRET)
    shown = [
        engine.job(job_id),
        engine.jobs(),
        engine.jobs_of([job_id]),
        engine.details([job_id]),
        engine.tasks(job_id, limit=9),
        engine.tasks_by_offset(job_id, offset=0, limit=9),
        engine.tasks_failed_first(job_id, limit=9),
        engine.get_job_tasks(job_id, 9, 0, ["state", "result", "error"]),
        engine.task(job_id, 0),
        engine.task(job_id, 1),
        engine.log(job_id),
    ]
    for each in shown:
        assert "hush" not in repr(each)
        assert SECRET not in repr(each)
        assert said not in repr(each)
    task = engine.task(job_id, 1)
    assert MASK in (task.error or "")
    assert MASK in (task.attempts[0].traceback or "")
    assert MASK in task.log[0].message
    assert MASK in repr(task.state)
    assert engine.task(job_id, 0).result == [MASK]


def test_what_is_said_is_not_even_stored(engines: Engines) -> None:
    engine, _ = told(engines, str)
    for column, table in (
        ("message", "log_line"),
        ("error", "task"),
        ("error", "attempt"),
        ("traceback", "attempt"),
    ):
        assert "hush" not in repr(sql(engine.database, f"SELECT {column} FROM {table}"))


def test_the_handler_itself_reads_what_it_has_stored(engines: Engines) -> None:
    seen: list[Any] = []

    def body(task: Task) -> None:
        token = task.job.params.token.get_secret_value()
        task.set_state_field("a", token)
        task.job.set_state_field("a", token)
        seen.extend([task.state["a"], task.job.state["a"]])

    engine = engines(Handler(name="work", run=body, params=Params))
    job_id = engine.start("work", GIVEN)
    done(engine, job_id)
    assert seen == ["hush-token"] * 2
    assert engine.get_job_state_field(job_id, "a") == "hush-token"


def test_a_very_short_secret_is_hidden_among_the_params_only(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda task: task.log("a cat"), params=Params))
    job_id = engine.start("work", {**GIVEN, "token": "a"})
    done(engine, job_id)
    assert engine.job(job_id).params["token"] == MASK
    assert [line.message for line in engine.log(job_id)] == ["a cat"]


def test_a_job_without_secrets_is_shown_as_it_is(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=lambda task: task.set_state_field("a", "b")))
    job_id = engine.start("work", {"plain": "b"})
    done(engine, job_id)
    assert engine.task(job_id, 0).state == {"a": "b"}


def test_a_secret_within_another_is_hidden_with_the_longer_one() -> None:
    secrets = secrets_in({"a": {"$secret": "hush"}, "b": {"$secret": "hush-hush"}})
    assert mask_text("hush-hush, hush", secrets) == f"{MASK}, {MASK}"


def test_a_validator_that_fails_tells_nobody_what_it_has_seen(
    engines: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    class Checked(Params):
        @field_validator("token")
        @classmethod
        def fail(cls, token: SecretStr) -> SecretStr:
            raise RuntimeError(f"cannot sign in with {token.get_secret_value()}")

    engine = engines(Handler(name="work", run=lambda _: None, params=Checked), runs=False)
    with pytest.raises(InvalidParams, match="a validator raised RuntimeError") as refused:
        engine.start("work", GIVEN)
    assert "hush" not in str(refused.value) + caplog.text
    assert "in fail" in caplog.text  # which its author needs to know


def test_no_file_is_named_after_a_secret(engines: Engines) -> None:
    def make(task: Task) -> None:
        task.job.new_file(f"{task.job.params.token.get_secret_value()}.txt")

    engine = engines(Handler(name="work", run=make, params=Params))
    job_id = engine.start("work", GIVEN)
    ended(engine, job_id)
    assert "The name of a file would tell a secret param." in str(engine.task(job_id, 0).error)
    assert not engine.files(job_id)


def test_what_the_makers_of_tasks_say_of_a_secret_is_hidden(
    engines: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Handler(name="work", run=lambda _: None, params=Params)

    @handler.tasks
    def make(params: Params) -> Any:
        raise RuntimeError(f"cannot sign in with {params.token.get_secret_value()}")

    engine = engines(handler, runs=False)
    with pytest.raises(TasksNotMade) as refused:
        engine.start("work", GIVEN)
    assert f"cannot sign in with {MASK}" in str(refused.value)
    assert "hush" not in str(refused.value) + caplog.text
