"""The topic `job-task-updates/<id>`: the tasks of one job, in a window."""

from __future__ import annotations

import pytest

from app.jobs import Engine
from app.web.live import topics
from tests.at_work import AtWork, Gate
from tests.visitor import Visitor
from tests.web.live.conftest import Listen
from tests.web.live.listener import Message


def status_of(messages: list[Message]) -> dict[int, str]:
    return {each["taskIndex"]: each["status"] for each in messages}


def test_first_come_all_tasks(listen: Listen, vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", tasks=[{"state": {"n": n}} for n in range(3)])
    data = listen(vera).snapshot(f"job-task-updates/{job_id}")
    assert data == [
        {"taskIndex": n, "status": "SCHEDULED", "state": {"n": n}, "error": None} for n in range(3)
    ]


def test_then_comes_what_changes_until_the_end(
    listen: Listen, vera: Visitor, at_work: AtWork, gate: Gate
) -> None:
    job_id = at_work.start("gated", **gate.params(tasks=3))
    listener = listen(vera)
    seen = status_of(listener.snapshot(f"job-task-updates/{job_id}"))
    gate.open()
    while set(seen.values()) != {"DONE"}:
        seen.update(status_of(listener.hear()["data"]))
    assert sorted(seen) == [0, 1, 2]


def test_tasks_that_join_are_told_also_behind_a_gap(
    listen: Listen, vera: Visitor, engine: Engine
) -> None:
    job_id = engine.start("swift", tasks=[{"state": {"n": n}} for n in range(3)])
    listener = listen(vera)
    engine.delete_tasks_from_existing_job(job_id, [0, 1])
    for n in range(20):
        engine.set_job_state_field(job_id, "n", n)  # versions that new tasks do not have
    assert list(status_of(listener.snapshot(f"job-task-updates/{job_id}"))) == [2]
    engine.add_new_tasks_to_existing_job(job_id, [{"state": {"n": n}} for n in (3, 4)])
    assert list(status_of(listener.hear()["data"])) == [3, 4]


def test_only_tasks_that_changed_are_told(listen: Listen, vera: Visitor, at_work: AtWork) -> None:
    job_id = at_work.start("failing", *({"well": number != 4} for number in range(9)))
    at_work.ended(job_id)
    listener = listen(vera)
    seen = status_of(listener.snapshot(f"job-task-updates/{job_id}"))
    assert [index for index, status in seen.items() if status == "FAILED"] == [4]
    at_work.engine.set_job_state_field(job_id, "touched", True)
    assert listener.silent_for(0.7)


def test_the_last_state_is_never_lost(listen: Listen, vera: Visitor, at_work: AtWork) -> None:
    job_id = at_work.start("writing", times=200, rest=0.003, tasks=2)
    listener = listen(vera, f"job-task-updates/{job_id}")
    last: dict[int, Message] = {}
    while {each["status"] for each in last.values()} != {"DONE"}:
        last.update({each["taskIndex"]: each for each in listener.hear().get("data", [])})
    assert [last[index]["state"] for index in (0, 1)] == [{"written": 200}] * 2
    times = [each.at for each in listener.heard]
    assert len(times) <= (times[-1] - times[0]) * 5 + 4


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ("?from=2&limit=3", [2, 3, 4]), ("?from=8", [8, 9]), ("?limit=2", [0, 1]),
        ("?from=99", []), ("?limit=0", []), ("?from=x&limit=y", list(range(10))),
        ("?from=-1", list(range(10))), ("?limit=999999999999", list(range(10))),
    ],
)  # fmt: skip
def test_a_window_shows_its_part(
    listen: Listen, vera: Visitor, engine: Engine, window: str, expected: list[int]
) -> None:
    job_id = engine.start("swift", tasks=[{}] * 10)
    data = listen(vera).snapshot(f"job-task-updates/{job_id}{window}")
    assert [each["taskIndex"] for each in data] == expected


def test_changes_outside_of_the_window_are_not_told(
    listen: Listen, vera: Visitor, at_work: AtWork, gate: Gate
) -> None:
    job_id = at_work.start("gated", **gate.params(tasks=6))
    listener = listen(vera)
    listener.snapshot(f"job-task-updates/{job_id}?from=1&limit=2")
    gate.open()
    at_work.ended(job_id)
    seen = {0}
    while seen - {0} != {1, 2}:
        seen |= {each["taskIndex"] for each in listener.hear()["data"] if each["status"] == "DONE"}
    assert seen == {0, 1, 2}


def test_a_large_window_comes_in_several_messages(
    listen: Listen, vera: Visitor, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "ROWS", 4)
    job_id = engine.start("swift", tasks=[{}] * 10)
    listener = listen(vera, f"job-task-updates/{job_id}?from=1")
    listener.hear()
    parts = [[each["taskIndex"] for each in listener.hear()["data"]] for _ in range(3)]
    assert parts == [[1, 2, 3, 4], [5, 6, 7, 8], [9]]


def test_tasks_that_leave_the_job_are_told(listen: Listen, vera: Visitor, engine: Engine) -> None:
    job_id = engine.start("swift", tasks=[{}] * 8)
    listener = listen(vera)
    listener.snapshot(f"job-task-updates/{job_id}?from=1&limit=5")
    engine.delete_tasks_from_existing_job(job_id, [0, 2, 3, 7])
    gone = [{"taskIndex": index, "deleted": True} for index in (2, 3)]
    assert listener.hear()["data"] == gone
    engine.delete_tasks_from_existing_job(job_id, [1])
    assert {"taskIndex": 1, "deleted": True} in listener.hear()["data"]
    engine.set_job_state_field(job_id, "touched", True)
    assert listener.silent_for(0.7)
    snapshot = listener.snapshot(f"job-task-updates/{job_id}")
    assert [each["taskIndex"] for each in snapshot] == [4, 5, 6]
