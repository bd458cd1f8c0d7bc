"""`UploadedFile`: a param that is a file. What comes in is the number of an upload."""

from __future__ import annotations

import contextlib
import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, Final, Protocol

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from app.jobs.errors import UploadNotGood
from app.jobs.values import FILE
from app.jobs.views import FileRow

#: Stands for a file that is at hand where params are validated as JSON: which of those given.
GIVEN: Final = "$given"
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
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda file: {FILE: file.stored()}
            ),
        )

    @classmethod
    def _read(cls, value: object, info: ValidationInfo) -> UploadedFile:
        if isinstance(value, UploadedFile):
            return value
        context: Mapping[str, Any] = info.context or {}
        if isinstance(value, dict) and value.keys() == {GIVEN}:
            return _given(value[GIVEN], context)
        uploads: Uploads | None = context.get("uploads")
        if uploads is None:
            raise ValueError("Files can be given where jobs are started, and nowhere else")
        try:
            row = uploads.upload(_number(value), _id_of(context.get("started_by")))
        except UploadNotGood as error:
            raise ValueError(str(error)) from None
        assert row.path
        return cls(id=row.id, name=row.name, size=row.size, token=row.token, folder=row.path.parent)

    @classmethod
    def restored(cls, stored: object) -> UploadedFile:
        """Return an upload as it is stored with its job; raise ValueError for anything else."""
        folder = _folder.get()
        known: dict[str, Any] = stored if isinstance(stored, dict) else {}
        is_one = known.keys() == {"id", "name", "size", "token"}
        if folder is None or not is_one or not _TOKEN.fullmatch(str(known["token"])):
            raise ValueError("This is not an uploaded file as it is stored with a job")
        return cls(**known, folder=folder)

    def stored(self) -> dict[str, Any]:
        """Return all that restored() needs, as JSON."""
        return {"id": self.id, "name": self.name, "size": self.size, "token": self.token}


def _given(index: object, context: Mapping[str, Any]) -> UploadedFile:
    """Return a file that the caller has at hand: JSON only says which."""
    at_hand: list[UploadedFile] = context.get(GIVEN, [])
    if not isinstance(index, int) or not 0 <= index < len(at_hand):
        raise ValueError("Choose a file: what is asked for here is the number of an upload")
    return at_hand[index]


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
        return
    for inner in _inside(value):
        yield from _each(inner)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, BaseModel):
        return [inner for _, inner in value]
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, list | tuple | set | frozenset | deque):
        return value
    if is_dataclass(value):
        return [getattr(value, each.name) for each in fields(value)]
    return ()


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
