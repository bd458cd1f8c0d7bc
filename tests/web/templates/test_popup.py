"""The popup of a job, and the components inside of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask, render_template

from app.web import components
from tests.web.templates.drawing import (
    HOSTILE,
    NOW,
    actions,
    attempt,
    component,
    job,
    line,
    popup,
    task,
    tasks,
)


def test_a_popup_has_its_hooks_and_its_topic(app: Flask) -> None:
    html = popup()
    for hook in ("job-popup", "job-status", "job-progress", "job-component", "task-row"):
        assert f'data-testid="{hook}"' in html
    assert 'data-live="view/job/7?tasks=DONE"' in html
    assert "own look" in html


def test_the_parts_of_a_popup_have_the_ids_that_live_updates_name(app: Flask) -> None:
    html = popup(log=[line()])
    parts = (
        "head", "progress", "notices", "component", "task-tabs", "task", "task-rows", "facts", "log"
    )  # fmt: skip
    assert [part for part in parts if f'id="job-7-{part}"' not in html] == []


def test_what_a_person_named_is_never_markup(app: Flask) -> None:
    html = popup(
        job=job(name=HOSTILE, params={HOSTILE: HOSTILE}, error=HOSTILE),
        tasks=tasks(task(state={HOSTILE: HOSTILE}), task(index=1, error=HOSTILE)),
        task=task(state={HOSTILE: 1}, result=HOSTILE, attempts=[attempt()], log=[line()]),
        log=[line()],
    )
    assert HOSTILE not in html


def test_a_popup_says_what_is_in_the_way(app: Flask) -> None:
    ada = SimpleNamespace(id=1, email="ada@example.com")
    html = popup(
        job=job(
            is_cancelling=True,
            cancel_requested_at=NOW,
            cancel_requested_by=ada,
            in_progress=2,
            no_worker=True,
            error="It fell over.",
        ),
        trouble="The database is locked.",
    )
    said = " ".join(html.split())
    assert "Cancelling, asked by ada@example.com" in said
    assert "Waiting for 2 running tasks to end." in said
    assert "No living worker has the handler" in html
    assert "It fell over." in html
    assert "The database is locked." in html


def test_a_popup_says_that_a_handler_is_broken_unless_some_worker_has_it(app: Flask) -> None:
    assert "The handler <code>shred</code> is broken" in popup(
        job=job(handler="shred", no_worker=True)
    )
    assert "broken" not in popup(job=job(handler="shred", no_worker=False))


def test_a_task_that_does_not_look_is_said_to_after_ten_seconds(app: Flask) -> None:
    now, asked = datetime.now(UTC), {"is_cancelling": True, "in_progress": 1}
    soon = popup(job=job(cancel_requested_at=now - timedelta(seconds=5), **asked))
    late = popup(job=job(cancel_requested_at=now - timedelta(seconds=11), **asked))
    sentence = "This task does not look whether it is cancelled, and cannot be interrupted."
    assert re.search(rf"data-after=[^ >]+ hidden>{sentence}", soon)
    assert re.search(rf"data-after=[^ >]+>{sentence}", late)


def test_a_closing_step_is_told_of(app: Flask) -> None:
    assert "The closing step of <code>backup</code> runs." in popup(job=job(finishing=True))
    cancelling = job(finishing=True, is_cancelling=True, cancel_requested_at=NOW)
    assert "Waiting for its closing step to end." in popup(job=cancelling)


def test_a_failed_task_shows_its_newest_traceback_unfolded(app: Flask) -> None:
    newest, older = attempt(number=2, traceback="newest trace"), attempt(traceback="older trace")
    opened = task(status="FAILED", error="ValueError", attempts=[newest, older], crashes=1)
    html = task_of(job(), opened)
    first, second = re.findall(r"<details[^>]*>", html)
    assert " open" in first
    assert " open" not in second
    assert html.index("newest trace") < html.index("older trace")
    assert "Its worker died 1 time" in html


SHIPPED = sorted(
    each.stem
    for each in Path(components.__file__).parent.parent.joinpath("components").glob("*.html")
    if not each.stem.startswith("_")
)


def task_of(shown: SimpleNamespace, opened: SimpleNamespace) -> str:
    return render_template("jobs/_task.html", job=shown, task=opened, actions=actions(shown))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("CANCELLED", "It was cancelled before it began."),
        ("SKIPPED", "It is to be skipped."),
        ("SCHEDULED", "It has not been tried yet."),
    ],
)
def test_a_task_without_attempts_says_why(app: Flask, status: str, said: str) -> None:
    opened = task(status=status, attempt=0, is_final=status != "SCHEDULED")
    assert said in task_of(job(), opened)


@pytest.mark.parametrize(
    "status", ["DONE", "FAILED", "CRASHED", "TIMED_OUT", "CANCELLED", "IN_PROGRESS"]
)
def test_an_attempt_of_each_kind_is_shown(app: Flask, status: str) -> None:
    tried = attempt(status=status, error=None, traceback=None)
    html = task_of(job(), task(attempts=[tried]))
    assert f'data-status="{status}"' in html
    assert "Attempt 1" in html


def test_a_task_that_waits_says_when_it_is_tried_again(app: Flask) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=2, seconds=30)
    waits = task(status="SCHEDULED", error="ValueError: no", run_after=soon, retries=2)
    said = re.sub(r"<[^>]+>", "", popup(job=job(waiting=3), tasks=tasks(waits), task=waits))
    assert re.search(r"Next try in 2 min (29|30) s · ValueError: no", said)
    assert re.search(r"Next try in 2 min (29|30) s\. It is retry 2\.", said)
    assert "3 to be retried" in said


def test_a_timeout_shows_its_sentence_and_where_it_hangs(app: Flask) -> None:
    late = attempt(status="TIMED_OUT", error="It took longer than 60 s", traceback="in sleep")
    html = task_of(job(), task(status="FAILED", attempts=[late]))
    assert "Timed out" in html
    assert html.index("It took longer than 60 s") < html.index("in sleep")
    failed = task_of(job(), task(status="FAILED", attempts=[attempt(error="said twice")]))
    assert "said twice" not in failed


def test_a_job_without_tasks_says_so(app: Flask) -> None:
    assert "This job has no tasks." in popup(tasks=tasks())
    assert "No task is failed." in popup(tasks=tasks(status="FAILED"))


@pytest.mark.parametrize("is_final", [True, False])
@pytest.mark.parametrize("name", SHIPPED)
def test_every_component_can_draw_a_job_of_which_nothing_is_known(
    app: Flask, name: str, is_final: bool
) -> None:
    assert component(name, job(total=0, is_final=is_final)).strip()
    assert component(name, job(is_final=is_final), task(state={}, status="FAILED")).strip()


def test_the_default_component_shows_the_state_it_finds(app: Flask) -> None:
    state = {"rows": 1200, "ok": True, "list": [1, 2], "note": "all is well", "none": None}
    html = component("default", job(state=state), task(index=3))
    assert "1,200" in html
    assert "all is well" in html
    assert "#3" in html


def test_the_default_component_is_sensible_when_there_is_nothing(app: Flask) -> None:
    assert "Nothing yet." in component("default", job())
    assert "It kept none." in component("default", job(is_final=True))


def test_checksums_are_shown_from_the_first_moment(app: Flask) -> None:
    assert "Waiting for the first files." in component("checksum_files", job(total=1204))
    row = {"path": "/srv/a.txt", "seconds": 0.25, "bytes": 2_500_000}
    state = {"files": 1, "bytes": 2_500_000, "slowest": [row], "largest": [{"path": "/srv/b"}]}
    html = component("checksum_files", job(state=state, params={"folder": "/srv"}))
    assert "2.5 MB" in html
    assert "250 ms" in html


def test_the_example_is_a_row_of_steps(app: Flask) -> None:
    rows = [task(state={"step": 1}), task(index=1, status="IN_PROGRESS", finished_at=None)]
    html = component("example_job_handler", job(total=14, state={"counter": 1}), *rows)
    assert "Step 1" in html
    assert 'aria-current="step"' in html
    assert "12 further steps" in html


def test_a_component_that_raised_leaves_a_card(app: Flask) -> None:
    html = render_template("components/_failed.html", job=job(), error=HOSTILE)
    assert "This job cannot be drawn" in html
    assert HOSTILE not in html
