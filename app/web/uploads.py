"""Files on their way in, as uploads and as answers in a form, and on their way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, Final

from flask import Blueprint, Flask, Request, request, send_file
from flask.typing import ResponseReturnValue

from app.admin.asked import whole
from app.admin.form import Form, form_for
from app.extensions import the_engine
from app.jobs import FileRow, Handler, UploadedFile
from app.jobs.errors import (
    FileTooLarge,
    InvalidParams,
    JobFileNotFound,
    JobNotFound,
    UploadNotGood,
)
from app.jobs.files import Part
from app.web.access import may
from app.web.files import file_of
from app.web.pages import job_for
from app.web.session import here

bp = Blueprint("files", __name__)

#: What takes files; what comes along with anything else is not kept.
TAKING: Final = ("files.upload", "jobs.create")
#: What a form may have beside its files.
BESIDE: Final = 2**20
#: How a form names a file of a job that is run again: again:<job>/<name>.
AGAIN: Final = "again:"

Answers = Mapping[str, list[str]]


class UploadingRequest(Request):
    """A request whose files go to where they are kept, not through memory or a folder for all."""

    _parts: list[Part]

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        if self.endpoint not in TAKING:
            return super()._get_file_stream(
                total_content_length, content_type, filename, content_length
            )
        part = the_engine().shelf.begin_upload(filename or "")
        vars(self).setdefault("_parts", []).append(part)
        return part

    def close(self) -> None:
        """Close what came in: what nobody has kept is gone with it."""
        super().close()
        for part in vars(self).get("_parts", ()):
            part.close()


def init_app(app: Flask) -> None:
    """Let files come in, before anything reads the request."""
    app.request_class = UploadingRequest
    app.before_request(_make_room)
    app.register_blueprint(bp)


@bp.post("/api/v1/files")
@may("start")
def upload() -> ResponseReturnValue:
    """Keep a file for a day, for a job that this person will start with it."""
    row = _kept("file")
    if row is None:
        raise InvalidParams({"file": ["Send a file, as the field `file` of a multipart form."]})
    return {"id": row.id, "name": row.name, "size": row.size}, 201


@bp.get("/jobs/<int:job_id>/files/<name>")
@may("view")
def show(job_id: int, name: str) -> ResponseReturnValue:
    """A file of a job, to be saved: the browser never shows it."""
    row = _file(job_id, name)
    assert row.path
    answer = send_file(
        row.path, "application/octet-stream", as_attachment=True, download_name=row.name
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


# Answers in a form


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A file that was chosen in a form: what the form says of it, and what a person sees."""

    value: str
    name: str
    size: int


def received(handler: Handler, answers: Answers) -> dict[str, list[str]]:
    """The answers, with the files that came along with them kept as uploads (without a script)."""
    kept = {name: _kept(name) for name in _asked(handler)}
    return {**answers, **{name: [str(row.id)] for name, row in kept.items() if row}}


def to_start(handler: Handler, values: dict[str, Any]) -> dict[str, Any]:
    """The values, with a copy in place of each file of a job that is run again."""
    engine = the_engine()
    return _replaced(
        handler, values, lambda job_id, row: engine.copy_file(job_id, row.name, here())
    )


def to_look_at(handler: Handler, values: dict[str, Any]) -> dict[str, Any]:
    """The values, with the very file of a job that may be run again; nothing is copied."""
    return _replaced(handler, values, lambda _, row: _as_param(row))


def show_chosen(form: Form) -> None:
    """Show for each file that was chosen what it is; one that is gone must be chosen again."""
    for each in form.fields:
        if each.widget == "file":
            each.value = _chosen(each.value) if each.value else None
            each.attrs["data-most-mb"] = the_engine().shelf.most_upload_mb


def _replaced(
    handler: Handler, values: dict[str, Any], replace: Callable[[int, FileRow], Any]
) -> dict[str, Any]:
    new = {}
    for name in _asked(handler):
        named = _named(values.get(name))
        if named:
            try:
                new[name] = replace(named[0], _file(*named))
            except (JobNotFound, JobFileNotFound):
                gone = "This file is not there any more; choose another one."
                raise InvalidParams({name: [gone]}) from None
    return values | new


def _chosen(said: str) -> Chosen | None:
    try:
        named = _named(said)
        row = _file(*named) if named else the_engine().shelf.upload(whole(said) or 0, here().id)
    except (JobNotFound, JobFileNotFound, UploadNotGood):
        return None
    return Chosen(value=said, name=row.name, size=row.size)


def _asked(handler: Handler) -> list[str]:
    return [each.name for each in form_for(handler.params).fields if each.widget == "file"]


def _named(said: object) -> tuple[int, str] | None:
    """The job and the name of `again:<job>/<name>`; None for anything else."""
    if not isinstance(said, str) or not said.startswith(AGAIN):
        return None
    job, _, name = said.removeprefix(AGAIN).partition("/")
    return whole(job) or 0, name


def _file(job_id: int, name: str) -> FileRow:
    return file_of(the_engine(), here(), job_for(the_engine(), here(), job_id), name)


def _as_param(row: FileRow) -> UploadedFile:
    assert row.path
    return UploadedFile(
        id=row.id, name=row.name, size=row.size, token=row.token, folder=row.path.parent
    )


def _kept(field: str) -> FileRow | None:
    """Keep the file that came in as this field; None when none did."""
    sent = request.files.get(field)
    if sent is None or not sent.filename:
        return None
    assert isinstance(sent.stream, Part)
    return the_engine().shelf.add_upload(sent.stream, sent.filename, here().id)


# How much may come in


def _make_room() -> None:
    """Let a request be as large as an upload may be, where uploads are taken."""
    if request.endpoint not in TAKING:
        return
    most_mb = the_engine().shelf.most_upload_mb
    request.max_content_length = most_mb * 2**20 + BESIDE
    if (request.content_length or 0) > request.max_content_length:
        raise FileTooLarge("What you sent", most_mb, "JOBDECK_MAX_UPLOAD_MB")
