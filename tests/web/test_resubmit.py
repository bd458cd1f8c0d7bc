"""A form whose session has ended is kept on a page, to be sent once more (without a script)."""

from __future__ import annotations

import io
import re
from html import unescape

import pytest
from flask import Flask

from tests.visitor import Visitor

ENTERED = {"handler": "example_job_handler", "name": '"A" & <b>\r\n\tb', "more": ["1", "2"]}


def kept(page: str) -> list[tuple[str, str]]:
    """The fields that the page would send, but for the token."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    return [(name, unescape(value)) for name, value in found if name != "csrf_token"]


@pytest.mark.parametrize("path", ["/jobs", "/users", "/users/1", "/jobs/1", "/jobs/1/priority"])
def test_a_strangers_form_is_no_redirect_and_keeps_its_fields(stranger: Visitor, path: str) -> None:
    answer = stranger.client.post(f"{path}?tab=x", data=ENTERED)
    assert answer.status_code == 401
    assert "You are signed out" in answer.text
    assert f'action="{path}?tab=x"' in answer.text
    assert kept(answer.text) == [
        ("handler", "example_job_handler"), ("name", ENTERED["name"]), ("more", "1"), ("more", "2"),
    ]  # fmt: skip


def test_a_form_of_an_older_session_names_who_would_send_it(alice: Visitor) -> None:
    answer = alice.client.post("/jobs", data=ENTERED | {"csrf_token": "old"})
    assert answer.status_code == 400
    assert f'You are signed in as <strong class="breaks">{alice.email}</strong> now' in answer.text
    token = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
    assert token
    again = alice.client.post(
        "/jobs", data=dict(kept(answer.text)[:2]) | {"csrf_token": token[1], "name": "Kept"}
    )
    assert again.status_code == 303


def test_passwords_and_files_are_asked_for_again(stranger: Visitor) -> None:
    secrets = {"current": "old secret", "password": "new secret", "repeat": "new secret"}
    page = stranger.client.post("/account/password", data=secrets).text
    assert "secret" not in page
    assert page.count('type="password"') == 3
    file = {"handler": "import_admin_users", "file": (io.BytesIO(b"x"), "x.csv")}
    answer = stranger.client.post("/jobs", data=file, content_type="multipart/form-data")
    assert answer.status_code == 401
    assert 'type="file" name="file"' in answer.text


def test_secret_params_are_asked_for_again(stranger: Visitor) -> None:
    secret = {"form.secret.servers.0.token": "Token", "servers.0.token": "hush-hush"}
    page = stranger.client.post("/jobs", data={"handler": "x"} | secret).text
    assert "hush-hush" not in page
    assert re.search(r'<label for="kept-servers.0.token">Token</label>', page)
    assert re.search(r'type="password" name="servers.0.token"', page)
    assert ("form.secret.servers.0.token", "Token") in kept(page)


def test_a_strangers_file_is_not_kept_on_the_server(app: Flask, stranger: Visitor) -> None:
    file = {"handler": "import_admin_users", "file": (io.BytesIO(b"x" * 10_000), "x.csv")}
    stranger.client.post("/jobs", data=file, content_type="multipart/form-data")
    folder = app.extensions["jobdeck_settings"].data_dir
    assert [path for path in folder.rglob("files/**/*") if path.is_file()] == []


@pytest.mark.parametrize("path", ["/logout", "/jobs/1/cancellation"])
def test_what_has_no_fields_gets_the_plain_page(stranger: Visitor, path: str) -> None:
    answer = stranger.client.post(path, data={"csrf_token": "x"})
    assert answer.status_code == 401
    assert "Sign in first" in answer.text
    assert kept(answer.text) == []


def test_a_form_of_another_site_is_not_offered(stranger: Visitor) -> None:
    headers = {"Origin": "https://evil.example"}
    answer = stranger.client.post("/jobs", data=ENTERED, headers=headers)
    assert answer.status_code == 401
    assert kept(answer.text) == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("multipart/form-data", b"x"), ("multipart/form-data; boundary=x", b"--x\r\nbroken")],
)
def test_what_cannot_be_read_gets_a_page_too(
    stranger: Visitor, content_type: str, body: bytes
) -> None:
    answer = stranger.client.post("/jobs", data=body, content_type=content_type)
    assert answer.status_code == 401


def test_a_page_asks_who_is_signed_in(alice: Visitor, stranger: Visitor) -> None:
    assert stranger.get("/session").get_json() == {"person": None}
    answer = alice.get("/session")
    told = answer.get_json()
    assert (told["person"]["email"], answer.headers["Cache-Control"]) == (alice.email, "no-store")
    page = alice.get("/jobs").text
    assert f'<meta name="session-id" content="{told["sessionId"]}">' in page
    form = {"handler": "example_job_handler", "csrf_token": told["csrfToken"]}
    assert alice.client.post("/jobs", data=form).status_code == 303


def test_another_sign_in_is_another_session(alice: Visitor) -> None:
    before = alice.get("/session").get_json()["sessionId"]
    alice.post("/logout")
    alice.sign_in()
    assert alice.get("/session").get_json()["sessionId"] != before
