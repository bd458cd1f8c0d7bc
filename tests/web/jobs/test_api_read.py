"""Looking at jobs and tasks by the API."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from app.jobs import Engine, Handler, Task
from tests.at_work import AtWork
from tests.outside.kinds import HOSTILE
from tests.visitor import Visitor
from tests.web.jobs.api import fields_of, refused

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
IN_A_LIST = {
    "id", "name", "handler", "status", "progress", "counts", "created_at", "started_at",
    "finished_at", "started_by", "cancel_requested_at", "cancel_requested_by", "priority", "due_at",
}  # fmt: skip
ALONE = IN_A_LIST | {
    "state", "params", "input", "error", "retries", "timeout", "parallel_limit",
    "rescheduled_from_job", "started_by_job", "waiting_for",
}  # fmt: skip
COUNTS = {"total", "scheduled", "in_progress", "done", "failed", "cancelled", "skipped"}
OF_A_TASK = {
    "index", "status", "state", "result", "error", "attempts", "run_after", "started_at",
    "finished_at",
}  # fmt: skip


def get(visitor: Visitor, path: str) -> Any:
    answer = visitor.get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def test_a_job_has_exactly_these_fields(oscar: Visitor, vera: Visitor) -> None:
    job_id = oscar.send("POST", "/api/v1/jobs", {"handler": "swift"}).get_json()["id"]
    job = get(vera, f"/jobs/{job_id}")
    assert set(job) == ALONE
    assert set(job["counts"]) == COUNTS
    assert (job["status"], job["progress"], job["error"]) == ("QUEUED", 0, None)
    assert TIME.fullmatch(job["created_at"])
    assert job["started_at"] is job["finished_at"] is job["cancel_requested_at"] is None
    assert set(job["started_by"]) == {"id", "email"}
    assert job["started_by"]["email"] == oscar.email


def test_a_job_that_a_program_started_was_started_by_nobody(vera: Visitor, engine: Engine) -> None:
    assert get(vera, f"/jobs/{engine.start('swift')}")["started_by"] is None


def test_a_job_that_has_ended_says_how(vera: Visitor, at_work: AtWork) -> None:
    job_id = at_work.start("failing", {"well": True}, {})
    at_work.ended(job_id)
    job = get(vera, f"/jobs/{job_id}")
    assert (job["status"], job["progress"]) == ("DONE_WITH_ERRORS", 100)
    assert job["counts"] == dict.fromkeys(COUNTS, 0) | {"total": 2, "done": 1, "failed": 1}
    assert TIME.fullmatch(job["started_at"])
    assert job["started_at"] <= job["finished_at"]


def test_a_task_has_exactly_these_fields(vera: Visitor, at_work: AtWork) -> None:
    job_id = at_work.start("failing", {"well": True}, {})
    at_work.ended(job_id)
    answer = get(vera, f"/jobs/{job_id}/tasks")
    assert set(answer) == {"tasks", "total", "next"}
    assert (answer["total"], answer["next"]) == (2, None)
    well, failed = answer["tasks"]
    assert set(well) == set(failed) == OF_A_TASK
    assert (well["index"], well["status"], well["attempts"], well["error"]) == (0, "DONE", 1, None)
    assert failed["status"] == "FAILED"
    assert HOSTILE in failed["error"]
    assert TIME.fullmatch(failed["finished_at"])


def test_what_a_handler_returned_is_its_tasks_result(vera: Visitor, at_work: AtWork) -> None:
    job_id = at_work.start("swift", {"a": [1, "ü"]})
    at_work.ended(job_id)
    (task,) = get(vera, f"/jobs/{job_id}/tasks")["tasks"]
    assert task["result"] == task["state"] == {"a": [1, "ü"]}


def test_jobs_come_newest_first_and_by_pages(vera: Visitor, engine: Engine) -> None:
    ids = [engine.start("swift") for _ in range(5)][::-1]
    first = get(vera, "/jobs?limit=2")
    assert [job["id"] for job in first["jobs"]] == ids[:2]
    assert set(first["jobs"][0]) == IN_A_LIST
    second = get(vera, f"/jobs?limit=2&after={first['next']}")
    assert [job["id"] for job in second["jobs"]] == ids[2:4]
    last = get(vera, f"/jobs?limit=2&after={second['next']}")
    assert ([job["id"] for job in last["jobs"]], last["next"]) == (ids[4:], None)


def test_a_full_last_page_has_no_next(vera: Visitor, engine: Engine) -> None:
    for _ in range(2):
        engine.start("swift")
    assert get(vera, "/jobs?limit=2")["next"] is None
    assert get(vera, "/jobs?after=1") == {"jobs": [], "next": None}


def test_a_job_that_comes_between_two_pages_shifts_nothing(vera: Visitor, engine: Engine) -> None:
    ids = [engine.start("swift") for _ in range(4)]
    first = get(vera, "/jobs?limit=2")
    engine.start("swift")
    second = get(vera, f"/jobs?limit=2&after={first['next']}")
    assert [job["id"] for job in second["jobs"]] == [ids[1], ids[0]]


def test_jobs_are_filtered_by_status_and_handler(vera: Visitor, at_work: AtWork) -> None:
    done, failed = at_work.start("swift"), at_work.start("failing")
    at_work.ended(done)
    at_work.ended(failed)
    asked = {
        "status=DONE": [done],
        "status=DONE_WITH_ERRORS": [failed],
        "status=QUEUED": [],
        "handler=failing": [failed],
        "handler=failing&status=DONE": [],
        "handler=nothing": [],
        "handler=%00": [],
        "status=&handler=": [failed, done],
    }
    for query, ids in asked.items():
        assert [job["id"] for job in get(vera, f"/jobs?{query}")["jobs"]] == ids, query


def test_tasks_come_by_index_and_by_pages(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", tasks=[{"state": {"n": n}} for n in range(5)])
    path = f"/jobs/{job_id}/tasks?limit=2"
    first = get(vera, path)
    assert ([task["index"] for task in first["tasks"]], first["next"]) == ([0, 1], 1)
    second = get(vera, f"{path}&after={first['next']}")
    assert ([task["index"] for task in second["tasks"]], second["next"]) == ([2, 3], 3)
    last = get(vera, f"{path}&after={second['next']}")
    assert ([task["index"] for task in last["tasks"]], last["next"]) == ([4], None)
    by_offset = get(vera, f"{path}&offset=3")
    assert [task["index"] for task in by_offset["tasks"]] == [3, 4]
    assert by_offset["total"] == 5


def test_tasks_are_filtered_by_status(vera: Visitor, at_work: AtWork) -> None:
    job_id = at_work.start("failing", *({"well": number % 2 == 0} for number in range(6)))
    at_work.ended(job_id)
    failed = get(vera, f"/jobs/{job_id}/tasks?status=FAILED&limit=2")
    assert ([task["index"] for task in failed["tasks"]], failed["next"]) == ([1, 3], 3)
    assert failed["total"] == 3
    rest = get(vera, f"/jobs/{job_id}/tasks?status=FAILED&limit=2&after=3")
    assert ([task["index"] for task in rest["tasks"]], rest["next"]) == ([5], None)
    by_offset = get(vera, f"/jobs/{job_id}/tasks?status=FAILED&limit=2&offset=1")
    assert [task["index"] for task in by_offset["tasks"]] == [3, 5]


def test_only_the_fields_that_are_asked_for_are_sent(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift")
    path = f"/jobs/{job_id}/tasks?fields="
    assert get(vera, f"{path}index,status")["tasks"] == [{"index": 0, "status": "SCHEDULED"}]
    assert get(vera, f"{path}index,nothing")["tasks"] == [{"index": 0}]
    assert set(get(vera, path)["tasks"][0]) == OF_A_TASK


@pytest.mark.parametrize("limit", [1_000_000, "9" * 18])
def test_a_page_has_at_most_a_thousand(vera: Visitor, engine: Engine, limit: object) -> None:
    job_id = engine.start("swift", tasks=[{}] * 1_001)
    answer = get(vera, f"/jobs/{job_id}/tasks?limit={limit}&fields=index")
    assert (len(answer["tasks"]), answer["next"]) == (1_000, 999)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=-1", "limit"), ("limit=x", "limit"), ("limit=1.5", "limit"),
        ("limit=%C2%B2", "limit"), ("after=x", "after"), ("after=-1", "after"),
        ("offset=x", "offset"), ("status=GONE", "status"), ("status=done", "status"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(vera: Visitor, engine: Engine, query: str, field: str) -> None:
    job_id = engine.start("swift")
    assert fields_of(vera.get(f"/api/v1/jobs/{job_id}/tasks?{query}")) == {field}
    if field != "offset":
        assert fields_of(vera.get(f"/api/v1/jobs?{query}")) == {field}


@pytest.mark.parametrize("beyond", [2**62, 2**63 - 1, 2**63, 2**64, 10**30, 10**400])
def test_numbers_beyond_the_databases_find_nothing(
    vera: Visitor, engine: Engine, beyond: int
) -> None:
    job_id = engine.start("swift")
    for path in (f"/api/v1/jobs/{beyond}", f"/api/v1/jobs/{beyond}/tasks"):
        assert vera.get(path).status_code == 404, path
    for path in (f"/api/v1/jobs?after={beyond}", f"/api/v1/jobs/{job_id}/tasks?after={beyond}",
                 f"/api/v1/jobs/{job_id}/tasks?offset={beyond}"):  # fmt: skip
        assert vera.get(path).status_code in (200, 422), path


def test_a_job_that_is_not_there(vera: Visitor) -> None:
    refused(vera.get("/api/v1/jobs/7"), 404, "job_not_found")
    refused(vera.get("/api/v1/jobs/7/tasks"), 404, "job_not_found")
    refused(vera.get("/api/v1/jobs/seven"), 404, "not_found")
    refused(vera.get("/api/v1/jobs/-1"), 404, "not_found")


def test_a_secret_param_is_masked(vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("everything", {"text": "abc", "password": "open sesame"})
    answer = vera.get(f"/api/v1/jobs/{job_id}")
    assert answer.get_json()["params"]["password"] == "••••••"
    assert "sesame" not in answer.text


def test_the_log_of_a_job_is_told_with_its_levels(vera: Visitor, engine: Engine) -> None:
    def talk(task: Task) -> None:
        task.log("its own")
        logging.getLogger("tests.outside").warning("Python's")

    engine.registry.add(Handler(name="talks", run=talk))
    engine.run()
    job_id = engine.start("talks")
    AtWork(engine).ended(job_id)
    engine.stop()
    first, second = get(vera, f"/jobs/{job_id}/log")["lines"]
    assert (first["task_index"], first["attempt"], first["level"]) == (0, 1, "INFO")
    assert (second["level"], second["message"]) == ("WARNING", "Python's")
    assert first["at"].endswith("Z")
    assert get(vera, f"/jobs/{job_id}/log?limit=1")["lines"] == [second]
    assert vera.get("/api/v1/jobs/99/log").status_code == 404
