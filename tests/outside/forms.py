"""Handlers whose params are of every kind that a form can ask for."""

from __future__ import annotations

import datetime
import decimal
import enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NaiveDatetime,
    SecretStr,
    StringConstraints,
)

from app.jobs import Task, UploadedFile, task_handler


class Level(enum.IntEnum):
    """An enum of numbers."""

    LOW = 1
    HIGH = 2


class Ratio(enum.Enum):
    """An enum of floats."""

    HALF = 0.5
    WHOLE = 1.0


class Switch(enum.Enum):
    """An enum of booleans."""

    ON = True
    OFF = False


class Access(enum.IntFlag):
    """A flag."""

    READ = 1
    WRITE = 2


class Server(BaseModel):
    """A model within a model."""

    host: str
    port: int = Field(default=80, ge=1, le=65_535)
    is_primary: bool = False
    password: SecretStr | None = None
    tags: list[str] = Field(default_factory=list)


class Node(BaseModel):
    """A model within itself."""

    name: str = "leaf"
    children: list[Node] = Field(default_factory=list)


NOON = datetime.datetime(2030, 6, 1, 12, 0, 30, tzinfo=datetime.UTC)


class Kinds(BaseModel):
    """A field of each kind, all of them with defaults."""

    text: str = "  two spaces "
    empty: str = ""
    lines_in_text: str = "one\ntwo"
    story: str = Field(default="once\n\nupon", json_schema_extra={"widget": "textarea"})
    maybe_text: str | None = None
    maybe_empty: str | None = ""
    count: int = 3
    maybe_count: int | None = 100
    no_count: Annotated[int | None, Field(ge=1)] = None
    big: int = 12_345_678_901_234_567_890
    ratio: float = 3
    small: float = 1e-07
    price: decimal.Decimal = decimal.Decimal("9.90")
    agree: bool = True
    maybe: bool | None = None
    sure: bool | None = False
    level: Level = Level.HIGH
    maybe_level: Level | None = None
    share: Ratio = Ratio.WHOLE
    switch: Switch = Switch.OFF
    access: Access = Access.READ | Access.WRITE
    choice: Literal[1, "1", True, "b"] = "1"
    either: int | str = "7"
    day: datetime.date = datetime.date(2030, 1, 2)
    maybe_day: datetime.date | None = None
    hour: datetime.time = datetime.time(8, 30, 15)
    fine_hour: datetime.time = datetime.time(8, 30, 15, 250_001)
    naive: NaiveDatetime = datetime.datetime(2030, 1, 2, 3, 4)  # noqa: DTZ001
    naive_seconds: datetime.datetime = datetime.datetime(2030, 1, 2, 3, 4, 5)  # noqa: DTZ001
    naive_fine: datetime.datetime = datetime.datetime(2030, 1, 2, 3, 4, 5, 678_901)  # noqa: DTZ001
    moment: AwareDatetime = NOON
    maybe_moment: AwareDatetime | None = None
    wait: datetime.timedelta = datetime.timedelta(hours=1, seconds=5)
    path: Path = Path("/srv/texts")
    number: UUID = UUID("12345678123456781234567812345678")
    words: list[str] = Field(default_factory=lambda: ["a, b", "c"])
    hard_words: list[str] = Field(default_factory=lambda: ["", " a ", "b\nc"])
    maybe_words: list[str] | None = None
    no_words: list[str] | None = Field(default_factory=list)
    short: Annotated[list[str], Field(max_length=2)] = Field(default_factory=lambda: ["a long one"])
    numbers: tuple[int, ...] = (1, 2)
    pair: tuple[int, str] = (1, "x")
    maybe_pair: tuple[int, str] | None = None
    unordered: set[str] = Field(default_factory=lambda: {"x", "y", "z"})
    levels: list[Level] = Field(default_factory=lambda: [Level.HIGH, Level.LOW, Level.LOW])
    few_levels: set[Level] = Field(default_factory=lambda: {Level.HIGH})
    amounts: dict[str, int] = Field(default_factory=lambda: {"a": 1})
    server: Server = Server(host="a.example", port=8080)
    maybe_server: Server | None = None
    given_server: Server | None = Server(host="b.example")
    servers: list[Server] = [Server(host="c.example", tags=["x", "y"]), Server(host="d.example")]
    by_name: dict[str, Server] = Field(default_factory=lambda: {"main": Server(host="e.example")})
    tree: Node = Node(name="root", children=[Node(name="a", children=[Node(name="b")])])
    stripped: Annotated[str, StringConstraints(strip_whitespace=True, max_length=3)] = "  abc  "
    derived: int = Field(default_factory=lambda data: data["count"] * 2)
    secret: SecretStr = SecretStr("open sesame")
    anything: Any = Field(default_factory=lambda: {"deep": [1, None]})
    file: UploadedFile | None = None


@task_handler(params=Kinds, concurrency_limit=None)
def kinds(task: Task) -> dict[str, Any]:
    """Say which params are not as the model has them by itself."""
    given, own = task.job.params, Kinds()
    names = [name for name in Kinds.model_fields if getattr(given, name) != getattr(own, name)]
    return {name: repr(getattr(given, name)) for name in names}


class Named(BaseModel):
    """Params that are called what the create dialog calls something itself."""

    model_config = ConfigDict(extra="allow")

    name: str = "own name"
    handler: str = "own handler"
    csrf_token: str = "own token"
    again: int = 5
    option: str = "own option"
    action: str = "own action"
    method: str = "own method"
    submit: str = "own submit"
    id: str = "own id"
    elements: str = "own elements"
    closest: str = "own closest"
    param: str = "own param"
    form: Server = Server(host="own")


@task_handler(params=Named, concurrency_limit=None)
def named(task: Task) -> dict[str, Any]:
    """Say what it was given."""
    said: dict[str, Any] = task.job.params.model_dump(mode="json")
    return said


class Nested(BaseModel):
    """Params with models in them."""

    title: str = ""
    servers: list[Server] = Field(min_length=1)
    backup: Server | None = None
    level: Level
    file: UploadedFile | None = None
    files: list[UploadedFile] = Field(default_factory=list)


@task_handler(params=Nested, concurrency_limit=None)
def nested(task: Task) -> dict[str, Any]:
    """Say what it was given."""
    given = task.job.params
    return {
        "hosts": [each.host for each in given.servers],
        "passwords": [
            each.password and len(each.password.get_secret_value()) for each in given.servers
        ],
        "tags": [each.tags for each in given.servers],
        "backup": given.backup and given.backup.host,
        "level": int(given.level),
        "files": [each.name for each in given.files],
    }
