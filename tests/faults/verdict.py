"""What must be true after every kill, whatever the moment.

The database is compared with itself (counters and rows, moves and what may follow what), and with
what the witness has heard.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sqlalchemy import text

from app.jobs import Engine
from app.jobs.states import JOB_ENTERED_FROM, TASK_ENTERED_FROM
from app.jobs.store.keeping import REPEATED
from app.jobs.views import JobDetail, TaskRow
from tests.faults import audit
from tests.faults.witness import Line, heard, limited
from tests.jobs.looking import recounted, sql

#: Why a task may have failed.
ASKED_TO_FAIL = "ValueError: as it was asked to"
DONE = text("SELECT idx FROM task WHERE job_id = :job_id AND status = 'DONE'")
SLOTS = text("""
    SELECT name, running, (SELECT count(*) FROM job
                           WHERE job.handler = handler.name AND status = 'IN_PROGRESS')
    FROM handler
""")


def recorded_done(engine: Engine, job_id: int) -> set[int]:
    """The tasks that the database holds for done."""
    with engine.database.reading() as connection:
        return set(connection.execute(DONE, {"job_id": job_id}).scalars())


def counts_are_exact(engine: Engine, job_id: int) -> None:
    """The counters that triggers moved are what counting the rows gives."""
    with engine.database.writing():  # so that nobody moves them meanwhile
        assert engine.job(job_id).counts == recounted(engine.database, job_id)


def slots_are_exact(engine: Engine) -> None:
    """As many jobs of each handler hold a slot as are under way."""
    with engine.database.writing() as connection:
        rows = connection.execute(SLOTS).all()
    assert [running for _, running, _ in rows] == [counted for _, _, counted in rows], rows


def moves_were_allowed(engine: Engine) -> None:
    """Every status was entered from one that it may follow: so nothing was recorded twice."""
    assert not forbidden_moves(engine)


def forbidden_moves(engine: Engine) -> list[audit.Move]:
    """The moves that should not have been."""
    allowed: dict[str, Mapping[str, frozenset[str]]] = {
        "job": {str(new): frozenset(map(str, old)) for new, old in JOB_ENTERED_FROM.items()},
        "task": {str(new): frozenset(map(str, old)) for new, old in TASK_ENTERED_FROM.items()},
    }
    made = audit.moves(engine.database)
    return [move for move in made if move.old not in allowed[move.what][move.new]]


def nothing_done_ran_again(lines: Sequence[Line], done: set[int]) -> None:
    """No task that was recorded DONE has begun in these lines."""
    assert not {line.index for line in lines if line.what == "S"} & done


def nothing_ran_twice_at_once(lines: Sequence[Line]) -> None:
    """Within one process, a task never begins before its last try there has ended."""
    open_tries: Counter[tuple[int, int, int]] = Counter()
    for line in lines:
        key = (line.pid, line.job_id, line.index)
        open_tries[key] += 1 if line.what == "S" else -1
        assert open_tries[key] in (0, 1), line


def all_is_right(engine: Engine, job_id: int, tasks: int) -> None:
    """The job has ended well: every task done, counted and summed exactly once."""
    job = engine.job(job_id)
    assert (job.status, job.done, job.total, job.progress) == ("DONE", tasks, tasks, 100)
    assert job.state == {"count": tasks, "sum": tasks * (tasks - 1) // 2}
    counts_are_exact(engine, job_id)
    slots_are_exact(engine)
    moves_were_allowed(engine)


def all_is_over(engine: Engine) -> bool:
    """Whether every job has ended, its callbacks included."""
    return all(job.is_final and not job.finishing for job in engine.jobs(limit=1_000))


def forget_who_died(looking: Engine) -> None:
    """Let the time be over that a creator, or who adds tasks, has for that."""
    for column in ("preparing_until", "adding_until"):
        past = f"UPDATE job SET {column} = '2001-01-01T00:00:00.000000Z'"
        sql(looking.database, f"{past} WHERE {column} > '2001-01-01T00:00:00.000000Z'")


def books_balance(engine: Engine, file: Path) -> None:
    """Nothing is lost, recorded twice or over a limit, whatever has happened to which jobs."""
    lines = heard(file)
    moves_were_allowed(engine)
    slots_are_exact(engine)
    limits_held(lines, {row.id for row in engine.jobs(limit=1_000) if row.handler == "limited"})
    for row in engine.jobs(limit=1_000):
        job = engine.job(row.id)
        own = [line for line in lines if line.job_id == job.id]
        counts_are_exact(engine, job.id)
        tasks = engine.tasks(job.id, limit=100_000)
        for task in tasks:
            _task_is_told(job, task, own)
        _effects_happened_once(job, tasks)
        _nothing_began_after_a_cancel(own)


def _task_is_told(job: JobDetail, task: TaskRow, lines: Sequence[Line]) -> None:
    """What the database says of a task is what its witnesses say."""
    said = {line.what for line in lines if line.index == task.index and line.what in "SE"}
    if task.status == "DONE":
        assert said == {"S", "E"}, (job, task)
    elif task.status == "FAILED":
        assert "S" in said, (job, task)
        assert task.error in (ASKED_TO_FAIL, REPEATED), (job, task)
    else:
        assert task.status == "CANCELLED", (job, task)
        assert job.cancel_requested_at or any(line.what == "C" for line in lines), (job, task)


def _effects_happened_once(job: JobDetail, tasks: Sequence[TaskRow]) -> None:
    """What tasks add to their job's state together with their own mark is in it once for each."""
    marked = [task.index for task in tasks if task.state.get("counted")]
    assert job.state.get("count", 0) == len(marked), job
    assert job.state.get("sum", 0) == sum(marked), job


