"""Everybody subscribes to every topic: who may is told, and nobody else."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
import websocket

from app.jobs import Engine
from app.web.live.kinds import KINDS
from tests.outside.kinds import HOSTILE
from tests.visitor import Visitor
from tests.web.doors import NARROWED, TOPICS
from tests.web.live.conftest import Listen
from tests.web.live.listener import Listener
from tests.web.walkers import Walker, walkers

__all__ = ["walkers"]

OF_A_JOB = [topic for topic in TOPICS if "<id>" in topic]
OF_ALL_JOBS = [topic for topic in TOPICS if "<id>" not in topic and topic != "view/handlers"]
SECRET = "What only some may know"


def test_every_topic_has_a_row_in_the_table() -> None:
    assert set(KINDS) == set(TOPICS), "see TOPICS in tests/web/doors.py"


def test_a_stranger_gets_no_socket(address: str, stranger: Visitor) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        Listener(address, stranger)
    assert refused.value.status_code == 401


@pytest.mark.parametrize("topic", OF_A_JOB)
def test_a_topic_of_a_job_is_for_those_who_may_see_the_job(
    listen: Listen, engine: Engine, walkers: list[Walker], topic: str
) -> None:
    for walker in walkers[1:]:
        listener = listen(walker.visitor)
        for kind in NARROWED:
            for owner in (walker.id, None):
                name = topic_of(topic, secret_job(engine, kind, owner))
                listener.subscribe(name)
                answer = listener.hear()
                if walker.may(TOPICS[topic], kind):
                    assert answer["subscribed"] is True, (walker.role, kind)
                    assert SECRET in json.dumps(listener.hear())
                else:
                    assert set(answer) == {"topic", "error"}
                    assert f"Your role is {walker.role}" in answer["error"]


@pytest.mark.parametrize("topic", OF_ALL_JOBS)
def test_a_topic_of_all_jobs_leaves_out_what_a_person_may_not_see(
    listen: Listen, engine: Engine, walkers: list[Walker], topic: str
) -> None:
    before = [secret_job(engine, kind, walker.id) for kind in NARROWED for walker in walkers]
    assert before
    for walker in walkers[1:]:
        listener = listen(walker.visitor, topic)
        assert listener.hear()["subscribed"] is True
        listener.hear()
        for kind in NARROWED:
            secret_job(engine, kind, walker.id)
        # The last of them may be seen by everyone, and ends what is heard.
        last = engine.start("swift", name="the last one", started_by=walker.id)
        listener.hear_until(lambda message: "the last one" in json.dumps(message))
        said = json.dumps([each.message for each in listener.heard])
        assert last
        for kind in NARROWED:
            assert (f"{kind}: {SECRET}" in said) is walker.may(TOPICS[topic], kind), walker.role


def test_the_topic_of_the_handlers_leaves_out_what_a_person_may_not_see(
    listen: Listen, engine: Engine, walkers: list[Walker]
) -> None:
    for kind in ("secretive", "internal"):
        engine.pause(kind, SECRET)
    for walker in walkers[1:]:
        listener = listen(walker.visitor, "view/handlers")
        assert listener.hear()["subscribed"] is True
        shown = listener.hear()
        for kind in NARROWED:
            is_row = f"handler-row-{kind}" in shown["lists"]["handler-rows"]["order"]
            assert is_row is walker.may("view", kind), walker.role
        paused = sum(walker.may("view", kind) for kind in ("secretive", "internal"))
        assert shown["html"]["pauses"].count(SECRET) == paused


@pytest.mark.parametrize("topic", OF_A_JOB)
def test_the_topic_of_an_unknown_job_is_refused(listen: Listen, vera: Visitor, topic: str) -> None:
    for job_id in (7, 2**63, 10**17):
        answer = listen(vera, topic_of(topic, job_id)).hear()
        assert set(answer) == {"topic", "error"}
        assert HOSTILE not in answer["error"]


def secret_job(engine: Engine, kind: str, owner: int | None) -> int:
    """A job of this kind whose name and states tell the secret."""
    said = f"{kind}: {SECRET}"
    tasks = [{"state": {HOSTILE: said}}]
    return engine.start_new_job(said, owner, tasks, kind, {HOSTILE: said})


def topic_of(topic: str, job_id: int) -> str:
    """The name of a topic of this job, and of the field that tells the secret."""
    return topic.replace("<id>", str(job_id)).replace("<field>", quote(HOSTILE, safe=""))
