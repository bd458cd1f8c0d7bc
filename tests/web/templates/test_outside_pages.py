"""Pages outside of the shell: signing in, setting up, errors."""

from __future__ import annotations

from flask import Flask, render_template
from markupsafe import Markup


def test_the_sign_in_page_says_what_was_wrong(app: Flask) -> None:
    html = render_template(
        "auth/login.html",
        error="That is not right.",
        email="a@b",
        next="/jobs",
        prompt=Markup("<b>Hello</b>"),
        background="/picture",
    )
    assert "That is not right." in html
    assert "<b>Hello</b>" in html
    for name in ("email", "password", "remember", "csrf_token", "next"):
        assert f'name="{name}"' in html


def test_the_first_account_is_made_with_its_mistakes_in_view(app: Flask) -> None:
    html = render_template("auth/setup.html", errors={"repeat": "They differ."}, email="a@b")
    assert "They differ." in html
    assert 'aria-describedby="repeat-note"' in html


def test_an_error_page_needs_nobody_signed_in(app: Flask) -> None:
    del app.jinja_env.globals["current_user"]
    html = render_template("errors/page.html", code=404, title="No such page", message="Gone.")
    assert "No such page" in html
