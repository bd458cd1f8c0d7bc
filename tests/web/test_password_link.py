"""The page behind the link with which people set their password."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from flask import Flask

from app.users.links import one_time_link
from app.users.people import create_user
from tests.visitor import Visitor

NEW = "another horse battery"
FORM = {"password": NEW, "repeat": NEW}


@pytest.fixture
def link(app: Flask) -> str:
    database = app.extensions["jobdeck_database"]
    bob = create_user(database, email="bob@example.com", role="operator")
    return f"/set-password/{one_time_link(database, bob.id)}"


def test_it_sets_the_password_and_signs_in(stranger: Visitor, link: str) -> None:
    page = stranger.get(link)
    assert "bob@example.com" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    answer = stranger.post(link, FORM)
    assert (answer.status_code, answer.location) == (303, "/jobs")
    assert "bob@example.com" in stranger.get("/account").text


def test_looking_at_it_uses_nothing_up(stranger: Visitor, link: str) -> None:
    for _ in range(3):
        assert stranger.get(link).status_code == 200


def test_the_second_to_use_it_is_told_whom_to_ask(stranger: Visitor, link: str, app: Flask) -> None:
    stranger.post(link, FORM)
    for answer in (Visitor(app).get(link), Visitor(app).post(link, FORM)):
        assert answer.status_code == 410
        assert "Ask a superadmin for a new one." in answer.text


@pytest.mark.parametrize("token", ["guessed", "%00", "%ED%A0%80", "x" * 5000])
def test_a_guessed_link_is_worth_nothing(stranger: Visitor, token: str) -> None:
    assert stranger.get(f"/set-password/{token}").status_code == 410


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        ({"repeat": "another"}, "The two passwords are not the same."),
        ({"password": "short", "repeat": "short"}, "A password needs at least 10 characters."),
    ],
)
def test_a_mistake_is_told_beside_its_field_and_leaves_the_link_good(
    stranger: Visitor, link: str, mistake: dict[str, str], sentence: str
) -> None:
    answer = stranger.post(link, FORM | mistake)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert stranger.post(link, FORM).status_code == 303


def test_who_was_somebody_else_before_is_the_person_of_the_link_then(
    vera: Visitor, link: str
) -> None:
    assert "vera@example.com" in vera.get("/account").text
    vera.post(link, FORM)
    page = vera.get("/account").text
    assert "bob@example.com" in page
    assert "vera@example.com" not in page


def test_a_request_from_elsewhere_sets_nothing(stranger: Visitor, link: str) -> None:
    assert stranger.client.post(link, data=FORM).status_code == 400
    assert stranger.post(link, FORM).status_code == 303


def test_the_address_of_a_link_is_in_no_log() -> None:
    configuration = runpy.run_path(str(Path(__file__).parents[2] / "gunicorn.conf.py"))
    assert {"/setup/", "/set-password/"} <= set(configuration["QUIET"])
