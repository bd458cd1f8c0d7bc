"""The page behind the setup link."""

from __future__ import annotations

import pytest
from flask import Flask

from app.config import Settings
from app.users.setup import prepare_first_superadmin
from tests.visitor import PASSWORD, Visitor

FORM = {"email": "alice@example.com", "password": PASSWORD, "repeat": PASSWORD}


@pytest.fixture
def link(app: Flask, settings: Settings) -> str:
    token = prepare_first_superadmin(app.extensions["jobdeck_database"], settings)
    return f"/setup/{token}"


def test_it_makes_the_first_superadmin_and_signs_them_in(stranger: Visitor, link: str) -> None:
    assert 'name="repeat"' in stranger.get(link).text
    answer = stranger.post(link, FORM)
    assert (answer.status_code, answer.location) == (303, "/jobs")
    assert stranger.get("/jobs").status_code == 200


def test_the_second_to_use_it_is_told_so(stranger: Visitor, link: str, app: Flask) -> None:
    stranger.post(link, FORM)
    for answer in (Visitor(app).get(link), Visitor(app).post(link, FORM)):
        assert answer.status_code == 410
        assert "This link has been used already" in answer.text


def test_a_guessed_link_is_worth_nothing(stranger: Visitor) -> None:
    assert stranger.get("/setup/guessed").status_code == 410


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        ({"repeat": "another"}, "The two passwords are not the same."),
        ({"email": "alice"}, "This is not an e-mail address."),
        ({"password": "short", "repeat": "short"}, "A password needs at least 10 characters."),
    ],
)
def test_a_mistake_is_told_beside_its_field(
    stranger: Visitor, link: str, mistake: dict[str, str], sentence: str
) -> None:
    answer = stranger.post(link, FORM | mistake)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert stranger.post(link, FORM).status_code == 303
