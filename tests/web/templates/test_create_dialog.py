"""The dialog that creates a job."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, render_template

from tests.web.templates.drawing import NOW, card, create, field


def test_the_choice_has_a_control_for_each_handler(app: Flask) -> None:
    cards = [card(), card(name="other", may_start=False, reason="Only a superadmin may.")]
    html = create(handlers=cards, handler=None, form=None)
    assert 'data-testid="handler-choice"' in html
    assert html.count("data-handler=") == 2
    assert "disabled" in html
    assert "Only a superadmin may." in html
    assert "Search handlers" not in html
    assert "Search handlers" in create(handlers=[card()] * 9, handler=None, form=None)


def test_a_form_field_bears_the_name_of_its_parameter(app: Flask) -> None:
    html = create(field("number", 6, attrs={"min": 1}, help="How many."))
    assert re.search(r'<input id="field-size" name="size"[^>]*min="1"[^>]*value="6"', html)
    assert 'data-testid="create-form"' in html
    assert 'data-testid="create-submit"' in html
    assert "How many." in html


@pytest.mark.parametrize(
    ("widget", "value", "shown"),
    [
        ("text", "x", 'type="text" value="x"'),
        ("password", None, 'type="password" value=""'),
        ("checkbox", True, "checked"),
        ("select", "b", '<option value="b" selected>'),
        ("multiselect", ["a"], '<option value="a" selected>'),
        ("textarea", "two\nlines", "two\nlines</textarea>"),
        ("lines", "one\ntwo", "one\ntwo</textarea>"),
        ("json", '{"a": 1}', "&#34;a&#34;: 1"),
        ("date", NOW.date(), NOW.date().isoformat()),
        (
            "datetime",
            "2026-11-21T08:00:00",
            'type="datetime-local" value="2026-11-21T08:00:00"',
        ),
        ("time", "08:00", 'type="time" value="08:00"'),
    ],
)
def test_each_widget_shows_its_value(app: Flask, widget: str, value: Any, shown: str) -> None:
    assert shown in create(field(widget, value))


def test_a_mistake_is_told_at_its_field_and_linked_to_it(app: Flask) -> None:
    html = create(field("number", "x", errors=["Must be a number."]), errors=["Not like this."])
    assert 'aria-invalid="true"' in html
    assert 'aria-describedby="field-size-errors"' in html
    assert "Must be a number." in html
    assert "Not like this." in html


@pytest.mark.parametrize(
    ("count", "capped", "error", "said"),
    [
        (1204, False, None, "1,204 tasks"),
        (1, False, None, "1 task<"),
        (10_000, True, None, "or more"),
        (0, False, "There is no such folder.", "There is no such folder."),
    ],
)
def test_the_preview_counts(
    app: Flask, count: int, capped: bool, error: str | None, said: str
) -> None:
    preview = SimpleNamespace(count=count, capped=capped, error=error)
    assert said in render_template("jobs/_preview.html", preview=preview)
