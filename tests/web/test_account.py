"""The page of the own account."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from tests.visitor import PASSWORD, Visitor

NEW = "another horse battery"
FORM = {"current": PASSWORD, "password": NEW, "repeat": NEW}


@pytest.fixture
def elsewhere(app: Flask, vera: Visitor) -> Visitor:
    """Vera at another computer."""
    visitor = Visitor(app, vera.email)
    visitor.sign_in()
    return visitor


def is_in(visitor: Visitor) -> bool:
    return visitor.get("/account").status_code == 200


def endings(page: str) -> list[str]:
    """The addresses of the buttons that end one sign-in."""
    return re.findall(r"/account/sign-ins/\w{16}/deletion", page)


def test_it_says_who_one_is_and_what_one_may_do(vera: Visitor) -> None:
    page = vera.get("/account").text
    assert "vera@example.com" in page
    assert "Viewer, who sees the jobs" in page
    assert "You are signed in nowhere else." in page
    assert endings(page) == []


def test_a_changed_password_ends_the_other_sign_ins(vera: Visitor, elsewhere: Visitor) -> None:
    answer = vera.post("/account/password", FORM)
    assert (answer.status_code, answer.location) == (303, "/account")
    assert "Your password is changed." in vera.get("/account").text
    assert not is_in(elsewhere)
    assert elsewhere.sign_in(PASSWORD).status_code == 401
    assert elsewhere.sign_in(NEW).status_code == 303


@pytest.mark.parametrize(
    ("mistake", "field", "sentence"),
    [
        ({"current": "wrong"}, "current", "This is not your password."),
        ({"current": ""}, "current", "This is not your password."),
        ({"repeat": "other"}, "repeat", "The two passwords are not the same."),
        ({"password": "short", "repeat": "short"}, "password", "at least 10 characters."),
        ({"password": "", "repeat": ""}, "password", "at least 10 characters."),
        ({"password": "x" * 2**20, "repeat": "x" * 2**20}, "password", "at most 200 characters."),
    ],
)
def test_a_mistake_is_told_beside_its_field(
    vera: Visitor, elsewhere: Visitor, mistake: dict[str, str], field: str, sentence: str
) -> None:
    answer = vera.post("/account/password", FORM | mistake)
    assert answer.status_code == 422
    note = re.search(rf'<p id="{field}-note" class="field-error">.*?</svg>(.*?)</p>', answer.text)
    assert note is not None
    assert sentence in note[1]
    assert answer.text.count('aria-invalid="true"') == 1
    assert is_in(elsewhere)


def test_no_password_comes_back_with_the_form(vera: Visitor) -> None:
    answer = vera.post("/account/password", FORM | {"current": "wrong horse"})
    assert NEW not in answer.text
    assert "wrong horse" not in answer.text


def test_one_sign_in_is_ended(vera: Visitor, elsewhere: Visitor) -> None:
    [ending] = endings(vera.get("/account").text)
    answer = vera.post(ending)
    assert (answer.status_code, answer.location) == (303, "/account")
    assert is_in(vera)
    assert not is_in(elsewhere)
    assert vera.post(ending).status_code == 303


def test_all_others_are_ended(app: Flask, vera: Visitor, elsewhere: Visitor) -> None:
    further = Visitor(app, vera.email)
    further.sign_in()
    assert vera.post("/account/sign-ins/deletion").status_code == 303
    assert [is_in(each) for each in (vera, elsewhere, further)] == [True, False, False]


def test_nobody_ends_the_sign_in_of_another(
    vera: Visitor, elsewhere: Visitor, oscar: Visitor
) -> None:
    for ending in endings(vera.get("/account").text):
        oscar.post(ending)
    assert is_in(elsewhere)


@pytest.mark.parametrize(
    "path", ["/account/password", "/account/sign-ins/deletion", "/account/sign-ins/x/deletion"]
)
def test_a_request_from_elsewhere_changes_nothing(
    vera: Visitor, elsewhere: Visitor, path: str
) -> None:
    assert vera.client.post(path, data=FORM).status_code == 400
    assert is_in(elsewhere)


def test_the_key_of_a_sign_in_is_not_on_the_page(vera: Visitor) -> None:
    with vera.client.session_transaction() as session:
        assert session["_user_id"] not in vera.get("/account").text
