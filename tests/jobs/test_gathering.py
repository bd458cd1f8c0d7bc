"""What is said and not yet written: its order, and what of it is void."""

from __future__ import annotations

from app.jobs.gathering import Gathering
from app.jobs.group import MOST_SIZE, Group
from app.jobs.states import TaskStatus
from app.jobs.store.recording import JobState, TaskWrites

WORKER, JOB, TASK = 1, 1, 7


def said(attempt: int = 1, worker: int = WORKER, **word: str) -> TaskWrites:
    """A word of a try."""
    writes = TaskWrites(worker, TASK, JOB, attempt)
    for name, value in word.items():
        setattr(writes, name, value)
    return writes


def line(text: str) -> TaskWrites:
    """A line of a log."""
    writes = said()
    writes.logs.append(("2026-01-01T00:00:00Z", "INFO", text))
    return writes


def collected(*words: TaskWrites) -> Gathering:
    """What is gathered of these, said in this order."""
    gathering = Gathering()
    for word in words:
        gathering.say(word)
    gathering.collect(WORKER, now=0.0)
    return gathering


def written(gathering: Gathering) -> TaskWrites | None:
    """What is to be written of the task, when everything has rested."""
    gathering.end_rest()
    return gathering.take(WORKER, now=0.0).writes.get(TASK)


def test_the_newest_state_is_written_with_the_outcome_and_all_lines() -> None:
    words = (said(state="1"), line("a"), said(state="2"), line("b"), said(status=TaskStatus.DONE))
    writes = written(collected(*words))
    assert writes
    assert (writes.state, writes.status) == ("2", "DONE")
    assert [text for *_, text in writes.logs] == ["a", "b"]


def test_what_a_worker_says_that_was_is_void() -> None:
    assert written(collected(said(worker=2, state="1"), said(worker=2, status="DONE"))) is None


def test_what_a_try_says_after_its_time_is_void() -> None:
    gathering = collected(said(state="1"))
    gathering.cut_off(said(status=TaskStatus.FAILED))
    gathering.say(said(state="late"))
    gathering.collect(WORKER, now=0.0)
    gathering.forget(said())
    writes = written(gathering)
    assert writes
    assert (writes.state, writes.status) == (None, "FAILED")


def test_of_two_tries_the_later_one_speaks_whoever_is_heard_first() -> None:
    first, second = said(1, state="1"), said(2, status=TaskStatus.DONE)
    for words in ((first, second), (second, first)):
        writes = written(collected(*words))
        assert writes
        assert (writes.attempt, writes.state, writes.status) == (2, None, "DONE")


def test_lines_count_until_they_are_written_kept_back_or_forgotten() -> None:
    gathering = collected(line("a"), line("b"))
    assert len(gathering) == 3
    gathering.hold(TASK)  # what waits for a change keeps nobody else waiting
    assert len(gathering) == 0
    gathering.give_up(said())
    assert len(gathering) == 3
    gathering.clear()
    assert len(gathering) == 0


def taken(gathering: Gathering) -> Group:
    """The next group, once it is written."""
    group = gathering.take(WORKER, now=0.0)
    gathering.is_stored(group)
    return group


def large(task_id: int, size: int) -> TaskWrites:
    """A task that ends with a result of this size."""
    return TaskWrites(WORKER, task_id, JOB, 1, status=TaskStatus.DONE, result="x" * size)


def test_a_group_does_not_grow_beyond_measure_and_the_rest_comes_next() -> None:
    gathering = collected(*(large(task_id, MOST_SIZE // 3) for task_id in range(1, 8)))
    groups = [sorted(gathering.take(WORKER, now=0.0).writes) for _ in range(4)]
    assert groups == [[1, 2, 3], [4, 5, 6], [7], []]


def test_one_that_is_larger_by_itself_is_written_all_the_same() -> None:
    gathering = collected(large(1, MOST_SIZE + 1), large(2, 1))
    assert [sorted(gathering.take(WORKER, now=0.0).writes) for _ in range(2)] == [[1], [2]]


def test_what_belongs_to_a_change_of_its_job_is_written_with_it() -> None:
    gathering = collected(large(1, MOST_SIZE))
    gathering.offer(JobState(JOB, 0, "{}"), "{}", large(2, MOST_SIZE), None)
    groups = [taken(gathering) for _ in range(3)]
    assert [(sorted(group.writes), list(group.heads)) for group in groups] == [
        ([1], []), ([2], [JOB]), ([], []),
    ]  # fmt: skip


def test_states_of_jobs_count_as_well() -> None:
    gathering = collected(large(1, 9))
    for job_id in (1, 2, 3):
        seen = JobState(job_id, 0, "{}")
        gathering.offer(
            seen, "x" * (MOST_SIZE // 2), TaskWrites(WORKER, 10 + job_id, job_id, 1), None
        )
    groups = [taken(gathering) for _ in range(4)]
    assert [(sorted(group.writes), sorted(group.heads)) for group in groups] == [
        ([1, 11], [1]), ([12, 13], [2, 3]), ([], []), ([], []),
    ]  # fmt: skip
    assert groups[1].heads[2].newest.base == 0


def test_who_was_left_comes_first_next_time() -> None:
    gathering = collected(large(1, MOST_SIZE), large(2, MOST_SIZE))
    gathering.take(WORKER, now=0.0)
    for word in (large(1, MOST_SIZE), large(3, 1)):
        gathering.say(word)
    gathering.collect(WORKER, now=0.0)
    assert [sorted(gathering.take(WORKER, now=0.0).writes) for _ in range(3)] == [[2], [1], [3]]


def test_a_task_that_rests_is_written_with_a_change_of_its_job_that_it_has_made() -> None:
    gathering = Gathering()
    gathering.add_state(said(state="1"), now=0.0)
    gathering.offer(JobState(JOB, 0, "{}"), "{}", said(), None)
    gathering.add_state(said(state="2"), now=0.0)
    group = gathering.take(WORKER, now=0.0)
    assert (group.writes[TASK].state, list(group.heads)) == ("2", [JOB])
