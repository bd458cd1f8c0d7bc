"""An application with what the README declares: `FOLDER URL`. It says what comes of it."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

import app.handlers
import app.resources
from app import create_app
from app.config import Settings
from app.db import now
from app.extensions import db
from app.users.people import add_user
from app.users.permissions import Role
from tests.eventually import eventually
from tests.jobs.looking import ended
from tests.visitor import PASSWORD, Visitor


def main(folder: str, url: str) -> None:
    """Greet two customers, and show one of them."""
    for package in (app.handlers, app.resources):
        package.__path__.append(f"{folder}/{package.__name__.rpartition('.')[2]}")
    say(*(each.name for each in app.resources.all_resources()))
    flask = create_app(Settings(data_dir=Path(folder), database_url=url, rate_limit=False))
    engine = flask.extensions["jobdeck"]
    engine.run()
    with flask.app_context():
        greet(engine)
    add_user(engine.database, "a@example.com", Role.SUPERADMIN, PASSWORD)
    visitor = Visitor(flask, "a@example.com")
    visitor.sign_in()
    page = visitor.get("/customers")
    say(page.status_code, ">A<" in page.text)
    engine.begin_stop()
    engine.stop()


def greet(engine: Any) -> None:
    """Do what whoever has read the README would do."""
    customer = import_module("app.resources.customers").Customer
    db.create_all()
    db.session.add_all(customer(name=name, plan="free", created_at=now()) for name in "AB")
    db.session.commit()
    job = ended(engine, engine.start("greet_customers"))
    say(job.status, job.done)
    page = db.paginate(select(customer), page=1, per_page=1)
    say(db.session.scalar(select(func.count(customer.greeted_at))), page.total)
    say(engine.preview("greet_customers", {}).count)
    job_id = engine.start("bill_customers")
    eventually(lambda: engine.job(job_id).is_final and not engine.job(job_id).finishing)
    say(engine.job(job_id).state["invoices"])


def say(*words: object) -> None:
    """Write a line that the test compares."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
