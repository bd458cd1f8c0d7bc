"""Cancelling a job from its popup: asked first, told honestly (A8)."""

from __future__ import annotations

import json

from app.jobs import Engine
from tests.at_work import AtWork, Gate
from tests.eventually import eventually
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, Page, opened, words


def running(at_work: AtWork, gate: Gate, handler: str = "gated", tasks: int = 3) -> int:
    """A job of which all threads run tasks that wait."""
    job_id = at_work.start(handler, **gate.params(tasks=tasks))
    eventually(lambda: at_work.waiting(job_id) == min(tasks, 10))
    return job_id


def test_the_button_is_there_and_leads_to_the_question(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    (button,) = opened(oscar, f"/jobs/{job_id}", headers=SCRIPT).hook("job-cancel")
    assert button["formaction"] == f"/jobs/{job_id}/cancellation"
    assert "disabled" not in button.attributes


def test_the_question_says_what_will_not_start_and_what_runs(
    oscar: Visitor, at_work: AtWork, gate: Gate
) -> None:
    job_id = running(at_work, gate, tasks=12)
    page = opened(oscar, f"/jobs/{job_id}/cancellation", headers=SCRIPT)
    (dialog,) = page.hook("question")
    assert dialog.name == "dialog"
    assert "2 tasks have not begun and will not start." in words(dialog)
    assert "10 still run: they are asked to stop" in words(dialog)
    assert page.answer.headers["HX-Retarget"] == "#questions"


def test_the_question_is_a_page_too(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", tasks=[{}])
    page = opened(oscar, f"/jobs/{job_id}/cancellation")
    assert "1 task has not begun and will not start. None runs just now." in words(
        page.hook("question")[0]
    )
    assert page.hook("job-popup")[0]["data-job-id"] == str(job_id)


def test_a_job_that_has_not_begun_is_cancelled_at_once(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", tasks=[{}, {}])
    answer = oscar.post(f"/jobs/{job_id}/cancellation", headers=SCRIPT)
    page = Page(answer)
    assert page.hook("job-status")[0]["data-status"] == "CANCELLED"
    toast = json.loads(answer.headers["HX-Trigger"])["toast"]
    assert toast == {"message": f"Job {job_id} is cancelled.", "kind": "success"}
    assert engine.job(job_id).cancelled == 2


def test_a_job_that_runs_says_so_until_nothing_of_it_runs(
    oscar: Visitor, at_work: AtWork, gate: Gate
) -> None:
    job_id = running(at_work, gate, "stubborn")
    answer = oscar.post(f"/jobs/{job_id}/cancellation", headers=SCRIPT)
    page = Page(answer)
    assert page.hook("job-status")[0]["data-status"] == "IN_PROGRESS"
    assert "Cancelling" in words(page.hook("job-status")[0])
    notices = words(page.one(id=f"job-{job_id}-notices"))
    assert notices.startswith("Cancelling, asked by oscar@example.com just now. Waiting for 3 ")
    assert "Waiting for 3 running tasks to end." in answer.headers["HX-Trigger"]
    (button,) = page.hook("job-cancel")
    assert button["title"] == "Cancel job: it is asked for already"
    gate.open()
    assert at_work.ended(job_id).status == "CANCELLED"
    page = opened(oscar, f"/jobs/{job_id}", headers=SCRIPT)
    notices = words(page.one(id=f"job-{job_id}-notices"))
    assert notices.startswith("Cancelled, asked by oscar@example.com ")
    assert notices.endswith("Every task had ended by then, or went on to its end.")


def test_the_question_stays_true_when_somebody_else_was_faster(
    oscar: Visitor, at_work: AtWork, gate: Gate
) -> None:
    job_id = running(at_work, gate, "stubborn")
    at_work.engine.cancel(job_id)
    path = f"/jobs/{job_id}/cancellation"
    assert "Somebody has asked for it" in opened(oscar, path, headers=SCRIPT).answer.text
    assert oscar.post(path, headers=SCRIPT).status_code == 200
    gate.open()
    at_work.ended(job_id)
    assert "It has ended meanwhile." in opened(oscar, path, headers=SCRIPT).answer.text


def test_a_job_that_has_ended_is_not_cancelled_any_more(oscar: Visitor, at_work: AtWork) -> None:
    job_id = at_work.start("swift", {})
    at_work.ended(job_id)
    answer = oscar.post(f"/jobs/{job_id}/cancellation", headers=SCRIPT)
    assert answer.status_code == 409
    assert answer.text == f"Job {job_id} has ended already (DONE); it cannot be cancelled."
    assert answer.mimetype == "text/plain"


def test_without_a_script_it_is_a_redirect_and_a_message(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    answer = oscar.post(f"/jobs/{job_id}/cancellation")
    assert (answer.status_code, answer.location) == (303, f"/jobs/{job_id}")
    (toast,) = opened(oscar, answer.location).hook("toast")
    assert words(toast) == f"Job {job_id} is cancelled."


def test_a_viewer_sees_why_not_and_is_refused(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    page = opened(vera, f"/jobs/{job_id}", headers=SCRIPT)
    (button,) = page.hook("job-cancel")
    assert "disabled" in button.attributes
    assert button["title"] == "Cancel job: only for operators and superadmins"
    why = words(page.one("ul", class_="why"))
    assert "Cancel job, Retry, Run again: only for operators and superadmins" in why
    for method in (vera.get, vera.post):
        answer = method(f"/jobs/{job_id}/cancellation", headers=SCRIPT)
        assert answer.status_code == 403
        assert answer.text.startswith("Your role is viewer")
    assert engine.job(job_id).status == "QUEUED"


def test_a_handler_may_keep_it_for_superadmins(
    oscar: Visitor, alice: Visitor, engine: Engine
) -> None:
    job_id = engine.start("kept")
    assert oscar.post(f"/jobs/{job_id}/cancellation").status_code == 403
    assert alice.post(f"/jobs/{job_id}/cancellation").status_code == 303


def test_a_job_that_is_not_there_is_told(oscar: Visitor) -> None:
    answer = oscar.post("/jobs/7/cancellation", headers=SCRIPT)
    assert (answer.status_code, answer.text) == (
        404,
        "There is no job 7; it may have been deleted.",
    )


def test_the_popup_stays_at_its_tab_and_task(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", tasks=[{}, {}])
    shown = f"http://localhost/jobs/{job_id}?tasks=SCHEDULED&task=1"
    answer = oscar.post(f"/jobs/{job_id}/cancellation", headers={**SCRIPT, "HX-Current-URL": shown})
    (popup,) = Page(answer).hook("job-popup")
    assert popup["data-live"] == f"view/job/{job_id}?tasks=SCHEDULED&task=1"


def test_an_address_that_is_none_is_no_trouble(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    headers = {**SCRIPT, "HX-Current-URL": "http://[broken"}
    answer = oscar.post(f"/jobs/{job_id}/cancellation", headers=headers)
    assert Page(answer).hook("job-popup")[0]["data-live"] == f"view/job/{job_id}"
