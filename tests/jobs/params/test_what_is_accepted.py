"""A task gets the values that the model made of the input, whatever its author wrote (Y2)."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import re
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    AwareDatetime,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    FutureDatetime,
    HttpUrl,
    IPvAnyAddress,
    Json,
    PrivateAttr,
    Secret,
    SecretBytes,
    SecretStr,
    computed_field,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass as validated_dataclass
from typing_extensions import TypedDict

from app.jobs import Engine, Handler
from app.jobs.values import MASK
from tests.jobs.conftest import Engines
from tests.jobs.looking import done
from tests.jobs.params.spelling import spelled

T = TypeVar("T")
times_ten = AfterValidator(lambda value: value * 10)


class Level(enum.IntEnum):
    """An enum of numbers."""

    LOW = 1
    HIGH = 2


class Access(enum.Flag):
    """Flags, which may be several."""

    READ = enum.auto()
    WRITE = enum.auto()


class Pair(enum.Enum):
    """An enum of what is no JSON."""

    LEFT = (1, 2)


class Point(NamedTuple):
    """A tuple with names."""

    x: int
    y: float


class Movie(TypedDict):
    """A dict with known keys."""

    title: str
    made: dt.date


@dataclasses.dataclass
class Place:
    """A plain dataclass."""

    name: str
    seen: dt.date


@validated_dataclass(frozen=True)
class Span:
    """A dataclass whose fields pydantic validates."""

    days: Annotated[int, times_ten]


class Server(BaseModel):
    """A nested model."""

    model_config = ConfigDict(frozen=True)
    host: str
    port: Annotated[int, times_ten] = 80


class Cat(BaseModel):
    """One of several models."""

    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    """Another one."""

    kind: Literal["dog"] = "dog"
    tricks: set[str] = set()


class Box(BaseModel, Generic[T]):
    """A generic model."""

    content: T


def no_groups() -> defaultdict[str, list[int]]:
    return defaultdict(list)


class Params(BaseModel):
    """A field of nearly every kind."""

    amount: Annotated[int, times_ten] = 5
    left_out: str = Field("default", exclude=True)
    aliased: str = Field("", validation_alias=AliasChoices("other", AliasPath("deep", 1)))
    renamed: int = Field(0, alias="reNamed")
    day: dt.date = Field(dt.date(2026, 1, 31), strict=True)
    at: AwareDatetime | None = None
    naive: dt.datetime | None = None
    clock: dt.time | None = None
    span: dt.timedelta | None = None
    price: Decimal = Decimal("1.10")
    key: UUID | None = None
    path: Path = Path("a")
    raw: bytes = b""
    level: Level = Level.LOW
    access: Access = Access.READ
    pair: Pair = Pair.LEFT
    number: float = 0.0
    either: int | str | None = None
    tags: set[str] = set()
    frozen: frozenset[int] = frozenset()
    both: tuple[int, str] | None = None
    many: tuple[int, ...] = ()
    queue: deque[int] | None = None
    by_number: dict[int, dt.date] = {}
    counted: Counter[str] = Counter()
    ordered: OrderedDict[str, int] = OrderedDict()
    grouped: defaultdict[str, list[int]] = Field(default_factory=no_groups)
    anything: Any = None
    point: Point | None = None
    movie: Movie | None = None
    place: Place | None = None
    long: Span | None = None
    server: Server = Server(host="a", port=1)
    servers: list[Server] = []
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    box: Box[Annotated[int, times_ten]] | None = None
    url: HttpUrl | None = None
    address: IPvAnyAddress | None = None
    size: ByteSize = ByteSize(1)
    pattern: re.Pattern[str] | None = None
    parsed: Json[list[int]] | None = None
    zone: ZoneInfo | None = None
    imaginary: complex = 1j
    token: SecretStr = SecretStr("hush-token")
    key_bytes: SecretBytes = SecretBytes(b"\xffhush\x00")
    birthday: Secret[dt.date] | None = None
    _remembered: int = PrivateAttr(default=1)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        """A field that nobody enters."""
        return self.amount * 2

    def model_post_init(self, context: Any, /) -> None:
        """Remember something, and change a field: to run again, it would change it again."""
        self._remembered = self.amount + 1
        self.anything = [self.anything]


GIVEN: dict[str, Any] = {
    "amount": 7, "left_out": "kept", "deep": ["no", "yes"], "reNamed": 3, "day": "2026-02-03",
    "at": "2026-02-03T04:05:06.789+05:30", "naive": "2026-02-03T04:05:06", "clock": "04:05:06.7",
    "span": "P3DT4H5M6.000001S", "price": "0.10", "key": "12345678123456781234567812345678",
    "path": "/srv/ü", "raw": "bytes", "level": 2, "access": 3, "number": 1e300, "either": "5",
    "tags": ["b", "a"], "frozen": [3, 1], "both": [1, "x"], "many": [1, 2], "queue": [1],
    "by_number": {"1": "2026-01-01"}, "counted": {"a": 2}, "ordered": {"b": 1, "a": 2},
    "grouped": {"a": [1]}, "anything": {"$is": "date", "$value": "x", "$secret": "no secret"},
    "point": [1, 2.5], "movie": {"title": "M", "made": "1931-05-11"},
    "place": {"name": "here", "seen": "2026-01-01"}, "long": {"days": 1},
    "server": {"host": "b"}, "servers": [{"host": "c", "port": 2}],
    "pets": [{"kind": "dog", "tricks": ["sit"]}, {"kind": "cat"}], "box": {"content": 4},
    "url": "https://example.com/ä?b=1", "address": "::1", "size": "3KiB", "pattern": "a+b?",
    "parsed": "[1, 2]", "zone": "Europe/Berlin", "imaginary": "1+2j", "token": "hush",
    "key_bytes": "hush", "birthday": "2000-01-01",
}  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Whether two models are equal in all that a handler can see, types and all."""
    return spelled(one) == spelled(other) and bool(one == other)


