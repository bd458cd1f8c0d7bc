"""A book of every move of a status, kept by triggers that the tests add to their database.

The counters tell how things stand; only this tells whether something was recorded twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from app.db import Database

TABLE = """CREATE TABLE IF NOT EXISTS moves (
  number {serial}, what VARCHAR(4), id INTEGER, attempt INTEGER, old TEXT, new TEXT)"""
NOTE = """INSERT INTO moves (what, id, attempt, old, new)
  VALUES ('{what}', NEW.id, {attempt}, OLD.status, NEW.status);"""
#: A write that says nothing of the status of a running task is no move. On a task that has ended
#: even such a one is wrong.
IS_MOVE = "NOT (OLD.status = NEW.status AND NEW.status IN ('IN_PROGRESS', 'QUEUED', 'SCHEDULED'))"
SQLITE = f"""CREATE TRIGGER noted_{{what}} AFTER UPDATE OF status ON {{what}}
WHEN {IS_MOVE} BEGIN {NOTE} END"""
POSTGRESQL = (
    f"""CREATE FUNCTION noted_{{what}}() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN {NOTE} RETURN NULL; END $$""",
    f"""CREATE TRIGGER noted_{{what}} AFTER UPDATE OF status ON {{what}}
FOR EACH ROW WHEN ({IS_MOVE}) EXECUTE FUNCTION noted_{{what}}()""",
)
MARIADB = f"""CREATE OR REPLACE TRIGGER noted_{{what}} AFTER UPDATE ON {{what}} FOR EACH ROW
IF (NEW.status <> OLD.status OR ('{{what}}' = 'task' AND @jobdeck_counts_itself))
  AND {IS_MOVE} THEN {NOTE} END IF"""
PROGRAMS = {"sqlite": (SQLITE,), "postgresql": POSTGRESQL, "mariadb": (MARIADB,)}
SERIALS = {
    "sqlite": "INTEGER PRIMARY KEY",
    "postgresql": "SERIAL PRIMARY KEY",
    "mariadb": "INTEGER PRIMARY KEY AUTO_INCREMENT",
}
TOLD = text("SELECT what, id, attempt, old, new FROM moves ORDER BY number")


@dataclass(frozen=True, slots=True)
class Move:
    """A job or a task (`what`) went from one status to another."""

    what: str
    id: int
    attempt: int
    old: str
    new: str


def begin(database: Database) -> None:
    """Keep the book from now on."""
    kind = database.url.get_backend_name()
    with database.writing() as connection:
        connection.exec_driver_sql(TABLE.format(serial=SERIALS[kind]))
        for what, attempt in (("job", "0"), ("task", "NEW.attempt")):
            for statement in PROGRAMS[kind]:
                connection.exec_driver_sql(statement.format(what=what, attempt=attempt))


def moves(database: Database) -> list[Move]:
    """All moves there were, in their order."""
    with database.reading() as connection:
        return [Move(*row) for row in connection.execute(TOLD)]
