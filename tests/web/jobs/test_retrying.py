"""Retrying a job from its popup: what failed, what is unfinished, all, or one task (P7)."""

from __future__ import annotations

import pytest

from app.jobs import Engine
from tests.at_work import AtWork
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, Page, opened, words


@pytest.fixture
def failed(at_work: AtWork) -> int:
    """A job of four tasks, of which two failed."""
    job_id = at_work.start("failing", {"well": True}, {}, {"well": True}, {})
    at_work.ended(job_id)
    return job_id


def attempts(engine: Engine, job_id: int) -> list[int]:
    """How often each task has been tried."""
    return [task.attempt for task in engine.tasks(job_id, limit=10)]


@pytest.mark.parametrize(
    ("tasks", "tried", "said"),
    [
        (None, [1, 2, 1, 2], "Trying 2 tasks again."),
        ("failed", [1, 2, 1, 2], "Trying 2 tasks again."),
        ("unfinished", [1, 2, 1, 2], "Trying 2 tasks again."),
        ("all", [2, 2, 2, 2], "Trying 4 tasks again."),
        ("0", [2, 1, 1, 1], "Trying 1 task again."),
        ("0, 3", [2, 1, 1, 2], "Trying 2 tasks again."),
    ],
)
def test_the_chosen_tasks_are_tried_again(
    oscar: Visitor, at_work: AtWork, failed: int, tasks: str | None, tried: list[int], said: str
) -> None:
    form = {} if tasks is None else {"tasks": tasks}
    answer = oscar.post(f"/jobs/{failed}/retry", form, headers=SCRIPT)
    assert answer.status_code == 200
    assert said in answer.headers["HX-Trigger"]
    at_work.ended(failed)
    assert attempts(at_work.engine, failed) == tried


def test_the_popup_offers_the_choices(oscar: Visitor, failed: int) -> None:
    page = opened(oscar, f"/jobs/{failed}?task=1", headers=SCRIPT)
    (button,) = page.hook("job-retry")
    assert (button["name"], button["value"]) == ("tasks", "failed")
    assert words(button) == "Retry 2 failed"
    menu = page.one(id=f"job-{failed}-retry-menu")
    assert words(menu) == "Retry 2 failed Retry all 4 tasks …"
    (one,) = page.hook("task-retry")
    assert (one["name"], one["value"]) == ("tasks", "1")


def test_all_are_asked_about_first(oscar: Visitor, failed: int) -> None:
    (dialog,) = opened(oscar, f"/jobs/{failed}/retry?tasks=all", headers=SCRIPT).hook("question")
    assert "4 tasks of “Failing” run again, also the 2 that ended well." in words(dialog)


def test_what_is_cancelled_can_be_finished(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", tasks=[{}, {}])
    engine.cancel(job_id)
    (button,) = opened(oscar, f"/jobs/{job_id}", headers=SCRIPT).hook("job-retry")
    assert (button["value"], words(button)) == ("unfinished", "Retry 2 cancelled")
    page = Page(oscar.post(f"/jobs/{job_id}/retry", {"tasks": "unfinished"}, headers=SCRIPT))
    assert page.hook("job-status")[0]["data-status"] == "QUEUED"


def test_a_job_that_has_not_ended_is_not_retried(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    (button,) = opened(oscar, f"/jobs/{job_id}", headers=SCRIPT).hook("job-retry")
    assert button["title"] == "Retry: once the job has ended"
    answer = oscar.post(f"/jobs/{job_id}/retry", headers=SCRIPT)
    assert answer.status_code == 409
    assert "has not ended yet" in answer.text


def test_nothing_to_retry_is_told(oscar: Visitor, at_work: AtWork) -> None:
    job_id = at_work.start("swift", {})
    at_work.ended(job_id)
    answer = oscar.post(f"/jobs/{job_id}/retry", headers=SCRIPT)
    assert answer.status_code == 409
    assert "nothing to try again" in answer.text


@pytest.mark.parametrize("tasks", ["", "some", "1,x", "-1", "1;2", "9" * 30])
def test_tasks_that_are_none_are_refused(oscar: Visitor, failed: int, tasks: str) -> None:
    answer = oscar.post(f"/jobs/{failed}/retry", {"tasks": tasks}, headers=SCRIPT)
    assert answer.status_code == 422
    assert "Say failed, unfinished or all, or the numbers of tasks." in answer.text


def test_a_task_that_is_not_there_is_told(oscar: Visitor, failed: int) -> None:
    answer = oscar.post(f"/jobs/{failed}/retry", {"tasks": "99"}, headers=SCRIPT)
    assert (answer.status_code, answer.text) == (404, f"Job {failed} has no task 99.")


def test_without_a_script_it_is_a_redirect(oscar: Visitor, failed: int) -> None:
    answer = oscar.post(f"/jobs/{failed}/retry", {"tasks": "failed"})
    assert (answer.status_code, answer.location) == (303, f"/jobs/{failed}")
    assert "Trying 2 tasks again." in opened(oscar, answer.location).answer.text


def test_a_viewer_may_not(vera: Visitor, failed: int) -> None:
    page = opened(vera, f"/jobs/{failed}?task=1", headers=SCRIPT)
    for hook in ("job-retry", "task-retry"):
        assert "disabled" in page.hook(hook)[0].attributes
    assert vera.post(f"/jobs/{failed}/retry").status_code == 403
