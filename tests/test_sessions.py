"""Sessions begin to write when they write: they keep nobody waiting before, and not for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from app import sessions
from app.db import Database
from app.sessions import SessionOver, only_reads
from app.write_lock import SessionHoldsWriteLock
from tests.admin.conftest import library
from tests.library import Author

__all__ = ["library"]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who would wait for itself fails soon."""
    monkeypatch.setattr("app.write_lock.LOCK_TIMEOUT", 0.2)


@pytest.fixture
def session(library: Database) -> Iterator[Session]:
    """A session like db.session."""
    with Session(library.for_sessions) as session:
        yield session


def names(library: Database) -> list[str]:
    """What is committed."""
    with library.reading() as connection:
        return list(connection.scalars(select(Author.name).order_by(Author.id)))


def write_elsewhere(library: Database, name: str = "elsewhere") -> None:
    """Let another thread write, as the engine does."""

    def write() -> None:
        with library.writing() as connection:
            connection.execute(insert(Author).values(name=name))

    with ThreadPoolExecutor(1) as pool:
        pool.submit(write).result(20)


@pytest.mark.conformance
def test_a_session_that_has_read_keeps_nobody_from_writing(
    library: Database, session: Session
) -> None:
    assert session.scalars(select(Author)).all() == []
    write_elsewhere(library)
    # And it sees what was committed since, then writes itself: no snapshot is too old.
    assert session.scalars(select(Author.name)).all() == ["elsewhere"]
    session.add(Author(name="own"))
    session.commit()
    assert names(library) == ["elsewhere", "own"]


@pytest.mark.conformance
def test_what_is_not_committed_is_rolled_back(library: Database, session: Session) -> None:
    session.add(Author(name="a"))
    session.flush()
    session.execute(text("INSERT INTO author (name) VALUES ('b')"))
    assert len(session.scalars(select(Author)).all()) == 2
    session.close()
    assert names(library) == []
    write_elsewhere(library)


@pytest.mark.conformance
def test_a_savepoint_is_rolled_back_alone(library: Database, session: Session) -> None:
    with session.begin_nested():
        session.add(Author(name="kept"))
    nested = session.begin_nested()
    session.add(Author(name="lost"))
    session.flush()
    nested.rollback()
    session.commit()
    assert names(library) == ["kept"]


@pytest.mark.conformance
def test_rows_are_read_little_by_little(library: Database, session: Session) -> None:
    session.add_all(Author(name=str(number)) for number in range(50))
    session.commit()
    some = select(Author).execution_options(yield_per=7)
    assert [author.name for author in session.scalars(some)] == [str(n) for n in range(50)]
    session.commit()
    session.add(Author(name="more"))
    session.commit()
    assert len(names(library)) == 51


@pytest.mark.conformance
def test_a_connection_may_have_several_transactions(library: Database) -> None:
    with library.for_sessions.connect() as connection:
        for name in ("a", "b", "c"):
            connection.execute(insert(Author).values(name=name))
            assert connection.scalar(select(func.count()).select_from(Author))
            if name == "b":
                connection.rollback()
            else:
                connection.commit()
        assert names(library) == ["a", "c"]
        connection.execute(insert(Author).values(name="d"))
    assert names(library) == ["a", "c"]
    write_elsewhere(library)


@pytest.mark.conformance
def test_after_an_error_the_session_goes_on(library: Database, session: Session) -> None:
    session.add(Author(id=1, name="a"))
    session.commit()
    session.add(Author(id=1, name="again"))
    with pytest.raises(IntegrityError):
        session.commit()
    session.rollback()
    with pytest.raises(DBAPIError):
        session.execute(text("SELECT nothing FROM nowhere"))
    session.rollback()
    session.add(Author(id=2, name="b"))
    session.commit()
    assert names(library) == ["a", "b"]


