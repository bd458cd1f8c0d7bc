"""Renaming and deleting jobs: for superadmins, and only what has ended is deleted (A17)."""

from __future__ import annotations

import json

import pytest

from app.jobs import Engine
from app.jobs.errors import JobNotFound
from tests.at_work import AtWork
from tests.outside.kinds import HOSTILE
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, Page, opened, words


@pytest.fixture
def ended(at_work: AtWork) -> int:
    """A job that has ended."""
    job_id = at_work.start("swift", {}, {})
    at_work.ended(job_id)
    return job_id


def test_the_name_is_asked_for_with_the_old_one(alice: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", name="Old")
    page = opened(alice, f"/jobs/{job_id}/edit", headers=SCRIPT)
    assert page.one("input", name="name")["value"] == "Old"
    assert opened(alice, f"/jobs/{job_id}/edit").hook("job-edit")


@pytest.mark.parametrize("name", ["New", "  New  ", HOSTILE, "Ünïcode 雪 “x”"])
def test_a_job_gets_another_name(alice: Visitor, engine: Engine, name: str) -> None:
    job_id = engine.start("swift", name="Old")
    answer = alice.post(f"/jobs/{job_id}", {"name": name}, headers=SCRIPT)
    assert Page(answer).one("h2", id=f"job-{job_id}-title").text == name.strip()
    assert name.strip() in json.loads(answer.headers["HX-Trigger"])["toast"]["message"]
    assert engine.job(job_id).name == name.strip()
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "Write a name."), ("   ", "Write a name."), ("x" * 501, "at most 500 characters")],
)
def test_a_name_that_will_not_do_is_asked_for_again(
    alice: Visitor, engine: Engine, name: str, said: str
) -> None:
    job_id = engine.start("swift", name="Old")
    for headers in (SCRIPT, {}):
        answer = alice.post(f"/jobs/{job_id}", {"name": name}, headers=headers)
        assert answer.status_code == 422
        page = Page(answer)
        assert page.one("input", name="name")["aria-invalid"] == "true"
        assert page.one("input", name="name")["value"] == name
        assert said in words(page.one(id="job-name-error"))
    assert engine.job(job_id).name == "Old"


def test_a_running_job_may_be_renamed(alice: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    answer = alice.post(f"/jobs/{job_id}", {"name": "New"})
    assert (answer.status_code, answer.location) == (303, f"/jobs/{job_id}")


def test_the_question_before_deleting_says_what_goes(alice: Visitor, ended: int) -> None:
    (dialog,) = opened(alice, f"/jobs/{ended}/deletion", headers=SCRIPT).hook("question")
    said = f"Job #{ended} goes for good, with its 2 tasks, its log and its files."
    assert said in words(dialog)
    assert "This cannot be undone." in words(dialog)


def test_a_job_without_tasks_goes_with_its_state(alice: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", tasks=[])
    assert "with its state, its log" in opened(alice, f"/jobs/{job_id}/deletion").answer.text


def test_a_deleted_job_is_gone(alice: Visitor, engine: Engine, ended: int) -> None:
    answer = alice.post(f"/jobs/{ended}/deletion", headers=SCRIPT)
    assert (answer.status_code, answer.text) == (204, "")
    events = json.loads(answer.headers["HX-Trigger"])
    assert events["toast"]["message"] == f"Job {ended} is deleted."
    assert "gone" in events
    with pytest.raises(JobNotFound):
        engine.job(ended)
    assert alice.get(f"/jobs/{ended}").status_code == 404
    assert alice.post(f"/jobs/{ended}/deletion").status_code == 404


def test_without_a_script_deleting_leads_to_the_list(alice: Visitor, ended: int) -> None:
    answer = alice.post(f"/jobs/{ended}/deletion")
    assert (answer.status_code, answer.location) == (303, "/jobs")
    page = opened(alice, "/jobs")
    assert words(page.hook("toast")[0]) == f"Job {ended} is deleted."
    assert ended not in page.rows()


def test_a_job_that_has_not_ended_is_not_deleted(alice: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    (button,) = opened(alice, f"/jobs/{job_id}", headers=SCRIPT).hook("job-delete")
    assert button["title"] == "Delete: once the job has ended"
    answer = alice.post(f"/jobs/{job_id}/deletion", headers=SCRIPT)
    assert answer.status_code == 409
    assert "cannot be deleted" in answer.text
    assert engine.job(job_id).id == job_id


@pytest.mark.parametrize("who", ["vera", "oscar"])
def test_others_may_neither_rename_nor_delete(
    request: pytest.FixtureRequest, who: str, engine: Engine, ended: int
) -> None:
    visitor: Visitor = request.getfixturevalue(who)
    page = opened(visitor, f"/jobs/{ended}", headers=SCRIPT)
    for hook in ("job-rename", "job-delete"):
        (button,) = page.hook(hook)
        assert "disabled" in button.attributes
        assert button["title"].endswith("only for superadmins")
    assert "Rename, Delete: only for superadmins" in words(page.one("ul", class_="why"))
    assert visitor.get(f"/jobs/{ended}/edit").status_code == 403
    assert visitor.post(f"/jobs/{ended}", {"name": "Mine"}).status_code == 403
    assert visitor.get(f"/jobs/{ended}/deletion").status_code == 403
    assert visitor.post(f"/jobs/{ended}/deletion").status_code == 403
    assert engine.job(ended).name == "Swift"


def test_a_superadmin_is_not_told_of_jobs_that_are_not_there(alice: Visitor) -> None:
    for path in ("edit", "deletion", "retry", "cancellation"):
        assert alice.get(f"/jobs/{2**63}/{path}").status_code == 404
    assert alice.post(f"/jobs/{2**63}", {"name": "x"}).status_code == 404
