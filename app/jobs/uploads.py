"""`UploadedFile`: a param that is a file. What comes in is the number of an upload."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar, Final, Protocol

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from app.jobs.errors import UploadNotGood
from app.jobs.values import FILE
from app.jobs.views import FileRow

_TOKEN: Final = re.compile(r"[0-9a-f]{32}")
_folder: ContextVar[Path | None] = ContextVar("jobdeck_files", default=None)


class Uploads(Protocol):
    """Where uploads are looked up; see `files.Shelf`."""

    def upload(self, file_id: int, by: int | None) -> FileRow:
        """An upload of this person that waits to be used; raises UploadNotGood."""
        ...


@dataclass(frozen=True, kw_only=True)
class UploadedFile:
    """A file that the person who started the job has uploaded for it.

    As a param it is given as the number of an upload, and only its uploader can give it.
    """

    id: int
    name: str
    size: int  # bytes
    token: str = field(repr=False)
    folder: Path = field(repr=False, compare=False)
    #: How a form asks for it.
    form_widget: ClassVar[str] = "file"

    @property
    def path(self) -> Path:
        """Where its bytes are. They stay there as long as the job does; they are not to change."""
        return self.folder / self.token

    def open(self, mode: str = "rb", **how: Any) -> IO[Any]:
        """Open it for reading: bytes, or a text with mode "r"; `how` is passed to open()."""
        if mode not in ("r", "rb", "rt"):
            raise ValueError(f"An upload is opened with mode 'rb' or 'r', not {mode!r}.")
        return self.path.open(mode, **how)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Tell pydantic how it is read and stored."""
        return core_schema.with_info_plain_validator_function(
            cls._read,
            serialization=core_schema.plain_serializer_function_ser_schema(cls._stored),
        )

    @classmethod
    def _read(cls, value: object, info: ValidationInfo) -> UploadedFile:
        if isinstance(value, UploadedFile):
            return value
        context: Mapping[str, Any] = info.context or {}
        uploads: Uploads | None = context.get("uploads")
        if uploads is None:
            return cls._restored(value)
        try:
            row = uploads.upload(_number(value), _id_of(context.get("started_by")))
        except UploadNotGood as error:
            raise ValueError(str(error)) from None
        assert row.path
        return cls(id=row.id, name=row.name, size=row.size, token=row.token, folder=row.path.parent)

    @classmethod
    def _restored(cls, value: object) -> UploadedFile:
        """An upload as it is stored with its job; nobody from outside gets as far as here."""
        stored = (value.get(FILE) if isinstance(value, dict) else None) or {}
        folder = _folder.get()
        is_one = isinstance(stored, dict) and stored.keys() == {"id", "name", "size", "token"}
        if folder is None or not is_one or not _TOKEN.fullmatch(str(stored["token"])):
            raise ValueError("This is not an uploaded file as it is stored with a job")
        return cls(**stored, folder=folder)

    def _stored(self) -> dict[str, Any]:
        own = {"id": self.id, "name": self.name, "size": self.size, "token": self.token}
        return {FILE: own}


@contextlib.contextmanager
def within(folder: Path) -> Iterator[None]:
    """Let stored uploads that are read in this block lie in this folder."""
    before = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(before)


def uploads_in(params: object) -> list[tuple[int, str]]:
    """Return the ids of the uploads among params, each with a name that no other has."""
    found = {each.id: each.name for each in _each(params)}
    names: dict[str, int] = {}
    for file_id, name in found.items():
        names[_free(name, names)] = file_id
    return [(file_id, name) for name, file_id in names.items()]


def _each(value: object) -> Iterator[UploadedFile]:
    if isinstance(value, UploadedFile):
        yield value
    elif isinstance(value, BaseModel):
        for _, inner in value:
            yield from _each(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _each(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _each(inner)


def _free(name: str, taken: Collection[str]) -> str:
    """`data.csv`, or `data (2).csv` when there is one of that name."""
    stem, dot, suffix = name.rpartition(".") if "." in name[1:] else (name, "", "")
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{stem} ({number}){dot}{suffix}"
    return free


def _number(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise UploadNotGood("Choose a file: what is asked for here is the number of an upload")


def _id_of(person: Any) -> int | None:
    return person if person is None or isinstance(person, int) else person.id
