"""The real server killed with -9 in the middle of an import: each row has come to one end."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from app.jobs import Engine
from tests.eventually import eventually
from tests.faults.test_killed_server import ended, has_done
from tests.jobs.looking import sql
from tests.server import Server

ROWS = 900


def test_an_import_goes_on_after_a_kill_and_counts_each_row_once(
    folder: Path, looking: Engine
) -> None:
    server = Server(folder)
    server.start()
    try:
        server.sign_in()
        body = {
            "handler": "import_admin_users",
            "params": {"file": server.upload("people.csv", table())},
        }
        job_id = server.api("POST", "/jobs", body)["id"]
        for share in (1, 2, 3):
            eventually(partial(has_done, server, job_id, share * ROWS // 5), within=60)
            server.kill()
            server.start()
        job: Any = eventually(lambda: ended(server, job_id), within=120, every=0.1)
    finally:
        server.kill()
    sums = {name: job["state"][name] for name in ("created", "skipped", "refused")}
    assert sums == {"created": ROWS - 60, "skipped": 30, "refused": 30}
    made = sql(looking.database, """SELECT count(*) FROM "user" WHERE email LIKE 'person%'""")
    assert made == [(ROWS - 60,)]


def table() -> str:
    """Every thirtieth row is bad, and the one after it has an address that was there already."""
    rows = ["email,role"]
    for number in range(ROWS):
        kind = number % 30
        name = "nobody" if kind == 0 else f"person{number - (kind == 3)}@example.com"
        rows.append(f"{name},viewer")
    return "\n".join(rows)
