"""The create dialog: the choice, the form, the preview, and what does not fit (P5)."""

from __future__ import annotations

from typing import Any

import pytest

from app.jobs import Engine
from app.jobs import registry as registry_of_jobs
from tests.outside.kinds import HOSTILE
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, Page, opened, words

STEPS = {"handler": "example_job_handler", "name": "", "steps": "2", "seconds": "0"}


def sent(visitor: Visitor, form: dict[str, Any], path: str = "/jobs", **more: Any) -> Page:
    """The answer to the form, sent by a script."""
    return Page(visitor.post(path, form, headers=SCRIPT, **more))


def test_the_choice_has_every_handler_that_the_person_may_see(oscar: Visitor) -> None:
    page = opened(oscar, "/jobs/new", headers=SCRIPT)
    assert page.elements[0]["id"] == "create-job"
    choices = {each["data-handler"]: each for each in page.elements if "data-handler" in
               each.attributes}  # fmt: skip
    assert choices["swift"]["href"] == "/jobs/new?handler=swift"
    assert "Say what it was given, and be done." in words(choices["swift"])
    assert "secretive" not in choices
    assert page.hook("handler-choice")


def test_a_handler_that_the_person_may_not_start_is_closed_with_the_reason(
    oscar: Visitor, alice: Visitor
) -> None:
    closed = opened(oscar, "/jobs/new").one(data_handler="guarded")
    assert "disabled" in closed.attributes
    assert "Your role is operator" in closed.text
    assert opened(alice, "/jobs/new").one(data_handler="guarded").name == "a"


@pytest.mark.parametrize("handler", ["guarded", "secretive"])
def test_its_form_is_refused_too(oscar: Visitor, engine: Engine, handler: str) -> None:
    assert oscar.get(f"/jobs/new?handler={handler}").status_code == 403
    assert oscar.post("/jobs", {"handler": handler}).status_code == 403
    assert oscar.post("/jobs/preview", {"handler": handler}).status_code == 403
    assert engine.jobs() == []


