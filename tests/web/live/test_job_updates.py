"""The topic `job-updates`: every job that a person may view."""

from __future__ import annotations

from flask import Flask

from app.config import Settings
from app.jobs import Engine
from tests.at_work import AtWork, Gate
from tests.visitor import Visitor
from tests.web.live.conftest import Listen
from tests.web.live.listener import ends, told

FIELDS = {
    "jobId", "name", "handler", "status", "progress", "counts", "createdAt", "finishedAt",
}  # fmt: skip


def test_first_comes_the_answer_then_what_is_there(
    listen: Listen, vera: Visitor, engine: Engine
) -> None:
    ids = [engine.start("swift") for _ in range(2)]
    listener = listen(vera, "job-updates")
    answer, snapshot = listener.hear(), listener.hear()
    assert answer == {"topic": "job-updates", "subscribed": True, "boot": engine.boot}
    assert (snapshot["topic"], snapshot["boot"]) == ("job-updates", engine.boot)
    assert [each["jobId"] for each in snapshot["data"]] == ids
    assert set(snapshot["data"][0]) == FIELDS


def test_an_empty_snapshot_comes_too(listen: Listen, vera: Visitor) -> None:
    assert listen(vera).snapshot("job-updates") == []


def test_a_new_job_and_all_its_changes_are_told(
    listen: Listen, vera: Visitor, at_work: AtWork, gate: Gate
) -> None:
    listener = listen(vera)
    listener.snapshot("job-updates")
    job_id = at_work.start("gated", **gate.params(tasks=4))
    listener.hear_until(lambda message: told(message, job_id).get("status") == "IN_PROGRESS")
    gate.open()
    last = told(listener.hear_until(ends(job_id)), job_id)
    assert (last["status"], last["progress"], last["counts"]["done"]) == ("DONE", 100, 4)
    assert last["finishedAt"].endswith("Z")


def test_a_thousand_changes_cost_a_few_messages_and_the_last_is_among_them(
    listen: Listen, vera: Visitor, at_work: AtWork
) -> None:
    listener = listen(vera)
    listener.snapshot("job-updates")
    job_id = at_work.start("writing", times=250, rest=0.004, tasks=4)
    listener.hear_until(ends(job_id), within=30)
    times = [each.at for each in listener.heard if told(each.message, job_id)]
    assert len(times) <= (times[-1] - times[0]) * 5 + 3


def test_the_first_change_after_quiet_is_told_at_once(
    listen: Listen, vera: Visitor, engine: Engine
) -> None:
    listener = listen(vera)
    listener.snapshot("job-updates")
    assert listener.silent_for(0.6)
    job_id = engine.start("swift")
    assert told(listener.hear(within=0.2), job_id)["status"] == "QUEUED"


def test_a_change_soon_after_a_message_does_not_wait_for_another(
    listen: Listen, vera: Visitor, engine: Engine
) -> None:
    listener = listen(vera)
    listener.snapshot("job-updates")
    for number in range(8):
        job_id = engine.start("swift")
        told_of = listener.hear_until(lambda message: told(message, job_id), within=0.45)  # noqa: B023
        assert told_of, number


def test_jobs_that_a_person_may_not_see_are_never_told(
    listen: Listen, vera: Visitor, alice: Visitor, at_work: AtWork
) -> None:
    before = at_work.start("secretive")
    of_vera, of_alice = listen(vera), listen(alice)
    assert of_vera.snapshot("job-updates") == []
    assert [each["jobId"] for each in of_alice.snapshot("job-updates")] == [before]
    hidden, shown = at_work.start("secretive"), at_work.start("swift")
    of_alice.hear_until(lambda message: told(message, hidden))
    of_vera.hear_until(ends(shown))
    assert "secretive" not in str([each.message for each in of_vera.heard])


def test_a_job_of_another_process_is_told_however_short_it_is(
    listen: Listen, vera: Visitor, app: Flask, settings: Settings
) -> None:
    """The other one executes; the one with the sockets does not."""
    listener = listen(vera)
    listener.snapshot("job-updates")
    other = Engine(app.extensions["jobdeck_database"], settings)
    other.run()
    try:
        for _ in range(3):
            job_id = other.start("swift")
            last = told(listener.hear_until(ends(job_id), within=3), job_id)
            assert last["status"] == "DONE"
    finally:
        other.begin_stop()
        other.stop()


def test_what_is_told_of_a_job_is_not_told_again(
    listen: Listen, vera: Visitor, at_work: AtWork
) -> None:
    listener = listen(vera)
    listener.snapshot("job-updates")
    job_id = at_work.start("swift")
    listener.hear_until(ends(job_id))
    assert listener.silent_for(1.0)
