"""What may be said of retries and timeouts, by a handler and of one job (B4, B5)."""

from __future__ import annotations

from typing import Any

import pytest

from app.jobs import Handler, task_handler
from app.jobs.errors import BadHandler, InvalidParams
from tests.jobs.conftest import Engines

COUNT = "a whole number from 0 to 10000"
SPAN = "a number of seconds from 0 to 31622400, which is a year"
TIMEOUT = "a number of seconds above 0 and up to 31622400"


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("retries", -1, COUNT),
        ("retries", True, COUNT),
        ("retries", 1.5, COUNT),
        ("retries", 10_001, COUNT),
        ("retry_delay", -0.1, SPAN),
        ("retry_delay", float("nan"), SPAN),
        ("retry_delay", "1", SPAN),
        ("max_retry_delay", float("inf"), SPAN),
        ("max_retry_delay", 10**400, SPAN),
        ("backoff", "quadratic", "one of exponential, linear, fixed"),
        ("retry_on", ValueError, "a tuple of exception classes"),
        ("retry_on", (ValueError("x"),), "a tuple of exception classes"),
        ("retry_on", (int,), "a tuple of exception classes"),
        ("timeout", 0, f"{TIMEOUT}, or None for no timeout"),
        ("timeout", False, f"{TIMEOUT}, or None for no timeout"),
    ],
)
def test_a_handler_that_cannot_work_is_refused_in_a_sentence(
    option: str, value: Any, wanted: str
) -> None:
    with pytest.raises(BadHandler) as refused:
        Handler(name="work", run=print, **{option: value})
    assert str(refused.value) == f"{option} of handler 'work' is {value!r}; it must be {wanted}."


def test_they_are_declared_where_the_handler_is() -> None:
    @task_handler(retries=3, retry_delay=0, backoff="linear", retry_on=(OSError,), timeout=2.5)
    def work(_: object) -> None:
        """Work."""

    assert (work.retries, work.backoff, work.timeout) == (3, "linear", 2.5)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"retries": -1}, {"retries": [f"Write {COUNT}."]}),
        ({"retries": "3"}, {"retries": [f"Write {COUNT}."]}),
        ({"timeout": 0}, {"timeout": [f"Write {TIMEOUT}."]}),
        (
            {"timeout": "soon", "retries": 1.5},
            {"retries": [f"Write {COUNT}."], "timeout": [f"Write {TIMEOUT}."]},
        ),
    ],
)
def test_a_job_of_which_it_makes_no_sense_is_not_started(
    engines: Engines, own: dict[str, Any], said: dict[str, list[str]]
) -> None:
    engine = engines(Handler(name="work", run=print), runs=False)
    with pytest.raises(InvalidParams) as refused:
        engine.start("work", **own)
    assert refused.value.fields == said
    assert not engine.jobs()


def test_a_job_tells_of_its_own_ones(engines: Engines) -> None:
    engine = engines(Handler(name="work", run=print, retries=5, timeout=60), runs=False)
    plain, own = engine.start("work"), engine.start("work", retries=0, timeout=1.5)
    assert (engine.job(plain).retries, engine.job(plain).timeout) == (None, None)
    assert (engine.job(own).retries, engine.job(own).timeout) == (0, 1.5)
