"""The topics of pages: parts of the first render, by element id, and rows with their order."""

from __future__ import annotations

from app.jobs import Engine
from tests.at_work import AtWork, Gate
from tests.eventually import eventually
from tests.outside.kinds import HOSTILE
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT
from tests.web.live.conftest import Listen
from tests.web.live.listener import Message


def test_the_list_comes_whole_first(listen: Listen, vera: Visitor, engine: Engine) -> None:
    older, newer = engine.start("swift"), engine.start("swift")
    listener = listen(vera, "view/jobs?status=QUEUED")
    assert listener.hear()["subscribed"] is True
    snapshot = listener.hear()
    rows = snapshot["lists"]["job-rows"]
    assert rows["order"] == [f"job-row-{newer}", f"job-row-{older}"]
    assert set(rows["html"]) == set(rows["order"])
    assert rows["html"][f"job-row-{older}"].strip().startswith("<tr")
    assert set(snapshot["html"]) == {"job-tabs", "job-pager", "pauses"}


def test_a_new_job_moves_the_order_and_sends_only_its_own_row(
    listen: Listen, vera: Visitor, engine: Engine
) -> None:
    first = engine.start("swift")
    listener = listen(vera, "view/jobs")
    listener.hear_until(lambda message: "lists" in message)
    second = engine.start("swift")
    rows = listener.hear_until(lambda message: message.get("lists"))["lists"]["job-rows"]
    assert rows["order"] == [f"job-row-{second}", f"job-row-{first}"]
    assert list(rows["html"]) == [f"job-row-{second}"]


def test_a_job_that_no_longer_matches_leaves_the_list(
    listen: Listen, vera: Visitor, at_work: AtWork, gate: Gate
) -> None:
    job_id = at_work.start("gated", **gate.params())
    listener = listen(vera, "view/jobs?status=IN_PROGRESS")
    in_it = [f"job-row-{job_id}"]
    listener.hear_until(lambda message: order_in(message, "job-rows") == in_it)
    gate.open()
    listener.hear_until(lambda message: order_in(message, "job-rows") == [])


def order_in(message: Message, container: str) -> list[str] | None:
    """The order of a container's rows, if the message tells it."""
    found: Message = message.get("lists", {}).get(container, {})
    return found.get("order")


def test_a_page_of_the_list_keeps_its_length(listen: Listen, vera: Visitor, engine: Engine) -> None:
    for _ in range(3):
        engine.start("swift")
    listener = listen(vera, "view/jobs?size=2")
    listener.hear_until(lambda message: order_in(message, "job-rows"))
    newest = engine.start("swift")
    order = order_in(listener.hear_until(lambda m: order_in(m, "job-rows")), "job-rows")
    assert order == [f"job-row-{newest}", f"job-row-{newest - 1}"]


def test_the_list_of_a_person_lacks_what_they_may_not_see(
    listen: Listen, vera: Visitor, engine: Engine
) -> None:
    engine.start("secretive")
    listener = listen(vera, "view/jobs")
    listener.hear_until(lambda message: "lists" in message or "html" in message)
    engine.start("secretive")
    assert listener.silent_for(0.7)
    assert "secretive" not in str([each.message for each in listener.heard])


