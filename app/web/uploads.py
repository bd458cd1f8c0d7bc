"""Files on their way in, as uploads and as answers in a form, and on their way out."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final, cast

from flask import Blueprint, Flask, Request, request, send_file
from flask.typing import ResponseReturnValue

from app.admin.asked import whole
from app.admin.form import Field, Form
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
from app.web.job_form import entered, form_of
from app.web.pages import job_for
from app.web.session import here, the_person

bp = Blueprint("files", __name__)

#: What takes files; what comes along with anything else is not kept.
TAKING: Final = ("files.upload", "jobs.create")
#: What a form may have beside its files.
BESIDE: Final = 2**20
#: The controls that a form may have, those in all its rows together.
MOST_PARTS: Final = 20_000
#: How a form names a file of a job that is run again: again:<job>/<name>.
AGAIN: Final = "again:"
#: No field of a form lies within more lists and models than so many.
DEEPEST: Final = 20

Answers = Mapping[str, Sequence[str]]


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
        if self.endpoint not in TAKING or the_person() is None:
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
    app.jinja_env.globals["most_mb"] = most_mb


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


def received(handler: Handler, answers: Answers) -> dict[str, Sequence[str]]:
    """The answers, with the files that came along with them kept as uploads (without a script)."""
    kept = {each.name: _kept(each.name) for each in _asked(handler, answers)}
    return {**answers, **{name: [str(row.id)] for name, row in kept.items() if row}}


def to_start(handler: Handler, answers: Answers) -> dict[str, Any]:
    """The params, with a copy in place of each file of a job that is run again."""
    engine = the_engine()
    return _replaced(
        handler, answers, lambda job_id, row: engine.copy_file(job_id, row.name, here())
    )


def to_look_at(handler: Handler, answers: Answers) -> dict[str, Any]:
    """The params, with the very file of a job that may be run again; nothing is copied."""
    return _replaced(handler, answers, lambda _, row: _as_param(row))


def show_chosen(form: Form) -> None:
    """Show for each file that was chosen what it is; one that is gone must be chosen again."""
    for each in form.leaves():
        if each.widget == "file":
            each.value = _chosen(each.value) if each.value else None


def most_mb() -> int:
    """The most that a file may have, for the script of the form."""
    return the_engine().shelf.most_upload_mb


def _replaced(
    handler: Handler, answers: Answers, replace: Callable[[int, FileRow], Any]
) -> dict[str, Any]:
    """The params that were entered; what stands for a file of a job is replaced, wherever it is."""
    stands_for, sent = {}, dict(answers)
    for each in _asked(handler, answers):
        named = _named(each.value)
        if named:
            try:
                file = replace(named[0], _file(*named))
            except (JobNotFound, JobFileNotFound):
                gone = "This file is not there any more; choose another one."
                raise InvalidParams({each.name: [gone]}) from None
            # Found again by a word that nobody can have written elsewhere.
            stands_for[word := secrets.token_hex()] = file
            sent[each.name] = [word]
    return cast(dict[str, Any], _exchanged(entered(handler, sent), stands_for))


def _exchanged(value: Any, stands_for: Mapping[str, Any], deep: int = DEEPEST) -> Any:
    if isinstance(value, dict) and deep:
        return {key: _exchanged(each, stands_for, deep - 1) for key, each in value.items()}
    if isinstance(value, list) and deep:
        return [_exchanged(each, stands_for, deep - 1) for each in value]
    return stands_for.get(value, value) if isinstance(value, str) else value


def _chosen(said: str) -> Chosen | None:
    try:
        named = _named(said)
        row = _file(*named) if named else the_engine().shelf.upload(whole(said) or 0, here().id)
    except (JobNotFound, JobFileNotFound, UploadNotGood):
        return None
    return Chosen(value=said, name=row.name, size=row.size)


def _asked(handler: Handler, answers: Answers) -> list[Field]:
    """The fields for files, those in rows that were added, too."""
    form = form_of(handler)
    form.fill(answers)
    return [each for each in form.leaves() if each.widget == "file"]


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
    request.max_form_parts = MOST_PARTS
    if (request.content_length or 0) > request.max_content_length:
        raise FileTooLarge("What you sent", most_mb, "JOBDECK_MAX_UPLOAD_MB")