def _nothing_began_after_a_cancel(lines: Sequence[Line]) -> None:
    """Only tasks that were claimed when a cancel was answered may begin after it.

    And those that a thread was about to begin when its process was frozen.
    """
    left: int | None = None
    for line in _but_what_a_frost_delayed(lines):
        if line.what == "R":
            left = None
        elif line.what == "C":
            left = line.index
        elif line.what == "S" and left is not None:
            left -= 1
            assert left >= 0, line


def _but_what_a_frost_delayed(lines: Sequence[Line]) -> Iterator[Line]:
    """These lines without the begin of what a thread had in hand, and not begun, when it froze."""
    begun: set[tuple[int, int]] = set()
    about_to_begin: set[tuple[int, int]] = set()
    for line in lines:
        task = (line.pid, line.index)
        if line.what == "F" and task not in begun:
            about_to_begin.add(task)
        elif line.what == "E":
            begun.discard(task)
        elif line.what == "S":
            begun.add(task)
        if line.what == "S" and task in about_to_begin:
            about_to_begin.remove(task)
        else:
            yield line


def limits_held(lines: Sequence[Line], jobs: set[int]) -> None:
    """Of these jobs of the `limited` handler never too many ran at once, nor too many tasks."""
    for open_tasks in _open_tasks(lines):
        own = [(job_id, index) for _, job_id, index in open_tasks if job_id in jobs]
        by_job = Counter(job_id for job_id, _ in own)
        assert len(by_job) <= (limited.concurrency_limit or 0), own
        assert max(by_job.values(), default=0) <= (limited.parallel_limit or 0), own


def _open_tasks(lines: Sequence[Line]) -> Iterator[set[tuple[int, int, int]]]:
    """What ran, after each line. A process that is dead, or was frozen, counts no more."""
    last = {line.pid: number for number, line in enumerate(lines)}
    gone: set[int] = set()
    running: defaultdict[int, set[tuple[int, int, int]]] = defaultdict(set)
    for number, line in enumerate(lines):
        if line.what == "S" and line.pid not in gone:
            running[line.pid].add((line.pid, line.job_id, line.index))
        elif line.what == "E":
            running[line.pid].discard((line.pid, line.job_id, line.index))
        yield set().union(*running.values())
        if line.what == "K" or last[line.pid] == number:
            gone.add(line.pid)
            running[line.pid].clear()
