"""How many tasks a worker claims ahead of its threads: by the rate at which they end (B8)."""

from __future__ import annotations

import time

from app.jobs.housekeeping import Every
from app.jobs.pool import Pool

#: The most tasks claimed ahead of the threads: what a crash leaves waiting, and others could run.
MOST_AHEAD = 600
#: So many of them however long a claim takes, else no more than can be claimed in such a time, in
#: which all others have to wait who want to write.
LEAST_AHEAD, CLAIM_SECONDS = 200, 0.02
#: Tasks for at least this long are claimed ahead, by the rate at which tasks end.
AHEAD_SECONDS = 0.05
#: A rate is not taken from a shorter time than this.
LEAST_SECONDS = 0.001
#: What was claimed ahead and has not begun after so long is given back: others may be idle.
STALE_SECONDS = 0.5


class Ahead:
    """Looks at a pool, and tells how much more it should have, or whether it has too much."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._rate, self._seconds, self._most = 0.0, AHEAD_SECONDS, MOST_AHEAD
        self._counted = (time.monotonic(), 0)
        self._check = Every(STALE_SECONDS)
        self._waited = 0  # how many tasks must have ended before those that waited have begun

    def room(self) -> int:
        """How many tasks to claim now: none while enough for the next moment is at hand."""
        moment, ended = time.monotonic(), self._pool.ended
        since, before = self._counted
        seconds, newly = moment - since, ended - before
        if seconds > AHEAD_SECONDS:
            remembered = 0.5 ** (seconds / AHEAD_SECONDS)
            self._rate += (newly / seconds - self._rate) * (1 - remembered)
            self._counted = (moment, ended)
        elif newly > 2 * self._pool.threads:  # so quick that it is known already
            self._rate = max(self._rate, newly / max(seconds, LEAST_SECONDS))
        target = self._pool.threads + min(self._most, int(self._rate * self._seconds))
        half = (target - self._pool.threads) // 2
        self._pool.low = max(half, self._pool.threads - 1)
        return 0 if self._pool.waiting > half else max(0, target - self._pool.load)

    def know_claim(self, tasks: int, seconds: float) -> None:
        """Heed how long it took to claim so many tasks.

        Where claims take long, the threads need work for longer until the next one is there.
        """
        self._seconds = max(AHEAD_SECONDS, 2 * seconds)
        if tasks >= LEAST_AHEAD // 2:  # of fewer it would be what any claim takes
            quick = int(tasks * CLAIM_SECONDS / max(seconds, LEAST_SECONDS))
            self._most = max(LEAST_AHEAD, min(MOST_AHEAD, quick))

    def seconds_left(self, most: float) -> float:
        """How long to sleep: no longer than `most`, nor than what waits may go unchecked."""
        return min(most, STALE_SECONDS) if self._pool.waiting else most

    def is_stale(self) -> bool:
        """Whether some of what waits for a thread has done so for too long: tasks became slow."""
        if not self._check.is_due():
            return False
        waited, self._waited = self._waited, self._pool.ended + self._pool.waiting
        return bool(self._pool.waiting) and self._pool.ended < waited
