"""Jobs and accounts are found by their letters, on every database."""

from __future__ import annotations

import pytest

from app.admin import query
from app.admin.asked import asked_of
from app.jobs import Engine, Handler, JobFilter
from app.resources.jobs import JOBS
from app.resources.users import USERS
from app.timezones import UTC_ZONE
from app.users.people import create_user
from tests.jobs.conftest import Engines
from tests.searched import FOUND, NOT_FOUND

pytestmark = pytest.mark.conformance


@pytest.fixture
def engine(engines: Engines) -> Engine:
    """An engine that runs nothing."""
    return engines(Handler(name="work", run=print), Handler(name="prüfe_alles", run=print))


def names(engine: Engine, text: str) -> list[str]:
    return [job.name for job in engine.jobs(JobFilter(search=text), limit=500)]


def test_jobs_are_found_by_any_letters(engine: Engine) -> None:
    for stored in {stored for stored, _ in (*FOUND, *NOT_FOUND) if stored}:
        engine.start("work", name=stored, tasks=[])
    for stored, text in FOUND:
        assert stored in names(engine, text), (stored, text)
    for stored, text in NOT_FOUND:
        assert stored not in names(engine, text), (stored, text)


def test_a_tally_counts_what_is_found(engine: Engine) -> None:
    for name in ("Äpfel", "A\u0308pfel", "Apfel"):
        engine.start("work", name=name, tasks=[])
    counts = engine.tally_jobs(JobFilter(search="ÄPFEL"))
    assert sum(count for count, _ in counts.values()) == 2


def test_jobs_are_found_by_their_handler(engine: Engine) -> None:
    engine.start("prüfe_alles", name="x", tasks=[])
    engine.start("work", name="y", tasks=[])
    assert names(engine, "PRÜFE") == ["x"]
    assert names(engine, "WOR") == ["y"]


def test_accounts_are_found_by_any_letters(engine: Engine) -> None:
    for email in ("jörg@exämple.de", "anna@example.com", "a_b@example.com"):
        create_user(engine.database, email=email, role="viewer")

    def found(text: str) -> list[str]:
        asked = asked_of(USERS, {"q": text}, lambda *_: None, UTC_ZONE)
        with engine.database.reading() as connection:
            rows = query.page(connection, USERS, asked).rows
        return [row.values["email"] for row in rows]

    assert found("JÖRG") == found("Jo\u0308rg") == ["jörg@exämple.de"]
    assert found("_") == ["a_b@example.com"]
    assert found("%") == []
    reference = JOBS.by_name["started_by"].reference
    assert reference
    with engine.database.reading() as connection:
        offered = query.options(connection, reference, "AN")
        assert [each.text for each in offered] == ["anna@example.com"]
        offered = query.options(connection, reference, "Ä")
        assert [each.text for each in offered] == ["jörg@exämple.de"]
        meant = query.option(connection, reference, "JÖRG@EXÄMPLE.DE")
        assert meant is not None
        assert meant.text == "jörg@exämple.de"
        assert query.option(connection, reference, "JÖRG") is None