@pytest.mark.conformance
@pytest.mark.parametrize("way", ["locked row", "one statement"])
def test_ten_threads_that_read_and_write_beside_the_engine(
    library: Database, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("app.write_lock.LOCK_TIMEOUT", 20)
    with library.writing() as connection:
        connection.execute(insert(Author).values(name="0"))

    def count_up(_: int) -> None:
        with Session(library.for_sessions) as session:
            for _ in range(20):
                session.scalars(select(Author).where(Author.id != 1)).all()
                if way == "locked row":
                    author = session.get(Author, 1, with_for_update=True, populate_existing=True)
                    assert author
                    author.name = str(int(author.name) + 1)
                else:
                    counted = func.cast(
                        func.cast(Author.name, Author.id.type) + 1, Author.name.type
                    )
                    session.execute(update(Author).where(Author.id == 1).values(name=counted))
                session.commit()

    def write_as_the_engine_does(_: int) -> None:
        for _ in range(50):
            with library.writing() as connection:
                connection.execute(insert(Author).values(name="x"))

    with ThreadPoolExecutor(11) as pool:
        others = [pool.submit(count_up, number) for number in range(10)]
        others.append(pool.submit(write_as_the_engine_does, 0))
        for each in others:
            each.result(60)
    assert (names(library)[0], len(names(library))) == ("200", 51)


@pytest.mark.about_sqlite("a server has no write lock")
def test_nobody_waits_for_the_own_session(library: Database, session: Session) -> None:
    session.add(Author(name="a"))
    session.flush()
    for way in (library.writing, library.writing_once):
        with pytest.raises(SessionHoldsWriteLock, match=r"Call db\.session\.commit\(\)"), way():
            pass
    with pytest.raises(SessionHoldsWriteLock):
        library.refuse_to_wait_for_own_session()
    with Session(library.for_sessions) as other, pytest.raises(SessionHoldsWriteLock):
        other.execute(insert(Author).values(name="b"))
    session.commit()
    library.refuse_to_wait_for_own_session()
    with library.writing(), pytest.raises(SessionHoldsWriteLock):
        session.execute(insert(Author).values(name="b"))


@pytest.mark.about_sqlite("a server has no write lock")
def test_others_wait_for_a_session_and_are_told_of_it(library: Database, session: Session) -> None:
    session.add(Author(name="a"))
    session.flush()
    with pytest.raises(OperationalError, match="database is locked: somebody else in this process"):
        write_elsewhere(library)
    session.commit()
    write_elsewhere(library)


@pytest.mark.about_sqlite("a server ends such a transaction by itself")
def test_a_transaction_that_rests_too_long_is_ended(
    library: Database, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.add(Author(name="lost"))
    session.flush()
    monkeypatch.setattr("app.write_lock.IDLE_TIMEOUT", 0.05)
    write_elsewhere(library)
    with pytest.raises(OperationalError, match=r"not committed .* Commit before what takes long"):
        session.commit()
    session.rollback()
    session.add(Author(name="kept"))
    session.commit()
    assert names(library) == ["elsewhere", "kept"]


@pytest.mark.about_postgresql("it ends what rests in a transaction")
def test_who_has_only_read_may_rest_as_long_as_it_likes(
    library: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engines.REST_SECONDS", 0.1)
    own = Database(library.url.render_as_string(hide_password=False))
    with Session(own.for_sessions) as session:
        assert session.scalars(select(Author)).all() == []
        threading.Event().wait(0.5)
        session.add(Author(name="a"))
        session.commit()
        session.add(Author(name="lost"))
        session.flush()
        threading.Event().wait(0.5)
        with pytest.raises(DBAPIError, match="idle-in-transaction"):
            session.commit()
        session.rollback()
        session.add(Author(name="b"))
        session.commit()
    own.dispose()
    assert names(library) == ["a", "b"]


@pytest.mark.about_sqlite("other databases know no such error")
def test_rows_still_being_read_are_told_of(library: Database) -> None:
    with library.writing() as connection:
        connection.execute(insert(Author), [{"name": str(number)} for number in range(999)])
    with library.for_sessions.connect() as connection:
        reading = connection.execute(select(Author))
        reading.fetchone()
        write_elsewhere(library)
        with pytest.raises(OperationalError, match="Read all of them first"):
            connection.execute(insert(Author).values(name="x"))


@pytest.mark.conformance
def test_what_a_scope_has_not_committed_is_ended_from_another_thread(library: Database) -> None:
    with sessions.Scope() as scope, Session(library.for_sessions) as session:
        session.add(Author(name="lost"))
        session.flush()
        ending = threading.Thread(target=scope.end, args=[RuntimeError("over")])
        ending.start()
        ending.join(20)
        for use in uses(session):
            with pytest.raises(RuntimeError, match="over"):
                use()
            session.rollback()
        if library.is_sqlite:
            write_elsewhere(library)
    write_elsewhere(library)
    assert set(names(library)) == {"elsewhere"}


@pytest.mark.conformance
def test_a_session_is_closed_after_what_ends_a_thread(library: Database) -> None:
    with sessions.Scope() as scope:
        session = Session(library.for_sessions)
        session.add(Author(name="lost"))
        session.flush()
        scope.error = KeyboardInterrupt("for one")
        with pytest.raises(KeyboardInterrupt):
            session.scalars(select(Author)).all()
        session.close()
    write_elsewhere(library)
    assert names(library) == ["elsewhere"]


def uses(session: Session) -> list[Callable[[], object]]:
    """Whatever a session is used for."""
    return [
        session.commit,
        lambda: session.scalars(select(Author)).all(),
        lambda: session.execute(insert(Author).values(name="lost")),
    ]


@pytest.mark.about_sqlite("it is the same everywhere")
def test_nothing_is_written_after_a_scope(library: Database) -> None:
    with sessions.Scope():
        pass
    sessions.demand_open_scope()
    with sessions.Scope() as scope:
        scope.end(SessionOver())
        with pytest.raises(SessionOver, match="needs a session of its own"):
            sessions.demand_open_scope()


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("SELECT a.id FROM author AS a", True),
        ("\n  select 1", True),
        ("(SELECT 1) UNION (SELECT 2)", True),
        ("WITH x AS (SELECT 1) SELECT * FROM x", True),
        ("SELECT updated_at FROM updates", True),
        ("WITH x AS (SELECT 1) INSERT INTO y SELECT * FROM x", False),
        ("WITH x AS (DELETE FROM y RETURNING id) SELECT * FROM x", False),
        ("SELECT * FROM author FOR NO KEY UPDATE", False),
        ("SELECT * FROM author FOR SHARE", False),
        ("SELECT pg_advisory_xact_lock(1)", False),
        ("-- a comment\nUPDATE author SET name = ''", False),
        ("SAVEPOINT x", False),
        ("CREATE TABLE x (id int)", False),
    ],
)
def test_a_statement_that_only_asks_is_known_by_its_words(sql: str, *, reads: bool) -> None:
    assert only_reads(sql) is reads


@pytest.mark.about_sqlite("it is about the driver")
def test_a_lock_that_another_process_has_is_waited_for(
    library: Database, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = create_engine(library.url, connect_args={"timeout": 0}, isolation_level="AUTOCOMMIT")
    with other.connect() as process:
        process.exec_driver_sql("BEGIN IMMEDIATE")
        monkeypatch.setattr("app.write_lock.MIN_BUSY_TIMEOUT", 0.0)
        monkeypatch.setattr("app.engines.LOCK_SECONDS", 0.05)
        with pytest.raises(OperationalError, match="database is locked"):
            session.execute(insert(Author).values(name="a"))
        session.rollback()
        process.exec_driver_sql("ROLLBACK")
    other.dispose()
    session.execute(insert(Author).values(name="a"))
    session.commit()
    assert names(library) == ["a"]
