"""Secret params reach the handler and nobody else (X5)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

from app.jobs import Engine, Handler, Task
from app.jobs.values import MASK
from tests.jobs.conftest import Engines
from tests.jobs.looking import done, sql


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
