"""Who may do what."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from app.users.errors import NotAllowed, NotSignedIn
from app.users.permissions import Action, Role, demand, may, refusal


@dataclass(frozen=True)
class Somebody:
    role: Role


VERA, OSCAR, ALICE = Somebody(Role.VIEWER), Somebody(Role.OPERATOR), Somebody(Role.SUPERADMIN)


@pytest.mark.parametrize(
    ("action", "those"),
    [
        ("view", {VERA, OSCAR, ALICE}),
        ("start", {OSCAR, ALICE}),
        ("manage", {OSCAR, ALICE}),
        ("edit", {ALICE}),
        ("delete", {ALICE}),
        ("control", {ALICE}),
        ("users", {ALICE}),
    ],
)
def test_each_role_may_do_its_part(action: str, those: set[Somebody]) -> None:
    assert {each for each in (VERA, OSCAR, ALICE) if may(each, action)} == those


@pytest.mark.parametrize("action", Action)
def test_a_stranger_may_do_nothing(action: Action) -> None:
    assert not may(None, action)
    with pytest.raises(NotSignedIn):
        demand(None, action)


def test_a_handler_can_ask_for_more() -> None:
    only_superadmins = {"view": "superadmin", "start": "superadmin"}
    assert not may(OSCAR, "start", only_superadmins)
    assert not may(VERA, "view", only_superadmins)
    assert may(ALICE, "start", only_superadmins)
    assert may(OSCAR, "manage", {"start": "superadmin"})


@pytest.mark.parametrize("action", Action)
def test_who_may_not_see_a_job_may_do_nothing_with_it(action: Action) -> None:
    assert not may(OSCAR, action, {"view": "superadmin"})
    assert may(ALICE, action, {"view": "superadmin"})


def test_a_handler_cannot_ask_for_less() -> None:
    assert not may(VERA, "start", {"start": "viewer"})


def test_a_refusal_is_a_sentence_that_says_what_is_needed() -> None:
    assert (
        refusal(VERA, "start") == "Your role is viewer; to start this, it must be operator or more."
    )
    assert refusal(OSCAR, "users") == (
        "Your role is operator; to manage the users, it must be superadmin."
    )
    with pytest.raises(NotAllowed, match="Your role is viewer"):
        demand(VERA, "delete")


def test_an_action_that_does_not_exist_is_an_error_and_not_a_refusal() -> None:
    with pytest.raises(ValueError, match="fly"):
        may(ALICE, "fly")