def test_the_popup_comes_whole_first(listen: Listen, vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", tasks=[{}, {}])
    listener = listen(vera, f"view/job/{job_id}")
    listener.hear()
    snapshot = listener.hear()
    parts = {"head", "progress", "notices", "component", "task-tabs", "task", "log", "files"}
    parts |= {"actions", "cancel-facts", "facts"}
    assert set(snapshot["html"]) == {f"job-{job_id}-{part}" for part in parts}
    rows = snapshot["lists"][f"job-{job_id}-task-rows"]
    assert rows["order"] == [f"task-{job_id}-0", f"task-{job_id}-1"]
    assert isinstance(snapshot["v"], int)


def test_what_is_sent_is_what_the_first_render_showed(
    listen: Listen, alice: Visitor, engine: Engine
) -> None:
    job_id = engine.start("example_job_handler", {"steps": 2, "seconds": 0}, name=HOSTILE)
    page = alice.get(f"/jobs/{job_id}", headers=SCRIPT).text
    page += alice.get(f"/jobs/{job_id}/cancellation", headers=SCRIPT).text
    listener = listen(alice, f"view/job/{job_id}")
    snapshot = listener.hear_until(lambda message: "html" in message)
    squeezed = "".join(page.split())
    for part in snapshot["html"].values():
        assert HOSTILE not in part
        assert "".join(part.split()) in squeezed
    for row in snapshot["lists"][f"job-{job_id}-task-rows"]["html"].values():
        assert "".join(row.split()) in squeezed


def test_a_popup_follows_its_job_to_the_end(
    listen: Listen, vera: Visitor, at_work: AtWork, gate: Gate
) -> None:
    job_id = at_work.start("gated", **gate.params(tasks=3))
    listener = listen(vera, f"view/job/{job_id}")
    shown: dict[str, str] = {}
    rows: dict[str, str] = {}
    gate.open()
    while 'data-status="DONE"' not in shown.get(f"job-{job_id}-head", ""):
        message = listener.hear()
        shown |= message.get("html", {})
        rows |= message.get("lists", {}).get(f"job-{job_id}-task-rows", {}).get("html", {})
    assert 'aria-valuenow="100"' in shown[f"job-{job_id}-progress"]
    assert len(rows) == 3
    assert all('data-status="DONE"' in row for row in rows.values())


def test_only_parts_that_changed_are_sent(listen: Listen, vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", tasks=[{}, {}])
    listener = listen(vera, f"view/job/{job_id}")
    listener.hear_until(lambda message: "html" in message)
    engine.set_job_state_field(job_id, "answer", 42)
    message = listener.hear()
    assert list(message["html"]) == [f"job-{job_id}-component"]
    assert message["lists"] == {}


def test_a_component_is_drawn_again_as_its_job_moves(
    listen: Listen, vera: Visitor, at_work: AtWork
) -> None:
    job_id = at_work.start("painted", {}, {})
    listener = listen(vera, f"view/job/{job_id}")
    component = f"job-{job_id}-component"
    last = "Painted Painted: 2 of 2"
    listener.hear_until(lambda message: last in message.get("html", {}).get(component, ""))


def test_the_opened_task_and_the_filter_come_with_the_topic(
    listen: Listen, vera: Visitor, at_work: AtWork
) -> None:
    job_id = at_work.start("failing", {"well": True}, {})
    at_work.ended(job_id)
    listener = listen(vera, f"view/job/{job_id}?tasks=FAILED&task=1")
    snapshot = listener.hear_until(lambda message: "html" in message)
    assert "Traceback" in snapshot["html"][f"job-{job_id}-task"]
    assert order_in(snapshot, f"job-{job_id}-task-rows") == [f"task-{job_id}-1"]


def test_a_component_that_raises_leaves_the_rest_alive(
    listen: Listen, vera: Visitor, at_work: AtWork
) -> None:
    job_id = at_work.start("unpaintable")
    listener = listen(vera, f"view/job/{job_id}")
    snapshot = listener.hear_until(lambda message: "html" in message)
    assert "cannot be drawn" in snapshot["html"][f"job-{job_id}-component"]
    at_work.ended(job_id)
    if 'data-status="DONE"' not in snapshot["html"][f"job-{job_id}-head"]:
        listener.hear_until(lambda m: 'data-status="DONE"' in str(m.get("html")))


def test_a_popup_tells_anew_what_its_job_waits_for(
    listen: Listen, vera: Visitor, at_work: AtWork, gate: Gate
) -> None:
    engine = at_work.engine
    first = at_work.start("gated", **gate.params(1))
    eventually(lambda: at_work.waiting(first) == 1)
    engine.set_limits("gated", {"concurrency_limit": 1})
    second, third = (at_work.start("gated", **gate.params(1)) for _ in range(2))
    listener = listen(vera, f"view/job/{third}")

    def says(sentence: str) -> None:
        notices = f"job-{third}-notices"
        listener.hear_until(lambda m: sentence in m.get("html", {}).get(notices, ""))

    says("1 job of its handler is before it")
    engine.cancel(second)  # nothing of the third one changes
    listener.hear_until(
        lambda m: "before it" not in m.get("html", {}).get(f"job-{third}-notices", "before it")
    )