def ran(engine: Engine, seen: list[Any], params: Any, **options: Any) -> Any:
    """Start a job, wait for its end, and return what its task saw."""
    job_id = engine.start("work", params, **options)
    done(engine, job_id)
    return seen[-1]


def engine_of(engines: Engines, model: type[BaseModel] | None) -> tuple[Engine, list[Any]]:
    """An engine whose only handler puts what it sees of its params into a list."""
    seen: list[Any] = []
    work = Handler(name="work", params=model, run=lambda task: seen.append(task.job.params))
    return engines(work), seen


@pytest.mark.parametrize("given", [{}, GIVEN], ids=["defaults", "everything"])
def test_the_task_sees_what_the_model_made_of_it(engines: Engines, given: Any) -> None:
    engine, seen = engine_of(engines, Params)
    before = engine.registry["work"].validate_params(given)
    got = ran(engine, seen, given)
    assert same(got, before)
    assert got.model_fields_set == before.model_fields_set
    assert (got._remembered, got.twice) == (before._remembered, before.twice)
    assert type(got.servers) is list
    assert got.token.get_secret_value() == before.token.get_secret_value()
    assert got.key_bytes.get_secret_value() == before.key_bytes.get_secret_value()


def test_it_is_entered_again_as_it_was_entered_before(engines: Engines) -> None:
    engine, seen = engine_of(engines, Params)
    hidden = {"token", "key_bytes", "birthday"}
    given = {key: value for key, value in GIVEN.items() if key not in hidden}
    under_their_names = {"aliased": "yes", "renamed": 3} | given
    del under_their_names["deep"], under_their_names["reNamed"]
    first = ran(engine, seen, given)
    for _ in range(3):
        (latest, *_) = engine.jobs()
        again = engine.job(latest.id).input
        assert again == under_their_names
        assert same(ran(engine, seen, again), first)


def test_what_people_see_is_json_that_they_can_read(engines: Engines) -> None:
    engine, seen = engine_of(engines, Params)
    ran(engine, seen, GIVEN)
    shown = engine.job(engine.jobs()[0].id).params
    wanted = {
        "amount": 70, "aliased": "yes", "renamed": 3, "day": "2026-02-03", "price": "0.10",
        "path": "/srv/ü", "raw": "bytes", "level": 2, "access": 3, "pair": [1, 2],
        "tags": ["a", "b"],
        "by_number": {"1": "2026-01-01"}, "ordered": {"b": 1, "a": 2}, "point": [1, 2.5],
        "server": {"host": "b", "port": 80}, "size": 3072, "pattern": "a+b?", "token": MASK,
        "key_bytes": MASK, "birthday": MASK, "span": "P3DT4H5M6.000001S",
        "anything": [{"$is": "date", "$value": "x", "$secret": "no secret"}],
        "movie": {"title": "M", "made": "1931-05-11"}, "url": "https://example.com/%C3%A4?b=1",
    }  # fmt: skip
    assert {key: shown[key] for key in wanted} == wanted
    assert "left_out" not in shown


