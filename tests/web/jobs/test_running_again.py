"""Run again: the create form filled in with what a job was started with (P5)."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from flask import Flask
from pydantic import BaseModel, SecretStr, model_validator

from app.admin.form import form_for
from app.jobs import Engine, Handler
from app.web import again
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, Page, opened

EVERYTHING: dict[str, Any] = {
    "text": "abc",
    "count": 7,
    "ratio": 0.25,
    "agree": True,
    "size": "large",
    "color": "r",
    "colors": ["r", "g"],
    "words": ["one", "two"],
    "numbers": [1, 2],
    "day": "2026-11-22",
    "moment": "2026-11-22T08:30:00",
    "hour": "08:30:00",
    "story": "once\nupon",
    "extra": {"a": 1},
    "inner": {"times": 2, "rest": 0.5, "tasks": 3},
}


def filled_in(page: Page) -> dict[str, list[str]]:
    """What a browser would send of the form, as it is filled in."""
    found: dict[str, list[str]] = {}
    chosen = ""
    for each in page.elements:
        kind, name = each.attributes.get("type"), each.attributes.get("name", "")
        chosen = name if each.name == "select" else chosen
        if each.name == "option" and "selected" in each.attributes:
            found.setdefault(chosen, []).append(each["value"])
        elif each.name == "textarea":
            found[name] = [each.text.removeprefix("\n")]
        elif each.name == "input" and _counts(kind, each.attributes):
            found.setdefault(name, []).append(each.attributes.get("value", ""))
    return found


def _counts(kind: str | None, attributes: dict[str, str]) -> bool:
    return kind != "file" and (kind not in ("checkbox", "radio") or "checked" in attributes)


def form_of(visitor: Visitor, job_id: int) -> dict[str, list[str]]:
    """The create form of a job that was, as it is filled in."""
    return filled_in(opened(visitor, f"/jobs/new?again={job_id}", headers=SCRIPT))


def test_the_same_params_make_the_same_job(oscar: Visitor, engine: Engine) -> None:
    first = engine.start("everything", EVERYTHING, name="Mine")
    form = {name: said for name, said in form_of(oscar, first).items() if name != "csrf_token"}
    assert form["name"] == ["Mine"]
    answer = oscar.post("/jobs", form)
    assert answer.status_code == 303, answer.text
    second = int(answer.location.rpartition("/")[2])
    assert second != first
    assert engine.job(second).params == engine.job(first).params
    assert engine.job(second).name == "Mine"


def test_a_name_that_nobody_gave_is_not_filled_in(oscar: Visitor, engine: Engine) -> None:
    assert form_of(oscar, engine.start("swift"))["name"] == [""]


def test_a_tick_that_was_taken_away_stays_away(oscar: Visitor, engine: Engine) -> None:
    assert "ticked" not in form_of(oscar, engine.start("ticked", {"ticked": False}))
    assert "ticked" in form_of(oscar, engine.start("ticked", {"ticked": True}))


def test_a_secret_is_asked_for_anew(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("everything", {"text": "abc", "password": "open sesame"})
    page = opened(oscar, f"/jobs/new?again={job_id}", headers=SCRIPT)
    assert page.one("input", name="password")["value"] == ""
    assert "open sesame" not in page.answer.text
    assert "••••" not in page.answer.text


def test_the_popup_leads_there(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    (button,) = opened(oscar, f"/jobs/{job_id}", headers=SCRIPT).hook("job-again")
    assert button["formaction"] == "/jobs/new"
    assert (button["name"], button["value"]) == ("again", str(job_id))


def test_a_param_named_again_is_a_param(oscar: Visitor, engine: Engine) -> None:
    engine.start("swift")
    page = opened(oscar, "/jobs/new?handler=ticked&again=1&steps=4", headers=SCRIPT)
    assert page.one("input", name="steps")["value"] == "4"


@pytest.mark.parametrize("again", ["", "x", "-1"])
def test_a_job_that_is_no_number_leads_to_the_choice(oscar: Visitor, again: str) -> None:
    assert opened(oscar, f"/jobs/new?again={again}", headers=SCRIPT).hook("handler-choice")


def test_a_job_that_is_not_there_is_told(oscar: Visitor) -> None:
    assert oscar.get("/jobs/new?again=7").status_code == 404


def test_who_may_not_start_it_may_not_fill_it_in(oscar: Visitor, engine: Engine) -> None:
    for handler in ("guarded", "secretive"):
        job_id = engine.start(handler)
        assert oscar.get(f"/jobs/new?again={job_id}").status_code == 403


def test_a_handler_that_is_gone_is_told(app: Flask, oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    del engine.registry._handlers["swift"]
    page = opened(oscar, f"/jobs/{job_id}", headers=SCRIPT)
    assert page.hook("job-again")[0]["title"] == "Run again: its handler is not installed here"
    assert oscar.get(f"/jobs/new?again={job_id}").status_code == 422


def test_what_no_form_can_say_is_asked_anew(engine: Engine) -> None:
    form = form_for(engine.registry["everything"].params)
    job = engine.job(engine.start("everything", EVERYTHING | {"day": datetime.date(2026, 11, 22)}))
    assert job.input["$made"] == sorted(EVERYTHING)
    again.show_params(form, job, {"text", "count"})
    shown = {each.key: each for each in form.fields}
    assert {key for key, each in shown.items() if each.was_given} == {"text", "count"}
    assert (shown["count"].value, shown["count"].required) == (None, True)
    assert (shown["day"].value, shown["ratio"].value) == ("2026-11-22", 0.25)


class Former(BaseModel):
    """A model that still reads a secret by its former name."""

    days: int = 3
    word: SecretStr | None = None
    other: SecretStr = SecretStr("usual")

    @model_validator(mode="before")
    @classmethod
    def renamed(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return what is given by its new names."""
        names = {"age": "days", "password": "word"}
        return {names.get(key, key): value for key, value in given.items()}


def test_a_secret_that_a_validator_has_found_is_asked_anew(engine: Engine) -> None:
    engine.registry.add(Handler(name="former", params=Former, run=lambda task: None))
    job = engine.job(engine.start("former", {"age": 5, "password": "open sesame"}))
    form = form_for(Former)
    again.show_params(form, job, set())
    further = form.fields[-1]
    assert (further.label, further.value) == ("Further fields", '{\n  "age": 5\n}')
    assert [each.key for each in form.fields if each.was_given] == ["word", "other"]
