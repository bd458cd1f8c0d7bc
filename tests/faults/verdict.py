"""What must be true after every kill, whatever the moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import text

from app.jobs import Engine
from tests.faults.witness import Line

RECOUNT = text("SELECT status, count(*) FROM task WHERE job_id = :job_id GROUP BY status")
DONE = text("SELECT idx FROM task WHERE job_id = :job_id AND status = 'DONE'")


def recorded_done(engine: Engine, job_id: int) -> set[int]:
    """The tasks that the database holds for done."""
    with engine.database.reading() as connection:
        return set(connection.execute(DONE, {"job_id": job_id}).scalars())


def counts_are_exact(engine: Engine, job_id: int) -> None:
    """The counters that triggers moved are what counting the rows gives."""
    with engine.database.reading() as connection:
        recount = {row[0]: row[1] for row in connection.execute(RECOUNT, {"job_id": job_id})}
    job = engine.job(job_id)
    told = {status: getattr(job, status.lower()) for status in recount}
    assert told == recount
    assert job.total == sum(recount.values())


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
