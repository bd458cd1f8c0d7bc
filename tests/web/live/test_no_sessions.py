"""A socket lives for hours: it keeps no session of Flask-SQLAlchemy, and no connection of one."""

from __future__ import annotations

import pytest
from flask import Flask

from app.extensions import db
from tests.visitor import Visitor
from tests.web.live.conftest import Listen


def test_an_open_socket_has_no_session(
    listen: Listen, vera: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    create = db.session.session_factory

    def noted() -> object:
        made.append(None)
        return create()

    monkeypatch.setattr(db.session.registry, "createfunc", noted)
    listener = listen(vera, "job-updates", "view/navbar")
    engine = app.extensions["jobdeck"]
    job_id = engine.start("example_job_handler", {"steps": 1, "seconds": 0})
    listener.hear_until(lambda message: str(job_id) in str(message), within=20)
    assert (made, db.session.registry.registry) == ([], {})
