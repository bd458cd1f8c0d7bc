"""The topic of the widget in the navigation: one's own jobs, as they change (A14)."""

from __future__ import annotations

from app.jobs import Engine
from tests.at_work import AtWork, Gate
from tests.visitor import Visitor
from tests.web.jobs.test_navbar import id_of
from tests.web.live.conftest import Listen
from tests.web.live.listener import Message

BUTTON, ROWS = "navbar-jobs-button", "navbar-jobs-rows"


def counted(message: Message, number: int) -> bool:
    """Whether the message has a button with this number."""
    return f">{number}</span>" in message.get("html", {}).get(BUTTON, "")


def order_in(message: Message) -> list[str] | None:
    """The order of the rows, if the message tells it."""
    found: Message = message.get("lists", {}).get(ROWS, {})
    return found.get("order")


def html_of(message: Message, row: str) -> str:
    """The HTML of a row, if the message has it."""
    found: Message = message.get("lists", {}).get(ROWS, {})
    return str(found.get("html", {}).get(row, ""))


def test_it_comes_whole_first(listen: Listen, oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", started_by=id_of(engine, oscar))
    listener = listen(oscar, "view/navbar")
    assert listener.hear()["subscribed"] is True
    snapshot = listener.hear()
    assert counted(snapshot, 1)
    assert order_in(snapshot) == [f"navbar-job-{job_id}"]


def test_the_number_and_the_rows_follow_the_jobs(
    listen: Listen, oscar: Visitor, at_work: AtWork, gate: Gate
) -> None:
    listener = listen(oscar, "view/navbar")
    listener.hear_until(lambda message: counted(message, 0))
    by = id_of(at_work.engine, oscar)
    job_id = at_work.engine.start("gated", gate.params(), started_by=by)
    listener.hear_until(lambda message: counted(message, 1))
    gate.open()
    row = f"navbar-job-{job_id}"
    done = listener.hear_until(lambda message: 'aria-valuenow="100"' in html_of(message, row))
    assert counted(done, 0)


def test_jobs_of_others_are_no_news(
    listen: Listen, oscar: Visitor, alice: Visitor, engine: Engine
) -> None:
    listener = listen(oscar, "view/navbar")
    listener.hear_until(lambda message: counted(message, 0))
    engine.start("swift", started_by=id_of(engine, alice))
    assert listener.silent_for(0.7)


def test_a_deleted_job_leaves_it(listen: Listen, oscar: Visitor, at_work: AtWork) -> None:
    by = id_of(at_work.engine, oscar)
    job_id = at_work.engine.start("swift", started_by=by)
    at_work.ended(job_id)
    listener = listen(oscar, "view/navbar")
    listener.hear_until(lambda message: order_in(message) == [f"navbar-job-{job_id}"])
    at_work.engine.delete_job(job_id)
    listener.hear_until(lambda message: order_in(message) == [])
