"""Forms with fields within fields: names, rows, files, secrets, and what is wrong with them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask import Flask
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr

from app.jobs import Engine, Handler
from tests.visitor import Visitor
from tests.web.jobs.page import SCRIPT, Page, opened, words
from tests.web.jobs.test_running_again import form_of

NESTED = {
    "handler": "nested", "level": "2",
    "form.rows.servers": ["", "4", "1"],
    "servers.4.host": "four", "servers.4.password": "open sesame", "servers.4.tags": "x\r\ny",
    "servers.1.host": "one", "servers.1.port": "8080", "servers.1.is_primary": "true",
}  # fmt: skip


def sent(visitor: Visitor, form: dict[str, Any], path: str = "/jobs") -> Page:
    """The answer to the form, sent by a script."""
    return Page(visitor.post(path, form, headers=SCRIPT))


def params_of(engine: Engine) -> Any:
    """The params of the newest job, as they were entered."""
    return engine.job(engine.jobs()[0].id).input


def test_rows_arrive_in_their_order(oscar: Visitor, engine: Engine) -> None:
    assert sent(oscar, NESTED).answer.status_code == 201
    first, second = params_of(engine)["servers"]
    assert (first["host"], first["tags"]) == ("four", ["x", "y"])
    assert second == {"host": "one", "port": 8080, "is_primary": True}
    assert "open sesame" not in str(engine.job(engine.jobs()[0].id))


def test_what_is_wrong_is_told_beside_the_field_within(oscar: Visitor) -> None:
    page = sent(oscar, NESTED | {"servers.1.port": "0", "servers.4.host": ""})
    assert page.answer.status_code == 422
    assert words(page.one(id="field-servers.4.host-errors")) == "Fill this in."
    assert "greater than or equal to 1" in words(page.one(id="field-servers.1.port-errors"))
    assert page.one(id="field-servers.1.port")["aria-invalid"] == "true"
    assert "open sesame" not in page.answer.text


def test_the_preview_names_the_row(oscar: Visitor) -> None:
    page = sent(oscar, NESTED | {"servers.1.port": "0"}, "/jobs/preview")
    assert words(page.one(id="create-preview")).startswith("Server 2, Port: Input should be")


def test_without_rows_the_list_is_what_is_wrong(oscar: Visitor) -> None:
    page = sent(oscar, {"handler": "nested", "level": "1", "form.rows.servers": ""})
    assert "at least 1 item" in words(page.one(id="field-servers-errors"))


@pytest.mark.parametrize(
    ("pressed", "rows"),
    [({"form.add": "servers"}, ["4", "1", "5"]), ({"form.remove": "servers.4"}, ["1"]),
     ({"form.add": "nothing"}, ["4", "1"]), ({"form.remove": "servers.9"}, ["4", "1"])],
)  # fmt: skip
def test_a_button_adds_or_removes_a_row_and_starts_nothing(
    oscar: Visitor, engine: Engine, pressed: dict[str, str], rows: list[str]
) -> None:
    page = sent(oscar, NESTED | pressed)
    assert page.answer.status_code == 200
    found = [each["value"] for each in page.all("input", name="form.rows.servers") if each["value"]]
    assert [each for each in found if "%" not in each] == rows
    assert engine.jobs() == []


def test_a_model_that_is_not_given_is_none(oscar: Visitor, engine: Engine) -> None:
    backup = {"form.as.backup": "group", "backup.host": "b"}
    assert sent(oscar, NESTED | backup).answer.status_code == 201
    assert params_of(engine).get("backup") is None
    assert sent(oscar, NESTED | backup | {"form.set.backup": "true"}).answer.status_code == 201
    assert params_of(engine)["backup"] == {"host": "b"}


def test_a_list_may_be_written_as_json_under_its_own_name(oscar: Visitor, engine: Engine) -> None:
    form = {"handler": "nested", "level": "1", "servers": '[{"host": "h"}]'}
    assert sent(oscar, form).answer.status_code == 201
    assert params_of(engine)["servers"] == [{"host": "h"}]
    page = sent(oscar, form | {"servers": '[{"host": "h", "host": "i"}]'})
    assert page.answer.status_code == 422


def test_a_secret_written_as_json_is_not_shown_again(oscar: Visitor) -> None:
    form = {"handler": "nested", "level": "9", "servers": '[{"host": "h", "password": "sesame"}]'}
    page = sent(oscar, form)
    assert page.answer.status_code == 422
    assert "sesame" not in page.answer.text


def test_many_rows_arrive_and_too_many_are_told(oscar: Visitor, engine: Engine) -> None:
    names = [str(index) for index in range(1001)]
    form = {"handler": "nested", "level": "1"} | {f"servers.{each}.host": each for each in names}
    page = sent(oscar, form | {"form.rows.servers": ["", *names]})
    assert "at most 1,000 rows" in words(page.one(id="field-servers-errors"))
    assert sent(oscar, form | {"form.rows.servers": ["", *names[1:]]}).answer.status_code == 201
    assert len(params_of(engine)["servers"]) == 1000


def test_a_row_whose_number_is_none_is_no_row(oscar: Visitor, engine: Engine) -> None:
    form = NESTED | {"form.rows.servers": ["", "x", "%row0%", "1"], "form.add": "servers"}
    assert sent(oscar, form).answer.status_code == 200
    assert engine.jobs() == []


def test_files_within_a_list_are_kept_and_copied_at_run_again(
    oscar: Visitor, engine: Engine
) -> None:
    files = {"form.rows.files": ["", "0", "1"], "files.0": (io.BytesIO(b"a"), "a.txt"),
             "files.1": (io.BytesIO(b"b"), "b.txt")}  # fmt: skip
    assert sent(oscar, NESTED | files).answer.status_code == 201
    (job,) = engine.jobs()
    assert [each.name for each in engine.files(job.id)] == ["a.txt", "b.txt"]
    form = form_of(oscar, job.id)
    assert form["files.1"][0] == f"again:{job.id}/b.txt"
    assert sent(oscar, form | {"csrf_token": oscar.token()}).answer.status_code == 201
    again = engine.jobs()[0]
    assert again.id != job.id
    assert [each.name for each in engine.files(again.id)] == ["a.txt", "b.txt"]


def test_a_secret_within_is_asked_for_anew_and_said_so(oscar: Visitor, engine: Engine) -> None:
    sent(oscar, NESTED)
    page = opened(oscar, f"/jobs/new?again={engine.jobs()[0].id}", headers=SCRIPT)
    assert page.one("input", name="servers.0.password")["value"] == ""
    assert "write it again" in words(page.one(id="field-servers.0.password-help"))
    assert page.all(id="field-servers.1.password-help") == []
    assert "••••" not in page.answer.text


def test_names_that_the_dialog_has_itself_get_a_prefix(oscar: Visitor, engine: Engine) -> None:
    page = opened(oscar, "/jobs/new?handler=named&name=Job&param.name=Own&param.again=7")
    assert page.one(id="create-name")["value"] == "Job"
    assert page.one("input", name="param.name")["value"] == "Own"
    assert page.one("input", name="param.again")["value"] == "7"
    form = {"handler": "named", "name": "Job", "param.name": "Own", "param.csrf_token": "t",
            "param.form.host": "h", "*": '{"more": [1]}'}  # fmt: skip
    assert sent(oscar, form).answer.status_code == 201
    assert engine.jobs()[0].name == "Job"
    assert params_of(engine) == {
        "name": "Own", "csrf_token": "t", "form": {"host": "h"}, "more": [1],
    }  # fmt: skip
    again = opened(oscar, f"/jobs/new?again={engine.jobs()[0].id}", headers=SCRIPT)
    assert again.one("input", name="param.csrf_token")["value"] == "t"
    assert '"more"' in again.one("textarea", name="*").text


class Strict(BaseModel):
    """A strict model with aliases."""

    model_config = ConfigDict(strict=True)

    count: int = Field(alias="howMany", ge=1)
    day: str = Field("", validation_alias=AliasChoices("date", "when"), max_length=3)
    token: SecretStr | None = None
    flag: bool = False
    ratio: float = 1.5


def test_strict_models_and_aliases(app: Flask, oscar: Visitor, engine: Engine) -> None:
    engine.registry.add(Handler(name="strict", run=print, params=Strict))
    form = {"handler": "strict", "count": "3", "day": "abc", "flag": "true", "ratio": "2"}
    assert sent(oscar, form).answer.status_code == 201
    assert params_of(engine) == {"count": 3, "day": "abc", "flag": True, "ratio": 2.0}
    page = sent(oscar, form | {"count": "0", "day": "abcd"})
    assert "greater than" in words(page.one(id="field-count-errors"))
    assert "at most 3" in words(page.one(id="field-day-errors"))
    body = {"handler": "strict", "params": {"howMany": 4, "when": "x"}}
    oscar.send("POST", "/api/v1/jobs", body)
    again = form_of(oscar, engine.jobs()[0].id)
    assert (again["count"], again["day"]) == (["4"], ["x"])
