"""Files over HTTP: by the API, by a form with and without a script, and out again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.config import Settings
from app.handlers.export_jobs import TOLD, told_of
from app.jobs import Engine
from tests.at_work import AtWork
from tests.visitor import Visitor
from tests.web.jobs.api import fields_of, refused
from tests.web.jobs.page import SCRIPT, Page, opened, words

CONTENT = b"one\ntwo\nthree\n"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings by which an upload has at most 1 MB."""
    return Settings(**vars(settings) | {"max_upload_mb": 1, "max_file_mb": 2})


def sent(
    visitor: Visitor, content: bytes = CONTENT, name: str = "list.txt", path: str = "/api/v1/files"
) -> Any:
    """The answer to an upload."""
    # By hand: the test client would put a large one into a file that it does not close.
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return visitor.client.post(
        path,
        data=head.encode() + content + b"\r\n--x--\r\n",
        content_type="multipart/form-data; boundary=x",
        headers={"X-CSRFToken": visitor.token()},
    )


def uploaded(visitor: Visitor, **more: Any) -> int:
    answer = sent(visitor, **more)
    assert answer.status_code == 201, answer.text
    return int(answer.get_json()["id"])


def parts(engine: Engine) -> list[Path]:
    return list((engine.settings.data_dir / "files" / "parts").glob("*"))


def test_the_api_answers_with_the_number_of_an_upload(oscar: Visitor, at_work: AtWork) -> None:
    answer = sent(oscar)
    assert answer.status_code == 201
    assert answer.get_json()["name"] == "list.txt"
    body = {"handler": "counting_lines", "params": {"file": answer.get_json()["id"]}}
    job_id = oscar.send("POST", "/api/v1/jobs", body).get_json()["id"]
    job = at_work.ended(job_id)
    assert (job.status, job.total, job.params["file"]) == ("DONE", 3, "list.txt")
    assert oscar.get(f"/api/v1/jobs/{job_id}").get_json()["params"]["file"] == "list.txt"


def test_an_upload_of_somebody_else_is_refused_in_a_sentence(
    oscar: Visitor, alice: Visitor
) -> None:
    for params in ({"file": uploaded(alice)}, {"file": 10**30}, {"file": "a"}, {}):
        body = {"handler": "counting_lines", "params": params}
        assert fields_of(oscar.send("POST", "/api/v1/jobs", body)) == {"file"}


def test_a_request_without_a_file_is_told_what_is_missing(oscar: Visitor) -> None:
    for form in ({}, {"file": "text"}, {"other": (io.BytesIO(b"x"), "x")}):
        assert fields_of(oscar.post("/api/v1/files", form)) == {"file"}
    assert fields_of(oscar.send("POST", "/api/v1/files", {"file": 1})) == {"file"}
    assert fields_of(sent(oscar, name="")) == {"file"}


def test_who_may_start_no_job_may_upload_nothing(
    vera: Visitor, stranger: Visitor, engine: Engine
) -> None:
    refused(sent(vera), 403, "not_allowed")
    refused(sent(stranger), 401, "not_signed_in")
    assert parts(engine) == []


def test_a_foreign_page_uploads_nothing(oscar: Visitor, engine: Engine) -> None:
    form = {"file": (io.BytesIO(CONTENT), "list.txt")}
    refused(oscar.client.post("/api/v1/files", data=form), 400, "csrf")
    assert parts(engine) == []


@pytest.mark.parametrize("more", [1, 2**20, 5 * 2**20])
def test_a_file_that_is_too_large_is_told_so_and_nothing_is_left(
    oscar: Visitor, engine: Engine, more: int
) -> None:
    said = refused(sent(oscar, b"x" * (2**20 + more)), 413, "file_too_large")["message"]
    assert "larger than 1 MB" in said
    assert parts(engine) == []
    assert uploaded(oscar, content=b"x" * 2**20)


