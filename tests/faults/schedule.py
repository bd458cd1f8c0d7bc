"""Schedules: what is done to jobs and to processes, and when, made from a seed and nothing else."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from app.jobs import Engine, JobsError
from tests.eventually import eventually
from tests.faults import verdict
from tests.faults.errand import Errand
from tests.faults.life import Fate, Life, in_hand
from tests.faults.witness import write
from tests.jobs.looking import blank, sql

#: How often each act is chosen, beside the others.
WEIGHTS = {
    "start": 6, "cancel": 3, "retry": 3, "add": 2, "delete": 1, "killed errand": 3,
    "life": 4, "kill": 3, "kill all": 1, "stop": 1, "freeze": 2, "thaw": 2,
}  # fmt: skip
MOST_LIVES = 3


@dataclass(frozen=True)
class Act:
    """One thing that is done, after a pause; `chance` decides what else there is to decide."""

    what: str
    pause: float
    chance: int


def made_from(seed: int, acts: int) -> list[Act]:
    """The schedule of this seed."""
    made = random.Random(seed)
    names = made.choices(list(WEIGHTS), list(WEIGHTS.values()), k=acts)
    return [Act(name, made.uniform(0.0, 0.12), made.randrange(10**9)) for name in names]


@dataclass
class Stage:
    """Where a schedule is performed: the jobs and the processes that there are by now."""

    folder: Path
    looking: Engine
    lives: list[Life] = field(default_factory=list)
    frozen: list[Life] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=count)

    @property
    def file(self) -> Path:
        """The testimony."""
        return self.folder / "testimony"

    def perform(self, schedule: Sequence[Act]) -> None:
        """Do all of it, then let everything come to its end, and compare the books."""
        for act in schedule:
            threading.Event().wait(act.pause)
            doing: Callable[[random.Random], None] = getattr(self, f"_{act.what.replace(' ', '_')}")
            with contextlib.suppress(JobsError, LookupError):  # such as: it has ended already
                doing(random.Random(act.chance))
        while self.frozen:
            self._thaw(random.Random(0))
        if not self.lives:
            self.lives.append(self._new_life())
        verdict.forget_who_died(self.looking)
        eventually(lambda: verdict.all_is_over(self.looking), within=60)
        self._kill_all(random.Random(0))
        verdict.books_balance(self.looking, self.file)

    # What is done to jobs

    def _start(self, chance: random.Random) -> None:
        params = {
            "file": str(self.file),
            "tasks": chance.randrange(1, 40),
            "seconds": chance.choice([0, 0.005, 0.03]),
            "failing": chance.choice([0, 0, 3]),
        }
        handler = chance.choice(["witnessed", "limited", "limited", "called_back"])
        self.looking.start(handler, params | ({"tasks": 3} if handler == "called_back" else {}))

    def _cancel(self, chance: random.Random) -> None:
        job = self.looking.cancel(self._some_job(chance))
        self._say("C", 0, job.id, job.in_progress)

    def _retry(self, chance: random.Random) -> None:
        job_id = self._some_job(chance)
        if self.looking.job(job_id).is_final:
            self._say("R", 0, job_id)
            self.looking.retry(job_id, chance.choice(["failed", "unfinished", "all"]))

    def _add(self, chance: random.Random) -> None:
        number = chance.randrange(1, 12)
        self.looking.add_new_tasks_to_existing_job(self._some_job(chance), blank(number))

    def _delete(self, chance: random.Random) -> None:
        self.looking.delete_job(self._some_job(chance))

    def _killed_errand(self, chance: random.Random) -> None:
        job_id = self._some_job(chance)
        what = chance.choice(["start", "cancel", "retry", "add", "delete"])
        tasks = "unfinished" if what == "retry" else str(chance.randrange(1, 30))
        self._say("R", 0, job_id)  # nobody knows any more whether a cancel still holds
        errand = Errand(self.folder, what, job_id, tasks)
        errand.kill_after(chance.uniform(0.0, 0.03))

    def _some_job(self, chance: random.Random) -> int:
        return chance.choice([job.id for job in self.looking.jobs(limit=1_000)][::-1])

    # What is done to processes

    def _life(self, _: random.Random) -> None:
        if len(self.lives) + len(self.frozen) < MOST_LIVES:
            self.lives.append(self._new_life())

    def _new_life(self) -> Life:
        overslept = self.folder / f"overslept-{next(self._number)}"
        return Life(self.folder, fate=Fate(overslept=overslept))

    def _kill(self, chance: random.Random) -> None:
        life = chance.choice(self.lives + self.frozen)
        self._say("K", life.worker_pid)
        life.kill()
        (self.lives if life in self.lives else self.frozen).remove(life)

    def _kill_all(self, chance: random.Random) -> None:
        while self.lives + self.frozen:
            self._kill(chance)

    def _stop(self, chance: random.Random) -> None:
        life = self.lives.pop(chance.randrange(len(self.lives) or 1))
        life.send(signal.SIGTERM)
        assert life.wait() == 0

    def _freeze(self, chance: random.Random) -> None:
        life = self.lives.pop(chance.randrange(len(self.lives) or 1))
        self.frozen.append(life)
        life.freeze(self.looking.database)
        self._say("K", life.worker_pid)
        for job_id, index in in_hand(self.folder, self.looking.database, life.worker_pid):
            self._say("F", life.worker_pid, job_id, index)
        late = "UPDATE worker SET expires_at = '2001-01-01T00:00:00.000000Z' WHERE pid = :pid"
        sql(self.looking.database, late, pid=life.worker_pid)
        assert life.fate.overslept
        with life.fate.overslept.open("a") as overslept:
            overslept.write("z")

    def _thaw(self, _: random.Random) -> None:
        life = self.frozen.pop(0)
        self.lives.append(life)
        life.send(signal.SIGCONT)

    def _say(self, what: str, pid: int, job_id: int = 0, count: int = 0) -> None:
        write(str(self.file), f"{what} {pid} {job_id} {count}")
