"""The popup of a job as HTML: alone for a script, over the list by its address (P6)."""

from __future__ import annotations

import pytest

from app.jobs import Engine
from app.web import pages
from tests.at_work import AtWork, Gate
from tests.eventually import eventually
from tests.outside.kinds import HOSTILE
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, opened, words


def test_its_address_opens_it_over_the_list(vera: Visitor, engine: Engine) -> None:
    other, job_id = engine.start("swift"), engine.start("swift")
    page = opened(vera, f"/jobs/{job_id}")
    (popup,) = page.hook("job-popup")
    assert popup["data-job-id"] == str(job_id)
    assert popup["data-live"] == f"view/job/{job_id}"
    assert page.rows() == [job_id, other]
    assert page.one(id="jobs")["data-live"] == "view/jobs"


def test_a_script_gets_it_alone(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    page = opened(vera, f"/jobs/{job_id}", headers=SCRIPT)
    assert page.elements[0].name == "dialog"
    assert not page.all("html")
    assert page.rows() == []


def test_it_has_every_hook(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("example_job_handler", {"steps": 2, "seconds": 0})
    page = opened(vera, f"/jobs/{job_id}", headers=SCRIPT)
    (status,), (progress,) = page.hook("job-status"), page.hook("job-progress")
    assert status["data-status"] == "QUEUED"
    assert (progress["role"], progress["aria-valuenow"]) == ("progressbar", "0")
    assert [each["data-status"] for each in page.hook("task-row")] == ["SCHEDULED"] * 2
    assert len(page.hook("job-component")) == 1


def test_a_job_that_is_not_there_is_a_page_that_says_so(vera: Visitor) -> None:
    answer = vera.get("/jobs/7")
    assert answer.status_code == 404
    assert "There is no job 7; it may have been deleted." in answer.text


@pytest.mark.parametrize("beyond", [2**63 - 1, 2**63, 10**30])
def test_a_number_beyond_the_databases_is_no_job(vera: Visitor, beyond: int) -> None:
    assert vera.get(f"/jobs/{beyond}").status_code == 404
    assert vera.get(f"/jobs/{beyond}", headers=SCRIPT).status_code == 404


def test_a_task_that_is_not_there_is_told(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    answer = vera.get(f"/jobs/{job_id}?task=7")
    assert answer.status_code == 404
    assert f"Job {job_id} has no task 7." in answer.text


@pytest.mark.parametrize("task", ["x", "-1", "", "%00", "9" * 30])
def test_a_task_that_is_no_number_opens_none(vera: Visitor, engine: Engine, task: str) -> None:
    job_id = engine.start("swift")
    page = opened(vera, f"/jobs/{job_id}?task={task}")
    assert "data-task" not in page.hook("job-popup")[0].attributes


def test_a_failed_task_is_opened_with_its_traceback_and_log(vera: Visitor, at_work: AtWork) -> None:
    job_id = at_work.start("failing", {"well": True}, {})
    at_work.ended(job_id)
    page = opened(vera, f"/jobs/{job_id}?task=1", headers=SCRIPT)
    task = page.one(id=f"job-{job_id}-task")
    assert f"ValueError: {HOSTILE}" in task.text
    assert "Traceback (most recent call last)" in task.text
    assert "in failing" in task.text
    assert f"about to fail: {HOSTILE}" in task.text
    assert page.hook("job-popup")[0]["data-live"] == f"view/job/{job_id}?task=1"
    assert HOSTILE not in page.answer.text


def test_failed_tasks_come_first(vera: Visitor, at_work: AtWork) -> None:
    job_id = at_work.start("failing", {"well": True}, {}, {"well": True}, {})
    at_work.ended(job_id)
    page = opened(vera, f"/jobs/{job_id}", headers=SCRIPT)
    assert page.tasks() == [1, 3, 0, 2]
    assert page.hook("task-row")[0]["data-status"] == "FAILED"


def test_tasks_are_filtered_by_status(vera: Visitor, at_work: AtWork) -> None:
    job_id = at_work.start("failing", {"well": True}, {}, {"well": True}, {})
    at_work.ended(job_id)
    page = opened(vera, f"/jobs/{job_id}?tasks=DONE", headers=SCRIPT)
    assert page.tasks() == [0, 2]
    assert page.hook("job-popup")[0]["data-live"] == f"view/job/{job_id}?tasks=DONE"
    assert page.link("Failed 2") == f"/jobs/{job_id}?tasks=FAILED"
    assert opened(vera, f"/jobs/{job_id}?tasks=GONE").tasks() == [1, 3, 0, 2]


def test_tasks_are_read_by_pages_across_the_failed_and_the_others(
    vera: Visitor, at_work: AtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "TASKS", 3)
    job_id = at_work.start("failing", *({"well": number % 2 == 0} for number in range(8)))
    at_work.ended(job_id)
    order = [1, 3, 5, 7, 0, 2, 4, 6]
    first = opened(vera, f"/jobs/{job_id}", headers=SCRIPT)
    second = opened(vera, first.link("Next tasks"), headers=SCRIPT)
    third = opened(vera, second.link("Next tasks"), headers=SCRIPT)
    assert first.tasks() + second.tasks() + third.tasks() == order
    back = opened(vera, third.link("Previous tasks"), headers=SCRIPT)
    assert back.tasks() == second.tasks()
    assert opened(vera, back.link("Previous tasks"), headers=SCRIPT).tasks() == first.tasks()


@pytest.mark.parametrize("status", ["DONE", "FAILED"])
def test_filtered_tasks_are_read_by_pages(
    vera: Visitor, at_work: AtWork, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setattr(pages, "TASKS", 2)
    states = ({"well": status == "DONE" or number == 1} for number in range(5))
    job_id = at_work.start("failing", *states)
    at_work.ended(job_id)
    expected = [0, 1, 2, 3, 4] if status == "DONE" else [0, 2, 3, 4]
    first = opened(vera, f"/jobs/{job_id}?tasks={status}", headers=SCRIPT)
    second = opened(vera, first.link("Next tasks"), headers=SCRIPT)
    assert first.tasks() + second.tasks() == expected[:4]
    back = opened(vera, second.link("Previous tasks"), headers=SCRIPT)
    assert back.tasks() == first.tasks()


@pytest.mark.parametrize("place", ["x", "f", "o-1", "f1.5", "z3", "", "o" + "9" * 30])
def test_a_place_that_is_none_is_the_first_page(vera: Visitor, engine: Engine, place: str) -> None:
    job_id = engine.start("swift")
    assert opened(vera, f"/jobs/{job_id}?after={place}&before={place}").tasks() == [0]


def test_params_are_shown_and_secrets_are_not(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("everything", {"text": "abc", "password": "open sesame"})
    page = opened(vera, f"/jobs/{job_id}")
    assert "open sesame" not in page.answer.text
    assert "••••••" in page.answer.text


def test_every_text_that_somebody_wrote_is_shown_as_text(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start(
        "swift",
        {HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]},
        name=HOSTILE,
        tasks=[{"state": {HOSTILE: HOSTILE}}],
    )
    engine.set_job_state_field(job_id, HOSTILE, [HOSTILE])
    page = opened(vera, f"/jobs/{job_id}?task=0")
    assert HOSTILE not in page.answer.text
    assert "<script>alert" not in page.answer.text
    assert page.answer.text.count("&lt;script&gt;alert") >= 8


def test_a_running_job_shows_what_runs(vera: Visitor, at_work: AtWork, gate: Gate) -> None:
    job_id = at_work.start("gated", **gate.params(tasks=2))
    eventually(lambda: at_work.waiting(job_id) == 2)
    page = opened(vera, f"/jobs/{job_id}", headers=SCRIPT)
    assert page.hook("job-status")[0]["data-status"] == "IN_PROGRESS"
    assert {each["data-status"] for each in page.hook("task-row")} == {"IN_PROGRESS"}
    assert "Running 2" in words(page.one(id=f"job-{job_id}-task-tabs"))


def test_a_job_that_few_may_see_is_not_shown_to_others(
    vera: Visitor, alice: Visitor, engine: Engine
) -> None:
    job_id = engine.start("secretive", name="The plan")
    for headers in ({}, SCRIPT):
        answer = vera.get(f"/jobs/{job_id}", headers=headers)
        assert answer.status_code == 403
        assert "The plan" not in answer.text
    assert "The plan" in opened(alice, f"/jobs/{job_id}").answer.text


def test_what_nobody_can_read_just_now_is_told(
    vera: Visitor, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = engine.start("swift")
    monkeypatch.setattr(Engine, "trouble", "The database has been locked for 20 s.")
    assert "The database has been locked for 20 s." in opened(vera, f"/jobs/{job_id}").answer.text
