"""The users as superadmins manage them (P11): their pages, and what these refuse."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from app.db import Database
from app.users.people import UserDetail, find_by_email, user
from tests.visitor import PASSWORD, Visitor
from tests.web.jobs.page import Page, opened, words

NEW = {"email": "new@example.com", "role": "operator", "password": ""}


def account(database: Database, email: str) -> UserDetail:
    """An account by its address."""
    found = find_by_email(database, email)
    assert found
    return user(database, found.id)


def path_of(database: Database, email: str) -> str:
    """The page of an account."""
    return f"/users/{account(database, email).id}"


def emails(page: Page) -> list[str]:
    """Who is in the list."""
    return [words(each).partition("@")[0] for each in page.all("a", class_="title")]


def test_only_superadmins_see_the_entry_and_may_open_it(
    alice: Visitor, oscar: Visitor, vera: Visitor
) -> None:
    assert opened(alice, "/jobs").link("Users") == "/users"
    for visitor in (oscar, vera):
        with pytest.raises(AssertionError, match="no link"):
            opened(visitor, "/jobs").link("Users")
        for path in ("/users", "/users/1", "/users/new", "/users/1/edit", "/users/1/deletion"):
            assert visitor.get(path).status_code == 403
        for path in ("/users", "/users/1", "/users/1/deletion", "/users/1/link"):
            assert visitor.post(path, NEW).status_code == 403


def test_the_list_is_searched_filtered_and_ordered(
    alice: Visitor, oscar: Visitor, vera: Visitor, database: Database
) -> None:
    disabled = {"email": vera.email, "role": "viewer", "disabled": "true"}
    alice.post(path_of(database, vera.email), disabled)
    assert emails(opened(alice, "/users")) == ["alice", "oscar", "vera"]
    assert emails(opened(alice, "/users?sort=-email")) == ["vera", "oscar", "alice"]
    assert emails(opened(alice, "/users?sort=-created")) == ["vera", "oscar", "alice"]
    assert emails(opened(alice, "/users?role=operator")) == ["oscar"]
    assert emails(opened(alice, "/users?disabled=yes")) == ["vera"]
    assert emails(opened(alice, "/users?disabled=no&q=A")) == ["alice", "oscar"]
    assert emails(opened(alice, "/users?created_from=2999-01-01")) == []


def test_an_account_with_a_password_can_sign_in(app: Flask, alice: Visitor) -> None:
    answer = alice.post("/users", {**NEW, "password": PASSWORD})
    assert answer.status_code == 303
    record = words(opened(alice, answer.location).hook("record")[0])
    assert "Role Operator" in record
    assert "Has a password Yes" in record
    assert Visitor(app, NEW["email"]).sign_in().status_code == 303


def test_an_account_without_a_password_is_opened_by_a_link_that_is_shown_once(
    app: Flask, alice: Visitor, database: Database
) -> None:
    page = alice.post("/users", {**NEW, "email": " New@Example.com "}).location
    assert "Not yet: make a link" in opened(alice, page).answer.text
    answer = alice.post(f"{page}/link")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    link = Page(answer).one(id="outcome")["value"]
    path = re.sub(r"^http://localhost", "", link)
    assert path not in opened(alice, page).answer.text
    assert path.startswith("/set-password/")
    guest = Visitor(app, NEW["email"])
    assert guest.get(path).status_code == 200
    guest.post(path, {"password": PASSWORD, "repeat": PASSWORD})
    assert account(database, NEW["email"]).has_password
    assert Visitor(app, NEW["email"]).sign_in().status_code == 303


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"email": ""}, "email", "Fill this in."),
        ({"email": "nobody"}, "email", "This is not an e-mail address."),
        ({"email": "a" * 300 + "@example.com"}, "email", "too long"),
        ({"email": "a\0@example.com"}, "email", "cannot be stored"),
        ({"email": "ALICE@example.com"}, "email", "has an account already"),
        ({"role": "king"}, "role", "Choose one of those offered."),
        ({"password": "short"}, "password", "at least 10 characters"),
    ],
)
def test_a_mistake_has_a_sentence_beside_its_field(
    alice: Visitor, given: dict[str, str], field: str, said: str
) -> None:
    answer = alice.post("/users", {**NEW, **given})
    assert answer.status_code == 422
    assert said in words(Page(answer).one(id=f"field-{field}-errors"))
    assert emails(opened(alice, "/users")) == ["alice"]


def test_a_new_account_is_a_viewers_unless_said_otherwise(
    alice: Visitor, database: Database
) -> None:
    assert '<option value="viewer" selected>' in alice.get("/users/new").text
    alice.post("/users", {"email": NEW["email"]})
    assert account(database, NEW["email"]).role == "viewer"


def test_a_password_is_never_shown_again(alice: Visitor) -> None:
    answer = alice.post("/users", {**NEW, "email": "nobody", "password": PASSWORD})
    assert PASSWORD not in answer.text


def test_a_change_of_an_account_counts_at_once(
    alice: Visitor, oscar: Visitor, database: Database
) -> None:
    page = path_of(database, oscar.email)
    form = opened(alice, f"{page}/edit")
    assert form.one(id="field-email")["value"] == oscar.email
    assert form.one(id="field-password")["value"] == ""
    alice.post(page, {"email": "oz@example.com", "role": "viewer", "password": ""})
    changed = account(database, "oz@example.com")
    assert (changed.role, changed.disabled, changed.has_password) == ("viewer", False, True)
    assert oscar.get("/jobs/new").status_code == 403
    alice.post(page, {"email": "oz@example.com", "role": "viewer", "disabled": "true"})
    assert oscar.get("/jobs").status_code == 302


def test_an_account_is_deleted_after_a_question(
    alice: Visitor, oscar: Visitor, database: Database
) -> None:
    page = path_of(database, oscar.email)
    assert "Delete oscar@example.com?" in opened(alice, f"{page}/deletion").answer.text
    assert alice.post(f"{page}/deletion").location == "/users"
    assert find_by_email(database, oscar.email) is None
    assert alice.get(page).status_code == 404


def test_the_last_superadmin_stays_and_the_form_says_why(
    alice: Visitor, database: Database
) -> None:
    page = path_of(database, alice.email)
    for change in ({"role": "viewer"}, {"role": "superadmin", "disabled": "true"}):
        answer = alice.post(page, {"email": alice.email, **change})
        assert answer.status_code == 422
        assert "Nobody else could sign in" in words(Page(answer).one(role="alert"))
    answer = alice.post(f"{page}/deletion")
    assert answer.status_code == 409
    assert "Nobody else could sign in" in words(Page(answer).one(role="alert"))
    kept = account(database, alice.email)
    assert (kept.role, kept.disabled) == ("superadmin", False)


def test_a_disabled_account_gets_no_link(
    alice: Visitor, oscar: Visitor, database: Database
) -> None:
    page = path_of(database, oscar.email)
    alice.post(page, {"email": oscar.email, "role": "operator", "disabled": "true"})
    answer = alice.post(f"{page}/link")
    assert (answer.status_code, answer.location) == (303, page)
    assert "Enable it first" in opened(alice, page).answer.text


@pytest.mark.parametrize("row_id", ["0", "99", str(2**63), "9" * 40])
def test_an_account_that_is_not_there_is_a_sentence(alice: Visitor, row_id: str) -> None:
    for path in ("", "/edit", "/deletion"):
        answer = alice.get(f"/users/{row_id}{path}")
        assert answer.status_code == 404
        assert "There is no user" in answer.text
    sent: dict[str, Any] = {"email": "x@example.com", "role": "viewer"}
    for path in ("", "/deletion", "/link"):
        assert alice.post(f"/users/{row_id}{path}", sent).status_code == 404


@pytest.mark.parametrize("row_id", ["x", "-1", "1.5", "%00", "../1"])
def test_an_id_that_is_none_leads_nowhere(alice: Visitor, row_id: str) -> None:
    assert alice.get(f"/users/{row_id}").status_code == 404