def test_without_a_script_the_dialog_lies_over_the_list(oscar: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    page = opened(oscar, "/jobs/new?handler=example_job_handler")
    assert page.rows() == [job_id]
    assert page.hook("create-form")[0]["action"] == "/jobs"
    assert page.one(id="field-steps")["value"] == "6"


def test_the_form_has_a_field_for_each_param(oscar: Visitor) -> None:
    page = opened(oscar, "/jobs/new?handler=everything", headers=SCRIPT)
    kinds = {
        "text": ("input", "text"), "count": ("input", "number"), "ratio": ("input", "number"),
        "agree": ("input", "checkbox"), "size": ("select", ""), "color": ("select", ""),
        "colors": ("select", ""), "words": ("textarea", ""), "numbers": ("textarea", ""),
        "day": ("input", "date"), "moment": ("input", "datetime-local"), "hour": ("input", "time"),
        "password": ("input", "password"), "story": ("textarea", ""), "extra": ("textarea", ""),
    }  # fmt: skip
    for name, (element, kind) in kinds.items():
        found = page.one(id=f"field-{name}")
        assert (found.name, found.attributes.get("type", "")) == (element, kind), name
        assert found["name"] == name
    assert page.one(id="field-inner.times")["name"] == "inner.times"
    assert page.one(id="field-text")["pattern"] == "^[a-z]+$"
    assert page.one(id="field-count")["max"] == "9"
    assert "multiple" in page.one(id="field-colors").attributes


def test_the_form_is_filled_in_by_its_address(oscar: Visitor) -> None:
    page = opened(oscar, "/jobs/new?handler=example_job_handler&steps=9&name=Nine", headers=SCRIPT)
    assert page.one(id="field-steps")["value"] == "9"
    assert page.one(id="field-seconds")["value"] == "3.0"
    assert page.one(id="create-name")["value"] == "Nine"


def test_an_address_that_fills_in_one_field_leaves_the_ticks_of_the_others(
    oscar: Visitor,
) -> None:
    """A browser leaves out of a form what is not ticked; an address, what it does not change."""
    page = opened(oscar, "/jobs/new?handler=ticked&steps=9", headers=SCRIPT)
    assert "checked" in page.one(id="field-ticked").attributes


def test_a_script_gets_the_popup_of_the_new_job(oscar: Visitor, engine: Engine) -> None:
    page = sent(oscar, STEPS | {"name": "Two steps"})
    (job,) = engine.jobs()
    assert page.answer.status_code == 201
    assert page.answer.headers["HX-Push-Url"] == f"/jobs/{job.id}"
    assert page.hook("job-popup")[0]["data-job-id"] == str(job.id)
    assert (job.name, job.total) == ("Two steps", 2)
    assert job.started_by is not None
    assert job.started_by.email == oscar.email


def test_without_a_script_the_answer_leads_to_the_job(oscar: Visitor, engine: Engine) -> None:
    answer = oscar.post("/jobs", STEPS)
    (job,) = engine.jobs()
    assert (answer.status_code, answer.location) == (303, f"/jobs/{job.id}")
    assert job.name == "Example job handler"


def test_every_kind_of_field_arrives_as_its_type(oscar: Visitor, engine: Engine) -> None:
    form = {
        "handler": "everything", "text": "abc", "count": "4", "ratio": "0.25", "agree": "true",
        "size": "large", "color": "r", "colors": ["r", "g"], "words": "one\r\n\r\ntwo\r\n",
        "numbers": "1\n2", "day": "2026-11-21", "moment": "2026-11-21T08:30", "hour": "08:30",
        "password": "open sesame", "story": "Once\r\nupon", "extra": '{"a": 1}',
        "inner.times": "2",
    }  # fmt: skip
    assert sent(oscar, form).answer.status_code == 201
    params = engine.job(engine.jobs()[0].id).params
    assert params == {
        "text": "abc", "count": 4, "ratio": 0.25, "agree": True, "size": "large", "color": "r",
        "colors": ["r", "g"], "words": ["one", "two"], "numbers": [1, 2], "day": "2026-11-21",
        "moment": "2026-11-21T08:30:00", "hour": "08:30:00", "password": "••••••",
        "story": "Once\nupon", "extra": {"a": 1},
        "inner": {"times": 2, "rest": 0.0, "tasks": 1},
    }  # fmt: skip


def test_what_is_left_empty_has_its_default(oscar: Visitor, engine: Engine) -> None:
    empty = dict.fromkeys(("ratio", "color", "day", "moment", "hour", "password", "extra"), "")
    assert sent(oscar, {"handler": "everything", "text": "abc"} | empty).answer.status_code == 201
    params = engine.job(engine.jobs()[0].id).params
    assert (params["ratio"], params["color"], params["day"]) == (0.5, None, None)
    assert (params["password"], params["extra"], params["agree"]) == (None, {}, False)


def test_what_does_not_fit_is_told_beside_its_field_and_kept(
    oscar: Visitor, engine: Engine
) -> None:
    page = sent(oscar, STEPS | {"steps": "many", "seconds": "-1", "name": "Mine"})
    assert page.answer.status_code == 422
    assert "HX-Push-Url" not in page.answer.headers
    for name, value in (("steps", "many"), ("seconds", "-1")):
        field = page.one(id=f"field-{name}")
        assert (field["aria-invalid"], field["value"]) == ("true", value)
        assert words(page.one(id=f"field-{name}-errors")).endswith(".")
        assert f"field-{name}-errors" in field["aria-describedby"]
    assert page.one(id="create-name")["value"] == "Mine"
    assert engine.jobs() == []


def test_without_a_script_what_does_not_fit_is_told_over_the_list(
    oscar: Visitor, engine: Engine
) -> None:
    engine.start("swift")
    page = Page(oscar.post("/jobs", STEPS | {"steps": "0"}))
    assert page.answer.status_code == 422
    assert len(page.rows()) == 1
    assert page.one(id="field-steps")["aria-invalid"] == "true"


def test_a_name_that_is_too_long_is_told_as_the_jobs_not_as_a_params(oscar: Visitor) -> None:
    page = sent(oscar, STEPS | {"name": "x" * 501})
    assert "Name: A name has at most 500 characters." in page.one(role="alert").text


def test_an_empty_required_field_is_asked_for_in_plain_words(oscar: Visitor) -> None:
    page = sent(oscar, {"handler": "everything", "text": ""})
    assert words(page.one(id="field-text-errors")) == "Fill this in."


def test_what_concerns_the_whole_form_is_told_above_it(oscar: Visitor) -> None:
    page = sent(oscar, {"handler": "everything", "text": "abc", "size": "large"})
    assert page.answer.status_code == 422
    assert "Large ones need your agreement." in words(page.hook("create-form")[0])
    assert page.one(role="alert").text


def test_a_secret_is_not_sent_back(oscar: Visitor) -> None:
    page = sent(oscar, {"handler": "everything", "text": "", "password": "open sesame"})
    assert page.answer.status_code == 422
    assert "open sesame" not in page.answer.text


def test_tasks_that_cannot_be_made_are_told_on_the_form(oscar: Visitor, engine: Engine) -> None:
    page = sent(oscar, {"handler": "listing", "folder": "/nowhere/at/all"})
    assert page.answer.status_code == 422
    assert "The tasks could not be made" in page.one(role="alert").text
    assert engine.jobs() == []


def test_what_was_written_comes_back_as_text(oscar: Visitor) -> None:
    form = {"handler": "everything", "text": HOSTILE, "words": HOSTILE, "name": HOSTILE}
    page = sent(oscar, form)
    assert HOSTILE not in page.answer.text
    assert page.one(id="field-text")["value"] == HOSTILE
    assert page.one(id="field-words").text.strip() == HOSTILE


@pytest.mark.parametrize("value", ["\0", "a\0b", "\ud800"])
def test_a_text_that_no_database_keeps_is_no_accident(
    oscar: Visitor, engine: Engine, value: str
) -> None:
    for field in ("name", "words", "text", "extra"):
        form = {"handler": "everything", "text": "abc", field: value}
        body = {key: each.encode("utf-8", "surrogatepass") for key, each in form.items()}
        assert sent(oscar, body).answer.status_code in (201, 422), field


@pytest.mark.parametrize("handler", ["", "nothing", HOSTILE, "\0"])
def test_a_handler_that_is_not_there_is_told(oscar: Visitor, handler: str) -> None:
    answer = oscar.post("/jobs", {"handler": handler})
    assert answer.status_code == 422
    assert "There is no handler named" in answer.text
    assert HOSTILE not in answer.text
    assert "secretive" not in answer.text


def test_the_preview_says_how_many_tasks_there_would_be(oscar: Visitor, engine: Engine) -> None:
    page = sent(oscar, STEPS | {"steps": "1204"}, "/jobs/preview")
    assert words(page.one(id="create-preview")) == "This makes 1,204 tasks"
    assert engine.jobs() == []


def test_the_preview_stops_at_ten_thousand(oscar: Visitor) -> None:
    form = {"handler": "gated", "gate": "/tmp/none", "tasks": "100000"}
    page = sent(oscar, form, "/jobs/preview")
    assert words(page.one(id="create-preview")) == "This makes 10,000 tasks or more"


def test_a_preview_of_an_endless_look_stops(
    oscar: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_of_jobs, "PREVIEW_SECONDS", 0.0)
    page = sent(oscar, STEPS | {"steps": "1204"}, "/jobs/preview")
    assert words(page.one(id="create-preview")) == "This makes 1 task or more"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"handler": "everything", "text": ""}, "Text: Fill this in."),
        ({"handler": "everything", "text": "x", "count": "0", "ratio": "2"}, "And 2 more."),
        (
            {"handler": "everything", "text": "xy", "size": "large"},
            "Large ones need your agreement",
        ),
        ({"handler": "listing", "folder": "/nowhere"}, "The tasks could not be made"),
    ],
)
def test_the_preview_of_what_does_not_fit_says_so(
    oscar: Visitor, form: dict[str, str], said: str
) -> None:
    page = sent(oscar, form, "/jobs/preview")
    assert page.answer.status_code == 200
    assert said in words(page.one(id="create-preview"))


def test_a_viewer_gets_no_form_at_all(vera: Visitor, engine: Engine) -> None:
    assert vera.get("/jobs/new").status_code == 403
    assert vera.post("/jobs", STEPS).status_code == 403
    assert vera.post("/jobs/preview", STEPS).status_code == 403
    assert engine.jobs() == []


def test_a_form_without_its_token_is_refused(oscar: Visitor, engine: Engine) -> None:
    assert oscar.client.post("/jobs", data=STEPS).status_code == 400
    assert oscar.client.post("/jobs/preview", data=STEPS).status_code == 400
    assert engine.jobs() == []
