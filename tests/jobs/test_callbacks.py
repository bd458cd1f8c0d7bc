"""Callbacks at the end of a job: before it finishes, and after all its tasks are done (A11)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from app.jobs import JobStatus
from app.jobs.errors import JobEnded
from app.jobs.store import adding, claiming
from app.jobs.store.adding import Adder
from app.jobs.store.creating import NewTask
from app.users.people import add_user
from app.users.permissions import Role
from tests.eventually import eventually
from tests.jobs.conftest import Engines
from tests.jobs.hooked import Hooked, Params, nothing, over, run
from tests.jobs.locking import locked
from tests.jobs.looking import blank, done, recounted, sql


def test_both_are_called_once_in_their_order(engines: Engines) -> None:
    handler = Hooked(nothing, nothing)
    job = run(engines(handler))
    assert (job.status, job.error) == (JobStatus.DONE, None)
    assert handler.called == ["before 1", "after"]


@pytest.mark.parametrize("tasks", [[], [{"state": {}, "skip": True}]], ids=["none", "skipped"])
def test_they_are_called_for_a_job_without_anything_to_run(
    engines: Engines, tasks: Sequence[Any]
) -> None:
    handler = Hooked(nothing, nothing)
    engine = engines(handler)
    over(engine, engine.start_new_job("x", None, tasks, "work"))
    assert handler.called == ["before 1", "after"]


@pytest.mark.parametrize("which", ["before", "after"])
def test_one_may_be_there_without_the_other(engines: Engines, which: str) -> None:
    handler = Hooked(**{which: nothing})
    assert run(engines(handler)).status == JobStatus.DONE
    assert handler.called == ["before 1" if which == "before" else "after"]


def test_they_may_be_decorated_or_given_as_options(engines: Engines) -> None:
    called: list[str] = []
    engine = engines(runs=False)
    decorated = engine.register_task_handler("decorated", lambda _: None)
    decorated.before_job_finish(lambda job, attempt: called.append(f"{job.name} before"))
    decorated.on_all_tasks_done(lambda job: called.append(f"{job.name} after"))
    engine.register_task_handler(
        "given",
        lambda _: None,
        before_job_finish=lambda job, attempt: called.append(f"{job.name} before"),
        on_all_tasks_done=lambda job: called.append(f"{job.name} after"),
    )
    engine.run()
    for name in ("decorated", "given"):
        over(engine, engine.start_new_job(name, None, blank(1), name))
    assert called == ["decorated before", "decorated after", "given before", "given after"]


def test_they_see_the_job_with_all_that_is_known_of_it(engines: Engines) -> None:
    seen: list[Any] = []

    def before(job: Any, _: int) -> None:
        seen.append((job.id, job.name, job.params.word, job.started_by.id, job.cancelled))
        seen.append((dict(job.counts), dict(job.state), job.get_state_field("a")))

    def after(job: Any) -> None:
        seen.append((engine.job(job.id).status, job.counts["failed"], job.get_state_field("b", 7)))

    engine = engines(Hooked(before, after, run=lambda task: 1 / task.index, params=Params))
    person = add_user(engine.database, "ann@example.com", Role.OPERATOR, "a long password")
    params = Params(word="hello")
    job_id = engine.start_new_job("Mine", person, blank(3), "work", {"a": 1}, params=params)
    over(engine, job_id)
    counts = {"scheduled": 0, "in_progress": 0, "cancelled": 0, "skipped": 0}
    assert seen[0] == (job_id, "Mine", "hello", person.id, False)
    assert seen[1] == ({"total": 3, "done": 2, "failed": 1} | counts, {"a": 1}, 1)
    assert seen[2] == (JobStatus.DONE_WITH_ERRORS, 1, 7)


def test_nobody_started_it_when_a_program_did(engines: Engines) -> None:
    seen: list[Any] = []
    run(engines(Hooked(after=lambda job: seen.append(job.started_by))))
    assert seen == [None]


def test_they_change_the_state_of_the_job_and_who_watches_hears_of_it(engines: Engines) -> None:
    heard: list[int] = []

    def before(job: Any, _: int) -> None:
        with engine.bus.watching(heard.extend):
            job.set_state_field("a", 1)
            assert job.update_fields_atomically(lambda state: state.update(b=2)) == {"a": 1, "b": 2}

    engine = engines(Hooked(before, lambda job: job.set_state_field("c", 3)))
    job = run(engine)
    assert job.state == {"a": 1, "b": 2, "c": 3}
    assert heard == [job.id, job.id]


def test_a_change_is_made_again_when_somebody_else_was_faster(engines: Engines) -> None:
    tries: list[int] = []

    def change(state: dict[str, Any]) -> None:
        if not tries:
            sql(engine.database, "UPDATE job SET state = '{\"a\": 1}', state_version = 5")
        tries.append(1)
        state["b"] = 2

    engine = engines(Hooked(lambda job, _: job.update_fields_atomically(change)))
    assert run(engine).state == {"a": 1, "b": 2}
    assert len(tries) == 2


def test_the_job_is_in_progress_before_and_says_that_it_is_finishing(
    engines: Engines, gate: threading.Event
) -> None:
    handler = Hooked(lambda *_: gate.wait(20), concurrency_limit=1)
    engine = engines(handler)
    job_id = engine.start_new_job("x", None, blank(2), "work")
    eventually(lambda: handler.called)
    job = engine.job(job_id)
    assert (job.status, job.progress, job.finishing) == (JobStatus.IN_PROGRESS, 100, True)
    # Its slot is not free before it has ended.
    waiting = engine.start_new_job("next", None, blank(1), "work")
    assert engine.job(waiting).status == JobStatus.QUEUED
    gate.set()
    done(engine, waiting)
    assert (engine.job(job_id).finishing, handler.called) == (False, ["before 1"] * 2)


def test_it_has_ended_when_the_last_one_is_called_and_its_slot_is_free(
    engines: Engines, gate: threading.Event
) -> None:
    handler = Hooked(after=lambda _: gate.wait(20), concurrency_limit=1)
    engine = engines(handler)
    job_id = engine.start_new_job("x", None, blank(2), "work")
    done(engine, engine.start_new_job("next", None, blank(1), "work"))
    assert (engine.job(job_id).status, engine.job(job_id).finishing) == (JobStatus.DONE, True)
    gate.set()
    assert over(engine, job_id).error is None


def test_before_may_add_tasks_three_rounds_and_is_called_again_after_each(engines: Engines) -> None:
    def before(job: Any, attempt: int) -> None:
        if attempt <= 3:
            job.add_tasks({"state": {"round": attempt, "n": n}} for n in range(2))

    handler = Hooked(before, nothing)
    engine = engines(handler)
    job = run(engine)
    assert handler.called == ["before 1", "before 2", "before 3", "before 4", "after"]
    assert (job.status, job.done) == (JobStatus.DONE, 8)
    added = [task.state for task in engine.tasks(job.id, limit=9)][2:]
    assert added == [{"round": r, "n": n} for r in (1, 2, 3) for n in range(2)]
    assert job.counts == recounted(engine.database, job.id)


def test_before_may_add_many_tasks(engines: Engines) -> None:
    def before(job: Any, attempt: int) -> None:
        if attempt == 1:
            job.add_tasks(blank(6_000))
            job.add_tasks([{"state": {}, "skip": True}])

    handler = Hooked(before, nothing, run=nothing)
    engine = engines(handler)
    job = run(engine)
    assert (job.total, job.done, job.skipped) == (6_003, 6_002, 1)
    assert handler.called == ["before 1", "before 2", "after"]
    assert job.counts == recounted(engine.database, job.id)


@pytest.mark.parametrize("count", [2, 6_000])
def test_before_waits_with_its_tasks_while_somebody_else_adds_many(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("app.jobs.adding.TURN_SECONDS", 0.005)
    looks: list[bool] = []
    may_add = adding.may_add

    def looked(*about: Any) -> bool:
        looks.append(may_add(*about))
        return looks[-1]

    def before(job: Any, attempt: int) -> None:
        if attempt == 1:
            other = Adder(job_id=job.id)
            hidden.append(adding.add_hidden(engine.database, other, [NewTask()] * 3))
            monkeypatch.setattr(adding, "may_add", looked)
            job.add_tasks(blank(count))

    hidden: list[adding.Added | None] = []
    handler = Hooked(before, nothing, run=nothing)
    engine = engines(handler)
    job_id = engine.start_new_job("x", None, blank(1), "work")
    eventually(lambda: looks.count(True) >= 3)
    assert engine.job(job_id).total == 1
    assert hidden[0]
    adding.remove_hidden(engine.database, job_id, hidden[0].until)
    job = over(engine, job_id)
    assert (job.status, job.done) == (JobStatus.DONE, count + 1)


def test_after_the_end_no_task_can_be_added(engines: Engines) -> None:
    engine = engines(Hooked(after=lambda job: job.add_tasks(blank(1))))
    job = run(engine)
    assert (job.status, job.total) == (JobStatus.DONE, 2)
    assert "on_all_tasks_done failed: JobEnded: Job 1 has ended" in (job.error or "")


def test_a_handler_without_callbacks_needs_no_finish_step(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[claiming.Order] = []
    claim = claiming.claim

    def noted(connection: Any, worker_id: int, order: claiming.Order) -> str:
        orders.append(order)
        return claim(connection, worker_id, order)

    monkeypatch.setattr(claiming, "claim", noted)
    job = run(engines(Hooked()))
    # It ends with the outcome of its last task.
    assert job.is_final
    assert not any(order.steps or order.finish for order in orders)


def test_callbacks_run_within_what_the_application_needs(engines: Engines) -> None:
    within: list[str] = []

    class Around:
        def __enter__(self) -> None:
            within.append("in")

        def __exit__(self, *_: object) -> None:
            within.append("out")

    engine = engines(Hooked(nothing, nothing), runs=False)
    engine._within = Around
    engine.run()
    run(engine, tasks=0)
    assert within == ["in", "out"] * 2


def test_a_locked_database_delays_what_a_callback_says_and_loses_nothing(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engines.LOCK_SECONDS", 0.05)
    monkeypatch.setattr("app.jobs.patience.RETRY_SECONDS", 0.01)
    warned: list[str] = []
    monkeypatch.setattr(
        "app.jobs.patience.log.warning", lambda said, *rest: warned.append(said % rest)
    )
    entered = threading.Event()

    def before(job: Any, attempt: int) -> None:
        entered.set()
        eventually(lambda: is_locked)
        job.set_state_field("said", True)
        if attempt == 1:
            job.add_tasks(blank(1))

    is_locked: list[bool] = []
    handler = Hooked(before, nothing)
    engine = engines(handler)
    job_id = engine.start_new_job("x", None, blank(2), "work")
    assert entered.wait(20)
    with locked(engine.database):
        is_locked.append(True)
        eventually(lambda: warned)
    job = over(engine, job_id)
    assert (job.status, job.done, job.state) == (JobStatus.DONE, 3, {"said": True})
    assert handler.called == ["before 1", "before 2", "after"]


def test_cannot_be_extended_says_so_in_a_sentence(engines: Engines) -> None:
    engine = engines(Hooked(nothing))
    job = run(engine)
    with pytest.raises(JobEnded, match=r"ended already \(DONE\); it cannot be extended"):
        engine.add_new_tasks_to_existing_job(job.id, blank(1))
