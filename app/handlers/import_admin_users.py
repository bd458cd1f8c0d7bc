"""Make accounts of an uploaded table: one task a row, and each row counted exactly once."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from app.db import iso, now
from app.jobs import Task, UploadedFile, task_handler
from app.users import addresses, people
from app.users.permissions import Role

SUPERADMIN: Final = str(Role.SUPERADMIN)
WANTED: Final = ("email", "role")
#: Programs of some countries write these between the cells.
SEPARATORS: Final = (",", ";", "\t")
MOST_ROWS: Final = 100_000
#: How many refused rows the job's state names; the failed tasks name them all.
SHOWN: Final = 100
#: No address is longer than 254 characters; so much of a cell is kept.
TOLD: Final = 300


class RowRefused(Exception):
    """A row of the table makes no account; the sentence names its line and says why."""


class BadTable(ValueError):
    """A file is no table of accounts, as a sentence without its full stop."""


class Params(BaseModel):
    """The table: a CSV file in UTF-8 with a header that has the columns email and role."""

    file: UploadedFile = Field(
        description="A CSV file in UTF-8. Its first line names the columns email and role; "
        "others are ignored",
        json_schema_extra={"accept": ".csv,text/csv"},
    )

    @field_validator("file")
    @classmethod
    def _must_be_a_table(cls, file: UploadedFile, info: ValidationInfo) -> UploadedFile:
        if info.context:  # when the job is asked for; it is not asked again whenever it is read
            rows = sum(1 for _ in rows_of(file))
            if not rows:
                raise ValueError("The table has a header and no rows")
        return file


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table, as it is written there. `repeats` is the line with the same address."""

    line: int
    email: str
    role: str
    repeats: int | None = None

    @property
    def complaint(self) -> str | None:
        """What is wrong with it, as the end of a sentence."""
        if not self.email:
            return "it has no e-mail address"
        if addresses.complaint(self.email):
            return f"{self.email!r} is not an e-mail address"
        if not self.role:
            return "it has no role"
        if self.role not in set(Role):
            return f"{self.role!r} is not a role; the roles are {', '.join(Role)}"
        return None

    @property
    def state(self) -> dict[str, Any]:
        """The state of its task."""
        return {name: value for name, value in vars(self).items() if value is not None}


@task_handler(
    params=Params,
    parallel_limit=8,
    roles={"view": SUPERADMIN, "start": SUPERADMIN, "manage": SUPERADMIN},
    icon="file-import",
)
def import_admin_users(task: Task) -> None:
    """Make an account for each row of a table. They open with one-time links, not passwords."""
    row = _row_of(task)
    complaint = row.complaint
    if complaint:
        _count(task, "refused", {"line": row.line, "email": row.email, "reason": complaint})
        raise RowRefused(f"Line {row.line}: {complaint}")
    _count(task, "created" if _is_made(task, row) else "skipped")


def _row_of(task: Task) -> Row:
    """The row of a task; what somebody else has put into its state may miss something."""
    state = task.state
    return Row(
        line=int(state.get("line", task.index + 1)),
        email=addresses.same_form(str(state.get("email", ""))),
        role=str(state.get("role", "")),
        repeats=state.get("repeats"),
    )


def _is_made(task: Task, row: Row) -> bool:
    """Make the account; tell whether this task did, now or before the process died under it."""
    if row.repeats:
        return False
    begun = task.get_state_field("begun")
    if begun is None:
        task.set_state_field("begun", iso(now()))
        task.flush()  # whoever goes on after a crash must know that this task may have made it
    if people.create_user_if_new(task.engine.database, row.email, row.role):
        return True
    found = people.find_by_email(task.engine.database, row.email)
    if begun is None or found is None:
        return False
    return people.user(task.engine.database, found.id).created_at >= datetime.fromisoformat(begun)


def _count(task: Task, outcome: str, refused: dict[str, Any] | None = None) -> None:
    """Add one to a sum of the job, once for each task however often it runs."""
    if task.get_state_field("outcome"):
        return

    def add(state: dict[str, Any]) -> None:
        state[outcome] = state.get(outcome, 0) + 1
        if refused:
            rows = sorted([*state.get("rows", []), refused], key=lambda row: int(row["line"]))
            state["rows"] = rows[:SHOWN]

    task.job.update_fields_atomically(add, {"outcome": outcome})


@import_admin_users.tasks
def one_per_row(params: Params) -> Iterator[dict[str, Any]]:
    """One task for each row; a row with an address that an earlier good one has says so."""
    lines: dict[str, int] = {}
    for row in rows_of(params.file):
        if row.complaint is None:
            first = lines.setdefault(row.email, row.line)
            if first != row.line:
                row = replace(row, repeats=first)
        yield row.state


def rows_of(file: UploadedFile) -> Iterator[Row]:
    """Read the rows that are not empty; raise BadTable for a file that is no such table."""
    _demand_text(file)
    with file.open("r", encoding="utf-8-sig", newline="") as text:
        records = _records(csv.reader(text, delimiter=_separator(file), strict=True))
        places = _places(next(records, (0, []))[1])
        for count, (line, cells) in enumerate(records, 1):
            if count > MOST_ROWS:
                raise BadTable(f"The table has more than {MOST_ROWS:,} rows; divide it")
            email, role = (_cell(cells, place) for place in places)
            yield Row(line=line, email=addresses.same_form(email), role=role.lower())


def _demand_text(file: UploadedFile) -> None:
    """Raise BadTable, naming the line, for what is no text in UTF-8."""
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    with file.open() as content:
        for chunk in iter(lambda: content.read(2**16), None):
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                raise _no_text(line + error.object[: error.start].count(b"\n")) from None
            if "\0" in text:
                raise _no_text(line + text.partition("\0")[0].count("\n"))
            if not chunk:
                return
            line += text.count("\n")


def _no_text(line: int) -> BadTable:
    return BadTable(
        f"This is not a text in UTF-8: line {line} has bytes of something else. Save the table as "
        "“CSV UTF-8” and choose that file"
    )


def _separator(file: UploadedFile) -> str:
    """What stands between the cells: the first that makes the columns of the first line ours."""
    with file.open("r", encoding="utf-8-sig") as text:
        first = next((line for line in text if line.strip()), "")
    for separator in SEPARATORS:
        if set(WANTED) <= set(_names(first.strip().split(separator))):
            return separator
    return SEPARATORS[0]


def _records(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not empty, with the line on which it begins."""
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadTable(f"Line {line} cannot be read: {error}") from None


def _places(header: list[str]) -> list[int]:
    """Where the columns are that are wanted."""
    names = _names(header)
    if not names:
        raise BadTable("The file is empty")
    for name in WANTED:
        if names.count(name) != 1:
            many = "no column" if name not in names else "more than one column"
            said = ", ".join(header)
            raise BadTable(
                f"The first line must name the columns email and role, and it has {many} {name}; "
                f"it says: {said if len(said) <= TOLD else said[:TOLD] + '…'}"
            )
    return [names.index(name) for name in WANTED]


def _names(header: list[str]) -> list[str]:
    return [cell.strip().strip('"').replace("-", "").lower() for cell in header]


def _cell(cells: list[str], place: int) -> str:
    return cells[place].strip()[:TOLD] if place < len(cells) else ""