def test_only_so_many_uploads_wait(oscar: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.jobs.store.filing.MOST_UPLOADS", 1)
    uploaded(oscar)
    refused(sent(oscar), 429, "too_many_uploads")


def test_a_file_for_something_that_takes_none_is_not_kept(oscar: Visitor, engine: Engine) -> None:
    form = {"name": "x", "file": (io.BytesIO(CONTENT), "list.txt")}
    oscar.post("/jobs/preview", form | {"handler": "swift"})
    assert engine.shelf.files(1) == []
    assert parts(engine) == []


# By the form


def form_of(visitor: Visitor, **more: Any) -> Page:
    return opened(visitor, "/jobs/new?handler=counting_lines", headers=SCRIPT, **more)


def test_the_form_has_a_field_for_a_file(oscar: Visitor) -> None:
    page = form_of(oscar)
    asked = page.one("input", type="file")
    assert (asked["name"], asked["accept"], asked["data-most-mb"]) == ("file", ".txt", "1")
    assert page.one(id="create-form")["enctype"] == "multipart/form-data"
    assert page.one("label", for_="field-file").text == "File"
    assert page.one("input", type="hidden", name="file")["value"] == ""


def test_without_a_script_the_form_sends_the_file_itself(oscar: Visitor, at_work: AtWork) -> None:
    form = {"handler": "counting_lines", "file": (io.BytesIO(CONTENT), "list.txt")}
    answer = oscar.post("/jobs", form)
    assert answer.status_code == 303
    job = at_work.ended(int(answer.location.rpartition("/")[2]))
    assert (job.total, job.params["file"]) == (3, "list.txt")


def test_a_form_with_a_mistake_keeps_the_file(oscar: Visitor, engine: Engine) -> None:
    form = {"handler": "counting_lines", "times": "0", "file": (io.BytesIO(CONTENT), "list.txt")}
    answer = oscar.post("/jobs", form, headers=SCRIPT)
    assert answer.status_code == 422
    page = Page(answer)
    number = page.one("input", type="hidden", name="file")["value"]
    assert "list.txt" in words(page.one(class_="upload-state"))
    again = {"handler": "counting_lines", "times": "1", "file": number}
    assert oscar.post("/jobs", again, headers=SCRIPT).status_code == 201
    (job,) = engine.jobs()
    assert [row.name for row in engine.files(job.id)] == ["list.txt"]


def test_a_file_that_is_gone_must_be_chosen_again(oscar: Visitor, alice: Visitor) -> None:
    for number in (str(uploaded(alice)), "999", "x", "again:1/x", "again:x/y"):
        form = {"handler": "counting_lines", "file": number}
        answer = oscar.post("/jobs", form, headers=SCRIPT)
        assert answer.status_code == 422
        page = Page(answer)
        assert page.one("input", type="hidden", name="file")["value"] == ""
        assert page.one(id="field-file-errors").text
    assert "Fill this in." in oscar.post("/jobs", {"handler": "counting_lines"}).text


def test_the_preview_counts_what_is_in_the_file(oscar: Visitor) -> None:
    number = str(uploaded(oscar))
    for _ in range(2):
        answer = oscar.post("/jobs/preview", {"handler": "counting_lines", "file": number})
        assert "3 tasks" in words(Page(answer).one(id="create-preview"))


def test_too_many_uploads_are_told_in_the_form(
    oscar: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.store.filing.MOST_UPLOADS", 0)
    form = {"handler": "counting_lines", "file": (io.BytesIO(CONTENT), "list.txt")}
    answer = oscar.post("/jobs", form, headers=SCRIPT)
    assert answer.status_code == 422
    assert "uploads that no job has used" in Page(answer).one(role="alert").text


# Run again


def test_a_job_is_run_again_with_its_file(
    oscar: Visitor, alice: Visitor, at_work: AtWork, engine: Engine
) -> None:
    first = engine.start("counting_lines", {"file": _given(engine)})
    at_work.ended(first)
    for visitor in (oscar, alice):
        page = opened(visitor, f"/jobs/new?again={first}", headers=SCRIPT)
        value = page.one("input", type="hidden", name="file")["value"]
        assert value == f"again:{first}/list.txt"
        form = {"handler": "counting_lines", "file": value}
        assert "3 tasks" in visitor.post("/jobs/preview", form).text
        shown = Page(visitor.post("/jobs", form, headers=SCRIPT))
        job = at_work.ended(int(shown.hook("job-popup")[0]["data-job-id"]))
        assert (job.status, job.total, job.params["file"]) == ("DONE", 3, "list.txt")
    with engine.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM file").scalar() == 3


def _given(engine: Engine) -> int:
    part = engine.shelf.begin_upload("list.txt")
    part.write(CONTENT)
    return engine.shelf.add_upload(part, "list.txt", None).id


def test_nobody_runs_a_job_again_with_a_file_that_they_may_not_have(
    oscar: Visitor, engine: Engine
) -> None:
    job_id = engine.start("guarded_lines", {"file": _given(engine)})
    form = {"handler": "counting_lines", "file": f"again:{job_id}/list.txt"}
    assert oscar.post("/jobs", form).status_code == 403
    assert oscar.post("/jobs/preview", form).status_code == 403


# Out again


def test_a_file_is_saved_and_never_shown(alice: Visitor, at_work: AtWork, engine: Engine) -> None:
    name = 'a "b" <c> %41 ü;.html'
    job_id = at_work.start("making", {"name": name, "said": "<script>alert(1)</script>"})
    at_work.ended(job_id)
    page = opened(alice, f"/jobs/{job_id}", headers=SCRIPT)
    link = page.link(f"Download {name}")
    answer = alice.get(link)
    assert answer.status_code == 200
    assert answer.data == b"<script>alert(1)</script>"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    answer.close()


def test_who_has_not_the_role_reads_why_and_gets_nothing(
    vera: Visitor, oscar: Visitor, alice: Visitor, at_work: AtWork
) -> None:
    job_id = at_work.start("making", {"name": "a.txt", "role": "superadmin"})
    at_work.ended(job_id)
    for visitor in (vera, oscar):
        part = opened(visitor, f"/jobs/{job_id}", headers=SCRIPT).one(id=f"job-{job_id}-files")
        assert "a.txt" in part.text
        assert "it must be superadmin" in part.text
        assert visitor.get(f"/jobs/{job_id}/files/a.txt").status_code == 403
    answer = alice.get(f"/jobs/{job_id}/files/a.txt")
    assert answer.status_code == 200
    answer.close()


def test_what_was_uploaded_is_for_those_who_may_start_the_job(
    vera: Visitor, oscar: Visitor, engine: Engine
) -> None:
    job_id = engine.start("counting_lines", {"file": _given(engine)})
    assert vera.get(f"/jobs/{job_id}/files/list.txt").status_code == 403
    answer = oscar.get(f"/jobs/{job_id}/files/list.txt")
    assert answer.data == CONTENT
    answer.close()


@pytest.mark.parametrize(
    "path", ["b.txt", "..%2f..%2fsecret_key", "%00", "..", "a.txt/..", "%5c..%5ca.txt", "A.TXT"]
)
def test_no_name_leads_anywhere_else(alice: Visitor, at_work: AtWork, path: str) -> None:
    job_id = at_work.start("making", {"name": "a.txt"})
    at_work.ended(job_id)
    assert alice.get(f"/jobs/{job_id}/files/{path}").status_code in (404, 308)
    assert alice.get(f"/jobs/{job_id + 1}/files/a.txt").status_code == 404
    assert alice.get(f"/jobs/{2**70}/files/a.txt").status_code == 404


def test_a_job_without_files_shows_none(alice: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    part = opened(alice, f"/jobs/{job_id}", headers=SCRIPT).one(id=f"job-{job_id}-files")
    assert words(part) == ""


def test_the_request_class_takes_files_of_the_application_only(app: Flask) -> None:
    assert app.request_class.__name__ == "UploadingRequest"


def test_an_export_tells_a_job_as_the_api_does(alice: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", name="Told", started_by=1)
    told = told_of(engine.job(job_id))
    answer = alice.get(f"/api/v1/jobs/{job_id}").get_json()
    assert told == {name: value for name, value in answer.items() if name != "waiting_for"}
    assert list(told) == list(TOLD)
