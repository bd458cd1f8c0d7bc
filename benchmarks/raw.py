"""The baseline: the same SQLite settings, the same rows, and nothing but the updates."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sqlalchemy import text

from app.db import Base, Database
from app.jobs.store.creating import NewJob, NewTask, create_job

GROUP = 200


def updates_per_second(folder: Path, tasks: int) -> float:
    """Move `tasks` rows to DONE, 200 to a transaction, without triggers, claims or handlers."""
    database = Database(f"sqlite:///{folder / 'raw.sqlite3'}")
    Base.metadata.create_all(database.engine)
    create_job(database, NewJob(name="raw", handler="raw"), (NewTask() for _ in range(tasks)))
    with database.writing() as connection:
        connection.execute(text("DROP TRIGGER task_counted"))
    update = "UPDATE task SET status = 'DONE', finished_at = '2026-01-01' WHERE id = ?"
    begun = time.perf_counter()
    for first in range(1, tasks + 1, GROUP):
        with database.writing() as connection:
            cursor = connection.connection.cursor()
            cursor.executemany(update, [(each,) for each in range(first, first + GROUP)])
    return tasks / (time.perf_counter() - begun)


def commits_per_second(folder: Path, commits: int) -> float:
    """Change one row in each transaction, past everything that is not SQLite."""
    database = Database(f"sqlite:///{folder / 'raw.sqlite3'}")
    Base.metadata.create_all(database.engine)
    create_job(database, NewJob(name="raw", handler="raw"), [NewTask()])
    with database.reading() as connection:
        driver: Any = connection.connection.dbapi_connection
        begun = time.perf_counter()
        for _ in range(commits):
            driver.execute("UPDATE job SET version = version + 1 WHERE id = 1")
        return commits / (time.perf_counter() - begun)
