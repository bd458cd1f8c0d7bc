"""The topics `job-state/<id>/<field>` and `job-task-state/<id>/<field>`: one number, no more."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from app.jobs import Engine
from tests.at_work import AtWork
from tests.outside.kinds import HOSTILE
from tests.visitor import Visitor
from tests.web.live.conftest import Listen
from tests.web.live.listener import Listener, Message


def value_in(message: Message) -> Any:
    """What a message of `job-state` tells."""
    return message.get("data", {}).get("value")


def told_of_tasks(messages: list[Message]) -> dict[int, Any]:
    """The values by task that a message of `job-task-state` tells."""
    return {each["taskIndex"]: each["value"] for each in messages}


def opened(listener: Listener, topic: str) -> Message:
    """The snapshot of a topic that is there."""
    listener.subscribe(topic)
    assert listener.hear()["subscribed"] is True
    return listener.hear()


def test_a_field_of_a_job_comes_first_as_it_is_and_then_as_it_changes(
    listen: Listen, vera: Visitor, engine: Engine
) -> None:
    job_id = engine.start("swift")
    engine.set_job_state_field(job_id, "sum", 7)
    listener, topic = listen(vera), f"job-state/{job_id}/sum"
    first = opened(listener, topic)
    assert first["topic"] == topic
    assert first["data"] == {"jobId": job_id, "fieldName": "sum", "value": 7}
    engine.set_job_state_field(job_id, "sum", {"of": [1, "two", None]})
    assert listener.hear()["data"]["value"] == {"of": [1, "two", None]}


def test_a_field_that_is_not_there_yet_is_null(
    listen: Listen, vera: Visitor, engine: Engine
) -> None:
    job_id = engine.start("swift")
    listener = listen(vera)
    assert opened(listener, f"job-state/{job_id}/sum")["data"]["value"] is None
    engine.set_job_state_field(job_id, "sum", 0)
    assert listener.hear()["data"]["value"] == 0
    engine.update_job_fields_atomically(job_id, lambda state: state.pop("sum"))
    assert listener.hear()["data"]["value"] is None


def test_other_fields_are_not_told(listen: Listen, vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    listener = listen(vera)
    opened(listener, f"job-state/{job_id}/sum")
    for number in range(3):
        engine.set_job_state_field(job_id, "other", number)
    assert listener.silent_for(0.7)


def test_values_that_only_python_finds_equal_are_told_apart(
    listen: Listen, vera: Visitor, engine: Engine
) -> None:
    job_id = engine.start("swift")
    engine.set_job_state_field(job_id, "sum", 1)
    listener = listen(vera)
    opened(listener, f"job-state/{job_id}/sum")
    engine.set_job_state_field(job_id, "sum", True)
    assert listener.hear()["data"]["value"] is True


@pytest.mark.parametrize(
    "field", ["a/b", "a b", "50 %", "?from=1", "ä€😀", "#", "a+b", "constructor", "..", HOSTILE]
)
def test_a_fields_name_may_be_any_text(
    listen: Listen, vera: Visitor, engine: Engine, field: str
) -> None:
    job_id = engine.start("swift", tasks=[{"state": {field: "of the task"}}])
    engine.set_job_state_field(job_id, field, "of the job")
    listener, name = listen(vera), quote(field, safe="")
    told = opened(listener, f"job-state/{job_id}/{name}")["data"]
    assert told == {"jobId": job_id, "fieldName": field, "value": "of the job"}
    told = opened(listener, f"job-task-state/{job_id}/{name}")["data"]
    assert told == [
        {"jobId": job_id, "taskIndex": 0, "fieldName": field, "value": "of the task"},
    ]  # fmt: skip


def test_the_last_value_is_never_lost(listen: Listen, vera: Visitor, at_work: AtWork) -> None:
    job_id = at_work.start("writing", times=150, rest=0.003, tasks=2)
    listener = listen(vera, f"job-state/{job_id}/written-1")
    listener.hear_until(lambda message: value_in(message) == 150)
    times = [each.at for each in listener.heard]
    assert len(times) <= (times[-1] - times[0]) * 5 + 4


def test_a_field_of_the_tasks_comes_for_those_that_have_it(
    listen: Listen, vera: Visitor, at_work: AtWork
) -> None:
    job_id = at_work.start("writing", times=3, tasks=3)
    at_work.ended(job_id)
    data = opened(listen(vera), f"job-task-state/{job_id}/written")["data"]
    assert told_of_tasks(data) == {0: 3, 1: 3, 2: 3}
    assert opened(listen(vera), f"job-task-state/{job_id}/nothing")["data"] == []


def test_a_field_of_the_tasks_is_followed_to_its_last_value(
    listen: Listen, vera: Visitor, at_work: AtWork
) -> None:
    job_id = at_work.start("writing", times=100, rest=0.003, tasks=3)
    listener = listen(vera, f"job-task-state/{job_id}/written")
    seen: dict[int, Any] = {}
    while seen != {0: 100, 1: 100, 2: 100}:
        seen |= told_of_tasks(listener.hear().get("data", []))


def test_a_task_whose_field_is_as_it_was_is_not_told_again(
    listen: Listen, vera: Visitor, at_work: AtWork
) -> None:
    job_id = at_work.start("failing", {"well": True}, {"well": True})
    listener = listen(vera)
    assert told_of_tasks(opened(listener, f"job-task-state/{job_id}/well")["data"]) == {
        0: True, 1: True,
    }  # fmt: skip
    at_work.ended(job_id)
    assert listener.silent_for(0.7)


def test_a_window_of_tasks_is_told_in_its_part(
    listen: Listen, vera: Visitor, engine: Engine
) -> None:
    job_id = engine.start("swift", tasks=[{"state": {"n": n}} for n in range(9)])
    data = opened(listen(vera), f"job-task-state/{job_id}/n?from=2&limit=3")["data"]
    assert told_of_tasks(data) == {2: 2, 3: 3, 4: 4}


@pytest.mark.parametrize("kind", ["job-state", "job-task-state"])
@pytest.mark.parametrize("rest", ["", "/", "/7", "/7/", "/x/sum", "/-1/sum", "//sum", "/²/sum"])
def test_a_topic_without_job_or_field_does_not_exist(
    listen: Listen, vera: Visitor, kind: str, rest: str
) -> None:
    assert listen(vera, kind + rest).hear()["error"] == "There is no such topic."


@pytest.mark.parametrize("kind", ["job-state", "job-task-state"])
def test_the_field_of_an_unknown_job_is_refused(listen: Listen, vera: Visitor, kind: str) -> None:
    for job_id in (7, 10**17, 10**30):
        answer = listen(vera, f"{kind}/{job_id}/sum").hear()
        assert set(answer) == {"topic", "error"}


@pytest.mark.parametrize("kind", ["job-state", "job-task-state"])
def test_the_field_of_a_hidden_job_is_refused(
    listen: Listen, vera: Visitor, alice: Visitor, engine: Engine, kind: str
) -> None:
    topic = f"{kind}/{engine.start('secretive', tasks=[{'state': {'sum': 7}}])}/sum"
    assert "Your role is viewer" in listen(vera, topic).hear()["error"]
    assert listen(alice, topic).hear()["subscribed"] is True
