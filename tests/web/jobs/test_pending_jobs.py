"""Why a job does not run: in its popup, in its row, in the API."""

from __future__ import annotations

from app.jobs import Engine, PendingCode, PendingReason
from app.users.people import find_by_email
from app.web.pending import named_jobs
from tests.at_work import AtWork, Gate
from tests.eventually import eventually
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, Element, opened, words


def notice(visitor: Visitor, job_id: int) -> Element:
    """What the popup says of it."""
    (found,) = opened(visitor, f"/jobs/{job_id}", headers=SCRIPT).hook("job-pending")
    return found


def row(visitor: Visitor, job_id: int) -> str:
    return words(opened(visitor, "/jobs").one(id=f"job-row-{job_id}"))


def waiting_for(visitor: Visitor, job_id: int) -> dict[str, object]:
    answer = visitor.get(f"/api/v1/jobs/{job_id}").get_json()
    found: dict[str, object] = answer["waiting_for"]
    return found


def test_without_a_worker_all_say_so(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    shown = notice(vera, job_id)
    assert shown["data-code"] == "no_worker"
    assert "No worker runs at all." in words(shown)
    assert "No worker runs" in row(vera, job_id)
    told = waiting_for(vera, job_id)
    assert told["code"] == "no_worker"
    assert (told["job_id"], told["until"]) == (None, None)


def test_who_holds_the_slot_is_linked(vera: Visitor, at_work: AtWork, gate: Gate) -> None:
    engine = at_work.engine
    first = at_work.start("gated", **gate.params(1))
    eventually(lambda: at_work.waiting(first) == 1)
    engine.set_limits("gated", {"concurrency_limit": 1})
    second = at_work.start("gated", **gate.params(1))
    page = opened(vera, f"/jobs/{second}", headers=SCRIPT)
    (shown,) = page.hook("job-pending")
    assert words(shown) == f"gated runs 1 job at a time, and #{first} holds the slot."
    assert page.all("a", href=f"/jobs/{first}")
    assert "Waits for a slot" in row(vera, second)
    assert waiting_for(vera, second)["job_id"] == first
    linked = list(named_jobs(PendingReason(code=PendingCode.SLOT, message="#21 and #2 run.")))
    assert linked == [("", 21), (" and ", 2), (" run.", None)]
    assert opened(vera, f"/jobs/{first}", headers=SCRIPT).hook("job-pending") == []
    assert waiting_for(vera, first) is None


def test_what_threads_do_is_told_without_what_the_person_may_not_see(
    vera: Visitor, alice: Visitor, at_work: AtWork, gate: Gate
) -> None:
    engine = at_work.engine
    hidden = at_work.start("gated", **gate.params(10))
    eventually(lambda: at_work.waiting(hidden) == 10)
    with engine.database.writing() as connection:
        connection.exec_driver_sql("UPDATE job SET handler = 'secretive'")
    job_id = engine.start("swift")
    assert f"busy with #{hidden}" in words(notice(alice, job_id))
    assert "busy with other jobs" in words(notice(vera, job_id))
    assert str(waiting_for(vera, job_id)["message"]).endswith("busy with other jobs.")


def test_what_waits_for_its_time_or_a_pause_says_it_once(
    vera: Visitor, alice: Visitor, engine: Engine
) -> None:
    later = engine.start("swift", delay=3600)
    engine.pause("swift", "because", by=find_by_email(engine.database, alice.email))
    paused = engine.start("swift")
    for job_id in (later, paused):
        assert opened(vera, f"/jobs/{job_id}", headers=SCRIPT).hook("job-pending") == []
    assert waiting_for(vera, later)["code"] == "due"
    assert str(waiting_for(vera, later)["until"]).endswith("Z")
    assert "Paused" in row(vera, paused)
    assert "alice@example.com" in str(waiting_for(vera, paused)["message"])
    ended = engine.start("swift")
    engine.cancel(ended)
    assert waiting_for(vera, ended) is None
