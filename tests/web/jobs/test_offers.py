"""What a person is offered to do with a job: always everything, with the reason why not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.users.permissions import Role
from app.web.offers import Action, offered
from tests.web.templates.drawing import job

ORDER = ["cancel", "retry", "again", "limit", "rename", "delete"]
ENDED: dict[str, Any] = {
    "status": "DONE_WITH_ERRORS",
    "is_final": True,
    "done": 4,
    "failed": 2,
    "unfinished": 2,
}


def offers(
    role: Role = Role.SUPERADMIN, /, roles: dict[str, str] | None = None, **given: Any
) -> dict[str, Action]:
    """The actions by name."""
    lacks = given.pop("lacks", None)
    person = SimpleNamespace(role=role)
    shown: Any = job(**given)
    found = offered(person, shown, roles or {}, lacks=lacks)
    assert [each.name for each in found] == ORDER
    return {each.name: each for each in found}


def reasons(found: dict[str, Action]) -> dict[str, str]:
    """The reasons of what is not possible."""
    return {name: each.reason for name, each in found.items() if each.reason}


def test_a_running_job_may_be_cancelled_and_run_again() -> None:
    waits = "once the job has ended"
    assert reasons(offers()) == {"retry": waits, "delete": waits}


def test_a_job_that_ended_may_be_retried_and_deleted() -> None:
    ended = "the job has ended"
    assert reasons(offers(**ENDED)) == {"cancel": ended, "limit": ended}


def test_a_cancel_that_was_asked_for_is_not_asked_for_again() -> None:
    assert offers(is_cancelling=True)["cancel"].reason == "it is asked for already"


def test_a_job_whose_handler_is_gone_cannot_run_again() -> None:
    assert reasons(offers(lacks="its handler is not installed here", **ENDED))["again"] == (
        "its handler is not installed here"
    )


def test_a_job_of_which_nothing_ran_cannot_be_retried() -> None:
    nothing: dict[str, Any] = {"status": "DONE", "is_final": True, "skipped": 4}
    assert offers(**nothing)["retry"].reason == "no task of it has run"


def test_a_viewer_is_offered_nothing_and_told_who_is() -> None:
    some, few = "only for operators and superadmins", "only for superadmins"
    found = reasons(offers(Role.VIEWER, **ENDED))
    assert found == dict.fromkeys(ORDER[:3], some) | dict.fromkeys(ORDER[3:], few)


def test_who_may_not_retry_is_offered_no_choice() -> None:
    assert not offers(Role.VIEWER, **ENDED)["retry"].choices


def test_an_operator_may_neither_limit_nor_rename_nor_delete() -> None:
    found = reasons(offers(Role.OPERATOR, **ENDED))
    assert {name for name, said in found.items() if said == "only for superadmins"} == {
        "limit",
        "rename",
        "delete",
    }


def test_a_handler_may_keep_its_jobs_for_few() -> None:
    found = reasons(offers(Role.OPERATOR, {"manage": "superadmin"}))
    assert found["cancel"] == "only for superadmins"
    assert "again" not in found


@pytest.mark.parametrize(
    ("counts", "choices"),
    [
        ({"done": 4, "failed": 2}, [("failed", "Retry 2 failed"), ("all", "Retry all 6 tasks")]),
        ({"done": 1}, [("all", "Retry the task")]),
        ({"done": 1200}, [("all", "Retry all 1,200 tasks")]),
        ({"cancelled": 3}, [("unfinished", "Retry 3 cancelled")]),
        (
            {"done": 1, "failed": 2, "cancelled": 3},
            [
                ("failed", "Retry 2 failed"),
                ("unfinished", "Retry 5 unfinished"),
                ("all", "Retry all 6 tasks"),
            ],
        ),
    ],
)
def test_the_most_useful_retry_comes_first(
    counts: dict[str, Any], choices: list[tuple[str, str]]
) -> None:
    unfinished = counts.get("failed", 0) + counts.get("cancelled", 0)
    ended: dict[str, Any] = {"status": "DONE", "is_final": True, "unfinished": unfinished}
    retry = offers(**ended, **counts)["retry"]
    assert [(each.tasks, each.label) for each in retry.choices] == choices
    assert retry.label == "Retry"
    assert [each.asks for each in retry.choices] == [tasks == "all" for tasks, _ in choices]