PYTHON: dict[str, Any] = {
    "raw": b"\xff\x00",
    "at": dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    "naive": dt.datetime.fromisoformat("2026-01-01").replace(fold=1),
    "number": float("inf"), "anything": (1, {2: {3}}, b"\xfe"),
    "server": Server(host="z", port=3), "queue": deque([1, 2], maxlen=4), "pair": Pair.LEFT,
    "access": Access.READ | Access.WRITE, "key_bytes": b"\xff",
    "place": Place("x", dt.date(2026, 1, 1)),
    "span": dt.timedelta(days=-1, microseconds=1), "price": Decimal("1E+3"), "level": Level.HIGH,
    "grouped": {"a": [2]}, "day": dt.date(2026, 1, 2), "clock": dt.time(1, 2, tzinfo=dt.UTC),
}  # fmt: skip


def test_values_of_python_are_taken_as_they_are(engines: Engines) -> None:
    engine, seen = engine_of(engines, Params)
    before = engine.registry["work"].validate_params(PYTHON)
    got = ran(engine, seen, PYTHON)
    assert spelled(got) == spelled(before)
    assert got.at.tzinfo == ZoneInfo("Europe/Berlin")
    assert got.at.utcoffset() == dt.timedelta(hours=1)
    assert got.queue.maxlen == 4


def test_an_instance_of_the_model_is_validated_no_second_time(engines: Engines) -> None:
    engine, seen = engine_of(engines, Params)
    given = Params.model_validate({"amount": 3})
    got = ran(engine, seen, given)
    assert (got.amount, given.amount) == (30, 30)
    assert got == given


def test_no_validator_of_the_author_runs_in_the_task(engines: Engines) -> None:
    calls: list[str] = []

    class Counting(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True)
        n: int

        @field_validator("n")
        @classmethod
        def _once(cls, value: int) -> int:
            calls.append("field")
            return value

        @model_validator(mode="after")
        def _whole(self) -> Counting:
            calls.append("model")
            return self

        @computed_field  # type: ignore[prop-decorator]
        @property
        def doubled(self) -> int:
            return self.n * 2

    engine, seen = engine_of(engines, Counting)
    assert ran(engine, seen, {"n": 1}).doubled == 2
    assert calls == ["field", "model"]


def test_a_time_to_come_may_be_past_when_the_task_runs(engines: Engines) -> None:
    class Later(BaseModel):
        at: FutureDatetime

    engine, seen = engine_of(engines, Later)
    at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=0.2)
    assert ran(engine, seen, {"at": at.isoformat()}, delay=0.4).at == at


def test_what_a_model_allows_beside_its_fields_is_kept(engines: Engines) -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        a: int = 1

    engine, seen = engine_of(engines, Open)
    got = ran(engine, seen, {"b": [1], "$is": "date"})
    assert got.model_extra == {"b": [1], "$is": "date"}
    shown = engine.job(engine.jobs()[0].id)
    assert shown.params == {"a": 1, "b": [1], "$is": "date"}
    assert shown.input == {"b": [1], "$is": "date"}


def test_what_one_task_changes_of_its_params_no_other_one_sees(engines: Engines) -> None:
    class Listed(BaseModel):
        names: list[str] = []
        n: int = 1

    class Flat(BaseModel):
        n: int = 1

    seen: list[Any] = []

    def change(task: Any) -> None:
        params = task.job.params
        seen.append(params.model_dump())
        assert task.job.params is params
        params.n += 1
        if isinstance(params, Listed):
            params.names.append("x")

    engine = engines(
        Handler(name="listed", params=Listed, run=change, parallel_limit=1),
        Handler(name="flat", params=Flat, run=change, parallel_limit=1),
    )
    for name in ("listed", "flat"):
        done(engine, engine.start(name, tasks=[{}, {}, {}]))
    assert seen == [{"names": [], "n": 1}] * 3 + [{"n": 1}] * 3
