"""Signing in and out."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from flask import Flask
from werkzeug.test import Cookie

from app.config import Settings
from app.db import now
from app.users.people import add_user
from app.users.permissions import Role
from tests.conftest import MakeApp
from tests.visitor import PASSWORD, Visitor


@pytest.fixture
def bob(app: Flask) -> Visitor:
    """Bob has an account and is not signed in."""
    add_user(app.extensions["jobdeck_database"], "bob@example.com", Role.VIEWER, PASSWORD)
    return Visitor(app, "bob@example.com")


def cookie(visitor: Visitor) -> Cookie:
    found = visitor.client.get_cookie("jobdeck_session")
    assert found is not None
    return found


def copy_of(visitor: Visitor) -> Visitor:
    """Another browser that somebody has given the same cookie."""
    copy = Visitor(visitor.client.application)
    copy.client.set_cookie("jobdeck_session", cookie(visitor).value)
    return copy


def is_in(visitor: Visitor) -> bool:
    return visitor.get("/jobs").status_code == 200


def test_the_page_shows_a_form_with_a_token(stranger: Visitor) -> None:
    page = stranger.get("/login")
    assert page.status_code == 200
    assert all(f'name="{each}"' in page.text for each in ("email", "password", "csrf_token"))


def test_a_right_password_lets_in(bob: Visitor) -> None:
    assert not is_in(bob)
    answer = bob.sign_in()
    assert (answer.status_code, answer.location) == (303, "/jobs")
    assert is_in(bob)


def test_who_is_signed_in_needs_no_form(alice: Visitor) -> None:
    assert alice.get("/login").location == "/jobs"


def test_a_wrong_password_is_told_on_the_form_and_keeps_the_address(bob: Visitor) -> None:
    answer = bob.sign_in("wrong")
    assert answer.status_code == 401
    assert "The e-mail address or the password is not right." in answer.text
    assert 'value="bob@example.com"' in answer.text
    assert not is_in(bob)


def test_a_form_without_its_token_is_refused(bob: Visitor) -> None:
    form = {"email": bob.email, "password": PASSWORD}
    assert bob.client.post("/login", data=form).status_code == 400


def test_signing_out_ends_the_session(alice: Visitor) -> None:
    answer = alice.post("/logout")
    assert (answer.status_code, answer.location) == (303, "/login")
    assert not is_in(alice)


@pytest.mark.parametrize("remember", ["", "1"])
def test_a_copied_cookie_dies_when_its_owner_signs_out(bob: Visitor, remember: str) -> None:
    bob.sign_in(remember=remember)
    thief = copy_of(bob)
    assert is_in(thief)
    bob.post("/logout")
    assert not is_in(thief)


def test_signing_out_here_leaves_another_browser_in(bob: Visitor) -> None:
    elsewhere = Visitor(bob.client.application, bob.email)
    elsewhere.sign_in()
    bob.sign_in()
    bob.post("/logout")
    assert is_in(elsewhere)


def test_nothing_of_the_session_before_survives_the_sign_in(bob: Visitor) -> None:
    """Else a session that somebody had planted would be signed in, too."""
    planted = bob.token()
    with bob.client.session_transaction() as session:
        session["planted"] = "by somebody else"
    bob.post("/login", {"email": bob.email, "password": PASSWORD, "csrf_token": planted})
    with bob.client.session_transaction() as session:
        assert "planted" not in session


def test_the_browser_forgets_when_it_is_closed(bob: Visitor) -> None:
    bob.sign_in()
    assert cookie(bob).expires is None


def test_remember_me_outlives_the_browser_for_thirty_days(bob: Visitor) -> None:
    bob.sign_in(remember="1")
    expires = cookie(bob).expires
    assert expires is not None
    assert abs(expires - now() - timedelta(days=30)) < timedelta(minutes=1)


def test_the_cookie_is_kept_from_scripts_and_other_sites(bob: Visitor) -> None:
    for line in bob.sign_in(remember="1").headers.getlist("Set-Cookie"):
        assert "HttpOnly" in line
        assert "SameSite=Lax" in line
        assert "Secure" not in line


def test_behind_tls_the_cookies_are_for_tls_only(make_app: MakeApp, settings: Settings) -> None:
    app = make_app(dataclasses.replace(settings, secure_cookies=True))
    add_user(app.extensions["jobdeck_database"], "bob@example.com", Role.VIEWER, PASSWORD)
    with app.test_client() as client:
        page = client.get("/login", base_url="https://jobdeck.example")
        assert "Secure" in page.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("wanted", "where"),
    [
        ("/jobs/7?task=3", "/jobs/7?task=3"),
        ("https://evil.example/", "/jobs"),
        ("//evil.example/", "/jobs"),
        ("/\\evil.example/", "/jobs"),
        ("/\t/evil.example/", "/jobs"),
        ("\n//evil.example/", "/jobs"),
        ("javascript:alert(1)", "/jobs"),
        ("jobs", "/jobs"),
        ("", "/jobs"),
    ],
)
def test_the_way_on_leads_nowhere_else(bob: Visitor, wanted: str, where: str) -> None:
    assert bob.sign_in(next=wanted).location == where


def test_a_page_that_needs_a_sign_in_says_where_to_come_back_to(stranger: Visitor) -> None:
    answer = stranger.get("/jobs?status=DONE")
    assert answer.status_code == 302
    assert answer.location == "/login?next=/jobs?status%3DDONE"


def test_the_demo_says_how_to_sign_in_and_nothing_else_does(
    make_app: MakeApp, settings: Settings, stranger: Visitor
) -> None:
    demo = Visitor(make_app(dataclasses.replace(settings, demo=True)))
    assert "jobdeck-demo" in demo.get("/login").text
    assert "jobdeck-demo" not in stranger.get("/login").text


def test_the_prompt_and_the_background_are_the_owners(
    make_app: MakeApp, settings: Settings
) -> None:
    picture = settings.data_dir / "picture.png"
    picture.write_bytes(b"a picture")
    own = dataclasses.replace(
        settings, login_prompt="Ask <b>Ann</b> for an account", login_background=str(picture)
    )
    visitor = Visitor(make_app(own))
    page = visitor.get("/login").text
    assert "Ask <b>Ann</b> for an account" in page
    assert "/login/background" in page
    with visitor.get("/login/background") as answer:
        assert answer.data == b"a picture"


def test_without_a_background_there_is_none(stranger: Visitor) -> None:
    assert stranger.get("/login/background").status_code == 404
