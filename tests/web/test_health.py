"""Does the process live, and can it work?"""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.db import Database
from tests.visitor import Visitor


def test_it_lives_and_is_ready(stranger: Visitor) -> None:
    assert stranger.get("/healthz").get_json() == {"ok": True}
    assert stranger.get("/readyz").get_json() == {"ok": True}


def test_with_an_unknown_schema_it_lives_and_is_not_ready(
    stranger: Visitor, database: Database
) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'another'"))
    assert stranger.get("/healthz").status_code == 200
    answer = stranger.get("/readyz")
    assert answer.status_code == 503
    assert "jobdeck db upgrade" in answer.get_json()["error"]["message"]


def test_without_a_database_it_lives_and_is_not_ready(
    stranger: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(_: object) -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    monkeypatch.setattr("app.schema.look_at", no_answer)
    assert stranger.get("/healthz").status_code == 200
    assert stranger.get("/readyz").get_json()["error"]["message"] == "The database does not answer."
