"""What a program may say on the socket, and what it hears when it says something else."""

from __future__ import annotations

import pytest

from app.jobs import Engine
from tests.visitor import Visitor
from tests.web.live.conftest import Listen


@pytest.mark.parametrize(
    "topic",
    [
        "nothing", "", "job-updates/", "job-task-updates/", "job-task-updates/x", "view/", "view",
        "job-task-updates/-1", "view/job/", "view/job/x", "view/job/1/2", "job-task-updates/²",
        "\0", "view/job/\0", "job-state/1/", "x" * 10_000, "JOB-UPDATES", " job-updates",
        "../job-updates", "view/job/01", "job-task-updates/00",
    ],
)  # fmt: skip
def test_a_topic_that_does_not_exist_is_refused_by_its_name(
    listen: Listen, vera: Visitor, topic: str
) -> None:
    listener = listen(vera, topic)
    assert listener.hear() == {"topic": topic, "error": "There is no such topic."}
    assert listener.snapshot("job-updates") == []


@pytest.mark.parametrize("kind", ["job-task-updates", "view/job"])
@pytest.mark.parametrize("job_id", [7, 2**62 // 5, 10**17, 10**30])
def test_a_job_that_does_not_exist_is_refused(
    listen: Listen, vera: Visitor, kind: str, job_id: int
) -> None:
    answer = listen(vera, f"{kind}/{job_id}").hear()
    assert set(answer) == {"topic", "error"}
    assert answer["topic"] == f"{kind}/{job_id}"


@pytest.mark.parametrize("kind", ["job-task-updates", "view/job"])
def test_a_job_that_a_person_may_not_see_is_refused(
    listen: Listen, vera: Visitor, alice: Visitor, engine: Engine, kind: str
) -> None:
    topic = f"{kind}/{engine.start('secretive', name='The plan')}"
    refused = listen(vera, topic).hear()
    assert set(refused) == {"topic", "error"}
    assert "Your role is viewer" in refused["error"]
    assert listen(alice, topic).hear()["subscribed"] is True


@pytest.mark.parametrize(
    "said",
    [
        "hello", "{", "[]", "7", "null", '"job-updates"', "{}", '{"subscribe": 7}',
        '{"subscribe": null}', '{"subscribe": ["job-updates"]}', '{"say": "x"}', "[" * 10_000,
        '{"subscribe": "' + "x" * 20_000 + '"}', "", '{"subscribe": "\\ud800"}', '{"a":' * 5_000,
        '{"unsubscribe": "job-state/1/\\udfff"}', '{"subscribe": 1e999}', "\0", "\ufeff{}", "NaN",
    ],
)  # fmt: skip
def test_what_is_not_understood_gets_an_error_and_the_socket_lives(
    listen: Listen, vera: Visitor, said: str
) -> None:
    listener = listen(vera)
    listener.say(said)
    answer = listener.hear()
    assert "error" in answer
    assert listener.snapshot("job-updates") == []


def test_bytes_are_not_understood(listen: Listen, vera: Visitor) -> None:
    listener = listen(vera)
    listener.socket.send_binary(b'{"subscribe": "job-updates"}')
    assert "error" in listener.hear()


def test_who_is_not_understood_again_and_again_is_not_listened_to(
    listen: Listen, vera: Visitor
) -> None:
    listener = listen(vera)
    for _ in range(3):
        listener.say("hello")
        assert "error" in listener.hear()
    assert listener.farewell() == 1008


def test_a_monstrous_message_ends_the_socket(listen: Listen, vera: Visitor) -> None:
    listener = listen(vera)
    listener.say("x" * 2_000_000)
    assert listener.farewell() in (1009, None)
    assert listen(vera).snapshot("job-updates") == []


def test_after_unsubscribing_nothing_comes(listen: Listen, vera: Visitor, engine: Engine) -> None:
    listener = listen(vera)
    listener.snapshot("job-updates")
    listener.say({"unsubscribe": "job-updates"})
    assert listener.hear() == {"topic": "job-updates", "subscribed": False}
    engine.start("swift")
    assert listener.silent_for(0.7)


def test_unsubscribing_from_what_was_never_watched_does_no_harm(
    listen: Listen, vera: Visitor
) -> None:
    listener = listen(vera)
    listener.say({"unsubscribe": "view/job/7"})
    assert listener.hear() == {"topic": "view/job/7", "subscribed": False}


def test_subscribing_again_brings_a_snapshot_again(
    listen: Listen, vera: Visitor, engine: Engine
) -> None:
    engine.start("swift")
    listener = listen(vera)
    assert len(listener.snapshot("job-updates")) == 1
    assert len(listener.snapshot("job-updates")) == 1


def test_several_topics_share_a_socket(listen: Listen, vera: Visitor, engine: Engine) -> None:
    first, second = engine.start("swift"), engine.start("swift")
    listener = listen(vera)
    for topic in ("job-updates", f"job-task-updates/{first}", f"job-task-updates/{second}"):
        assert listener.snapshot(topic)


def test_a_socket_watches_fifty_topics_and_says_so(
    listen: Listen, vera: Visitor, engine: Engine
) -> None:
    job_id = engine.start("swift")
    listener = listen(vera)
    for number in range(50):
        listener.snapshot(f"job-task-updates/{job_id}?from={number}")
    listener.subscribe("job-updates")
    assert "50 topics at most" in listener.hear()["error"]
    listener.say({"unsubscribe": f"job-task-updates/{job_id}?from=0"})
    assert listener.hear()["subscribed"] is False
    assert len(listener.snapshot("job-updates")) == 1
